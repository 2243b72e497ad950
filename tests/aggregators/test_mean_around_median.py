"""The mean of the m - b values that are nearest to the median."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saddleproof.aggregators import Mean, Median
from saddleproof.aggregators.mean_around_median import MeanAroundMedian
from saddleproof.testing import check_aggregator

rows = arrays(
    np.float64,
    st.tuples(st.integers(3, 12), st.integers(1, 4)),
    elements=st.floats(-1e6, 1e6, width=32),
)


@pytest.mark.parametrize("m", [3, 10, 11])
def test_it_passes_the_suite(m: int) -> None:
    check_aggregator(MeanAroundMedian(), m=m)


def test_by_hand() -> None:
    x = np.array([[0.0], [1.0], [2.0], [6.0], [7.0]])
    assert MeanAroundMedian()(x, 1) == pytest.approx(9 / 4)  # 7 is farthest from 2
    assert MeanAroundMedian()(x, 2) == 1.0  # then 6: 0, 1, 2 are left, all below
    np.testing.assert_array_equal(MeanAroundMedian().estimate(x, 2).kept, [1, 1, 1, 0, 0])


def test_the_lower_of_two_equally_far_values_is_the_nearer() -> None:
    x = np.array([[-1.0], [0.0], [1.0]])
    assert MeanAroundMedian()(x, 1) == -0.5


@given(rows)
def test_leaving_out_nothing_is_the_mean(x: np.ndarray) -> None:
    np.testing.assert_allclose(MeanAroundMedian()(x, 0), Mean()(x, 0), rtol=1e-15, atol=1e-300)


# Whole numbers: their distances are not rounded, so they may be compared in plain NumPy.
@given(rows.map(np.round), st.data())
def test_it_is_the_mean_of_the_nearest(x: np.ndarray, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, (len(x) - 1) // 2))
    ordered = np.sort(x, axis=0)
    order = np.argsort(np.abs(ordered - np.median(x, axis=0)), axis=0, kind="stable")
    nearest = np.take_along_axis(ordered, order[: len(x) - b], axis=0)
    np.testing.assert_allclose(MeanAroundMedian()(x, b), nearest.mean(axis=0), atol=1e-6)


@given(rows, st.floats(-1e30, 1e30))
def test_a_minority_cannot_leave_the_reach_of_the_honest_values(x: np.ndarray, lie: float) -> None:
    b = (len(x) - 1) // 2
    honest = x[b:]
    lies = np.full((b, x.shape[1]), lie)
    moved = MeanAroundMedian()(np.concatenate([lies, honest]), b)
    median = Median()(np.concatenate([lies, honest]), b)
    # What is kept is no farther from the median than the farthest honest value.
    reach = np.abs(honest - median).max(axis=0)
    assert (np.abs(moved - median) <= reach * (1 + 1e-9) + 1e-9).all()
