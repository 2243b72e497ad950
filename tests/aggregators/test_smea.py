"""Smallest maximum eigenvalue averaging."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators import SMEA
from saddleproof.errors import OptionError
from saddleproof.testing import check_aggregator


def variance(x: np.ndarray) -> float:
    """The largest eigenvalue of the covariance, from the rows themselves."""
    return float(np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[0] ** 2 / len(x))


@pytest.mark.parametrize("m", [3, 10, 11])
def test_smea_passes_the_suite(m: int) -> None:
    check_aggregator(SMEA(), m=m, rotation=True)


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 12), st.booleans(), st.data())
def test_no_set_has_a_smaller_largest_variance(
    seed: int, m: int, d: int, far: bool, data: st.DataObject
) -> None:
    b = data.draw(st.integers(0, (m - 1) // 2))
    x = np.random.default_rng(seed).standard_normal((m, d))
    x[:b] *= 1e3 if far else 1.0
    found = SMEA().estimate(x, b)
    chosen = np.asarray(found.kept)
    assert chosen.sum() == m - b
    np.testing.assert_allclose(found.vector, x[chosen].mean(axis=0), atol=1e-12)
    sets = [list(s) for s in itertools.combinations(range(m), m - b)]
    least = min(variance(x[s]) for s in sets)
    assert variance(x[chosen]) == pytest.approx(least, rel=1e-8, abs=1e-12)


def test_the_search_goes_over_many_blocks() -> None:
    x = np.random.default_rng(3).standard_normal((16, 3))
    x[-5:] += 2.0
    chosen = np.asarray(SMEA().estimate(x, 5).kept)
    sets = [list(s) for s in itertools.combinations(range(16), 11)]
    centred = np.stack([x[s] - x[s].mean(axis=0) for s in sets])
    least = np.linalg.eigvalsh(centred.swapaxes(1, 2) @ centred)[:, -1].min() / 11
    assert variance(x[chosen]) == pytest.approx(float(least), rel=1e-9)


def test_rows_that_are_not_finite_are_outside_every_set() -> None:
    x = np.array([[np.nan], [0.0], [1.0], [np.inf], [3.0]])
    assert SMEA()(x, b=2) == pytest.approx(4 / 3)


def test_many_workers_are_refused_before_the_search() -> None:
    with pytest.raises(OptionError, match=r"SMEA tries every set .* m=200 at most \d+; b=2 makes"):
        SMEA()(np.zeros((200, 1)), b=2)


def test_byzfl_agrees_where_its_power_method_is_exact() -> None:
    byzfl = pytest.importorskip("byzfl")
    for seed in range(30):  # in one dimension there is one direction
        x = np.random.default_rng(seed).standard_normal((9, 1))
        np.testing.assert_allclose(SMEA()(x, 3), byzfl.SMEA(3)(x.copy()))
