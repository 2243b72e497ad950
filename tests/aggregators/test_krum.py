"""Krum and Multi-Krum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators.krum import Krum, scores
from saddleproof.aggregators.multi_krum import MultiKrum
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.testing import check_aggregator

LINE = np.array([[0.0], [1.0], [2.0], [2.5], [90.0]])


def definition(x: np.ndarray, b: int, omit: int = 2) -> np.ndarray:
    """Scores, row by row, as Blanchard et al. write them."""
    found = []
    for i, row in enumerate(x):
        others = np.delete(x, i, axis=0)
        found.append(np.sort(((others - row) ** 2).sum(axis=1))[: len(x) - b - omit].sum())
    return np.array(found)


@pytest.mark.parametrize("rule", [Krum(), Krum(omit=1), MultiKrum(), MultiKrum(k=2)])
@pytest.mark.parametrize("m", [5, 10, 11])
def test_krum_and_multi_krum_pass_the_suite(rule: Krum | MultiKrum, m: int) -> None:
    check_aggregator(rule, m=m, rotation=True)


@given(seed=st.integers(0, 2**32), m=st.integers(3, 12), data=st.data())
def test_krum_is_its_definition(seed: int, m: int, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, Krum().breakdown(m)))
    x = np.random.default_rng(seed).standard_normal((m, 3))
    expected = definition(x, b)
    np.testing.assert_array_equal(Krum()(x, b), x[np.argmin(expected)])
    best = np.argsort(expected, kind="stable")
    for k in range(1, m - b + 1):
        np.testing.assert_allclose(MultiKrum(k=k)(x, b), x[best[:k]].mean(axis=0), atol=1e-12)


def test_by_hand() -> None:
    from saddleproof.aggregators.gram import gram

    # Two neighbours each: 1 + 4, 1 + 1, .25 + 1, .25 + 2.25, 87.5^2 + 88^2.
    np.testing.assert_allclose(scores(gram(LINE), b=1), [5, 2, 1.25, 2.5, 15400.25])
    assert Krum()(LINE, b=1) == 2.0
    assert MultiKrum(k=2)(LINE, b=1) == 1.5
    np.testing.assert_array_equal(
        MultiKrum().estimate(LINE, b=1).kept, [True, True, True, True, False]
    )


def test_ties_go_to_the_smallest_index() -> None:
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [7.0, 7.0]])
    np.testing.assert_array_equal(Krum()(square, b=1), square[0])
    np.testing.assert_array_equal(Krum()(square[::-1], b=1), square[3])


def test_without_liars_multi_krum_is_the_mean() -> None:
    x = np.random.default_rng(0).standard_normal((9, 4))
    np.testing.assert_allclose(MultiKrum()(x, b=0), x.mean(axis=0))


@given(seed=st.integers(0, 2**32), size=st.sampled_from([1e3, 1e9, 1e30, 1e200, np.inf, np.nan]))
def test_far_rows_never_enter_and_never_matter(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((11, 3))
    x[:4] = 100.0 * rng.standard_normal((4, 3))
    near = MultiKrum().estimate(x, 4)
    x[:4] = size * rng.standard_normal((4, 3))
    far = MultiKrum().estimate(x, 4)
    assert not far.kept[:4].any()
    np.testing.assert_array_equal(near.vector, far.vector)
    np.testing.assert_array_equal(Krum()(x, 4), Krum()(np.vstack([x[:4] * 2, x[4:]]), 4))


def test_krum_never_hands_out_a_view_of_a_row() -> None:
    x = np.random.default_rng(0).standard_normal((9, 4))
    assert not np.shares_memory(Krum()(x, b=2), x)


def test_one_neighbour_more_is_another_rule() -> None:
    differ = 0
    for seed in range(400):
        x = np.random.default_rng(seed).standard_normal((9, 5))
        ours, theirs = Krum()(x, b=2), Krum(omit=1)(x, b=2)
        np.testing.assert_array_equal(theirs, x[np.argmin(definition(x, 2, omit=1))])
        differ += not np.array_equal(ours, theirs)
    assert 40 <= differ <= 120  # about one draw in six


@pytest.mark.parametrize(
    ("m", "b", "says"),
    [
        (5, 2, r"Krum needs m > 2b \+ 2; got m=5, b=2\. Lower b, or bring more workers"),
        (2, 0, r"Krum needs m > 2b \+ 2; got m=2, b=0"),
        (9, -1, r"Krum needs b >= 0; got m=9, b=-1"),
    ],
)
def test_too_many_liars_are_refused_with_the_condition(m: int, b: int, says: str) -> None:
    for rule in (Krum(), MultiKrum()):
        with pytest.raises(BreakdownError, match=says):
            rule(np.zeros((m, 1)), b=b)
        with pytest.raises(BreakdownError, match=says):
            rule.estimate(np.zeros((m, 1)), b=b)


@pytest.mark.parametrize("k", [0, 5])
def test_more_rows_than_are_honest_are_refused(k: int) -> None:
    with pytest.raises(OptionError, match=f"1 <= k <= m - b = 4; got k={k}"):
        MultiKrum(k=k)(LINE, b=1)
