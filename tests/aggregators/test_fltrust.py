"""FLTrust; whom it trusts is tested with MoNNA."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators import FLTrust
from saddleproof.testing import check_aggregator, check_scales


def definition(x: np.ndarray, t: int) -> np.ndarray:
    """The formulas of Cao et al., row by row."""
    g = x[t]
    total, scores = np.zeros(x.shape[1]), 0.0
    for i, row in enumerate(x):
        score = max(0.0, row @ g / (np.linalg.norm(row) * np.linalg.norm(g)))
        if i != t:
            total, scores = (
                total + score * np.linalg.norm(g) / np.linalg.norm(row) * row,
                (scores + score),
            )
    return total / scores if scores > 0 else g


@pytest.mark.parametrize("m", [3, 10, 11])
def test_fltrust_passes_the_suite(m: int) -> None:
    check_aggregator(FLTrust(trusted=m - 1), m=m, ordered=True, equivariant=False, rotation=True)


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 4), st.data())
def test_fltrust_is_its_definition(seed: int, m: int, d: int, data: st.DataObject) -> None:
    t = data.draw(st.integers(0, m - 1))
    x = np.random.default_rng(seed).standard_normal((m, d))
    found = FLTrust(trusted=t).estimate(x, 0)
    np.testing.assert_allclose(found.vector, definition(x, t), atol=1e-12)
    acute = x @ x[t] > 0
    acute[t] = not np.delete(acute, t).any()
    np.testing.assert_array_equal(found.kept, acute)


@given(st.integers(0, 2**32), st.sampled_from([1e-300, 1e-3, 1.0, 1e9, 1e300, np.inf, np.nan]))
def test_the_answer_is_no_longer_than_the_trusted_row_and_turns_less_than_a_right_angle(
    seed: int, size: float
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((9, 3))
    x[:4] = size * rng.standard_normal((4, 3))
    found = FLTrust(trusted=8)(x, b=4)
    assert np.linalg.norm(found) <= np.linalg.norm(x[8]) * (1 + 1e-12)
    assert found @ x[8] > 0


def test_a_scale_of_all_rows_changes_no_bit() -> None:
    x = np.random.default_rng(0).standard_normal((11, 4))
    check_scales(FLTrust(trusted=3), x, 4)
    x[0], x[1, 0] = np.nan, np.inf
    check_scales(FLTrust(trusted=3), x, 4)


def test_a_scale_of_one_row_changes_no_bit_either() -> None:
    x = np.random.default_rng(0).standard_normal((9, 4))
    rule = FLTrust(trusted=8)
    for k in (-1000, -30, 1000):
        moved = np.concatenate([np.ldexp(x[:3], k), x[3:]])
        np.testing.assert_array_equal(rule(moved, 3), rule(x, 3))


def test_where_nobody_is_on_its_side_the_trusted_row_is_the_answer() -> None:
    x = np.array([[1.0, 2.0], [-1.0, -2.0], [-3.0, 1.0], [np.nan, 0.0]])
    found = FLTrust(trusted=0).estimate(x, 1)
    np.testing.assert_array_equal(found.vector, x[0])
    np.testing.assert_array_equal(found.kept, [True, False, False, False])
    x[0] = 0.0
    np.testing.assert_array_equal(FLTrust(trusted=0)(x, 1), [0.0, 0.0])


def test_long_messages_are_read_in_blocks() -> None:
    x = np.random.default_rng(0).standard_normal((5, 120_001)) + 0.2
    np.testing.assert_allclose(FLTrust(trusted=1)(x, 1), definition(x, 1), rtol=1e-9, atol=1e-12)
