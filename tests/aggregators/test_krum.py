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


@given(st.integers(0, 2**32), st.integers(3, 12), st.sampled_from([1, 2]), st.data())
def test_krum_is_its_definition(seed: int, m: int, omit: int, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, (m - 1) // 2 if omit == 1 else (m - 3) // 2))
    x = np.random.default_rng(seed).standard_normal((m, 3))
    expected = definition(x, b, omit)
    np.testing.assert_array_equal(Krum(omit=omit)(x, b), x[np.argmin(expected)])
    best = np.argsort(expected, kind="stable")
    for k in range(1, m - b + 1):
        found = MultiKrum(k=k, omit=omit)(x, b)
        np.testing.assert_allclose(found, x[best[:k]].mean(axis=0), atol=1e-12)


def test_by_hand() -> None:
    from saddleproof.aggregators.engine.gram import gram

    found = gram(LINE)
    # Two neighbours each: 1 + 4, 1 + 1, .25 + 1, .25 + 2.25, 87.5^2 + 88^2.
    np.testing.assert_allclose(
        scores(found, b=1) * 4.0**found.exponent, [5, 2, 1.25, 2.5, 15400.25]
    )
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


@given(
    seed=st.integers(0, 2**32),
    size=st.sampled_from([1e3, 1e9, 1e30, 1e200, np.inf, np.nan]),
    omit=st.sampled_from([1, 2]),
    together=st.booleans(),
)
def test_far_rows_never_enter_and_never_matter(
    seed: int, size: float, omit: int, together: bool
) -> None:
    rng = np.random.default_rng(seed)
    b = Krum(omit=omit).breakdown(11)  # 5 or 4
    x = rng.standard_normal((11, 3))
    rule, one = MultiKrum(omit=omit), Krum(omit=omit)
    x[:b] = 100.0 * rng.standard_normal((1 if together else b, 3))
    near = rule.estimate(x, b)
    x[:b] = size * rng.standard_normal((1 if together else b, 3))
    far = rule.estimate(x, b)
    assert not far.kept[:b].any()
    np.testing.assert_array_equal(near.kept, far.kept)
    np.testing.assert_allclose(near.vector, far.vector, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(one(x, b), one(np.vstack([x[:b] * 2, x[b:]]), b))


def test_with_one_neighbour_more_any_minority_of_liars_is_held() -> None:
    assert [Krum(omit=1).breakdown(m) for m in range(1, 8)] == [0, 0, 1, 1, 2, 2, 3]
    assert [MultiKrum(omit=1).breakdown(m) for m in (3, 4, 11)] == [1, 1, 5]
    assert [Krum().breakdown(m) for m in (3, 4, 5, 11)] == [0, 0, 1, 4]
    x = np.array([[0.0], [1.0], [90.0]])
    assert Krum(omit=1)(x, b=1) == 0.0
    assert MultiKrum(omit=1)(x, b=1) == 0.5
    assert Krum(omit=1)(x[:1], b=0) == 0.0
    for rule in (Krum(omit=1), MultiKrum(omit=1)):
        with pytest.raises(BreakdownError, match=r"needs m > 2b; got m=4, b=2"):
            rule(np.zeros((4, 1)), b=2)


@pytest.mark.parametrize("omit", [0, 3, -1, 1.5, None])
def test_a_number_of_neighbours_that_nobody_uses_is_refused(omit: object) -> None:
    for rule in (Krum, MultiKrum):
        with pytest.raises(OptionError, match=r"omit=2 .* or omit=1|omit needs a whole number"):
            rule(omit=omit)


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
        (9, -1, r"b counts workers and cannot be negative; got b=-1"),
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
