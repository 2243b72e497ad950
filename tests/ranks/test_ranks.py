"""What b liars among m numbers cannot change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_votes import votes

from saddleproof.ranks import (
    Interval,
    deviation,
    inflatable,
    interval,
    rank_bounds,
)


def plain(everybody: np.ndarray, b: int) -> tuple[float, float]:
    """The order statistics alone, without the statistical slack."""
    low, high = rank_bounds(len(everybody), b)
    ordered = np.sort(everybody)
    return ordered[low], ordered[high]


@given(votes())
def test_the_honest_median_is_always_between_the_ranks(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    honest, everybody, b = case
    low, high = plain(everybody, b)
    ordered, h = np.sort(honest), len(honest)
    assert low <= ordered[(h - 1) // 2]
    assert ordered[h // 2] <= high


@given(votes())
def test_the_interval_is_at_least_as_wide_as_the_ranks(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    _, everybody, b = case
    found = interval(everybody, b)
    low, high = plain(everybody, b)
    assert found.low <= low
    assert high <= found.high
    assert found.low <= found.mid <= found.high


@given(votes())
def test_a_negative_upper_end_is_a_majority_of_the_honest(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    honest, everybody, b = case
    if interval(everybody, b).high < 0:
        assert (honest < 0).sum() >= (len(everybody) - b) // 2 + 1


@given(votes(third=True))
def test_fewer_than_a_third_cannot_leave_the_honest_range(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    honest, everybody, b = case
    low, high = plain(everybody, b)
    assert honest.min() <= low
    assert high <= honest.max()


@given(st.integers(3, 40), st.data())
def test_inflatable_is_exactly_a_third_or_more(m: int, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, (m - 1) // 2))
    assert inflatable(m, b) == (3 * b >= m)
    everybody = np.concatenate([np.zeros(m - b), np.full(b, 1e9)])
    assert (plain(everybody, b)[1] > 0) == inflatable(m, b)


def test_a_liars_overflow_cannot_blind_the_interval() -> None:
    honest = np.linspace(-2.0, -1.0, 14)
    for lies in (np.full(6, np.nan), np.full(6, np.inf), np.array([np.nan] * 3 + [-np.inf] * 3)):
        found = interval(np.concatenate([lies, honest]), b=6)
        assert np.isfinite([found.low, found.mid, found.high]).all()


def test_by_hand() -> None:
    found = interval(np.array([4.0, 0.0, 1.0, 2.0, 3.0]), b=1)
    # mh = 4: ranks 1 and 3; deviations 0, 1, 1, 2, 2, of which rank 3 counts: twice
    # 2 * 1.2533 * 1.4826 / sqrt(4) = 1.858.
    assert found.low == pytest.approx(1 - 2 * 1.858, abs=1e-3)
    assert found.mid == 2.0
    assert found.high == pytest.approx(3 + 2 * 1.858, abs=1e-3)


def test_halfwidth_and_selection() -> None:
    both = Interval(
        np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([4.0, 3.0]), np.array([1.0, 2.0])
    )
    np.testing.assert_array_equal(both.halfwidth, [2.0, 1.0])
    assert both[1].high == 3.0


@given(votes(third=True))
def test_fewer_than_a_third_cannot_stretch_the_deviation_beyond_the_honest_ones(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    honest, everybody, b = case
    mid = np.median(everybody)
    assert deviation(everybody, mid, b) <= np.abs(honest - mid).max()
    assert deviation(everybody, mid, b) >= np.median(np.abs(honest - mid))


@pytest.mark.parametrize(("m", "b"), [(20, 3), (20, 6), (100, 33), (20, 9), (10, 4), (101, 50)])
def test_liars_who_copy_cannot_shrink_the_interval(m: int, b: int) -> None:
    """Two standard errors must carry the honest median to the honest mean all the same."""
    honest = np.random.default_rng(m).standard_normal((2000, m - b))
    median = np.sort(honest, axis=1)[:, [(m - b) // 2]]
    found = interval(np.concatenate([honest, np.repeat(median, b, axis=1)], axis=1), b)
    mean = honest.mean(axis=1)
    assert ((found.low <= mean) & (mean <= found.high)).mean() > 0.95
