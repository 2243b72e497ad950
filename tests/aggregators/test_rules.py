"""The mean, the coordinate-wise median and the trimmed mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saddleproof.aggregators import Mean, Median, TrimmedMean
from saddleproof.aggregators.table import AGGREGATORS
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.testing import check_aggregator

rows = arrays(
    np.float64,
    st.tuples(st.integers(3, 12), st.integers(1, 4)),
    elements=st.floats(-1e6, 1e6, width=32),
)


#: What the suite must know about a rule.
TRAITS = {
    "arc": {"equivariant": False},
    "bucketing": {"equivariant": False},
    "byzantine_sgd": {"rotation": True},
    "caf": {"rotation": True},
    "centered_clipping": {"equivariant": False, "rotation": True},
    "dnc": {"robust": False, "rotation": True},
    "geometric_median": {"rotation": True},
    "iterative_filtering": {"rotation": True},
    "krum": {"rotation": True},
    "mda": {"rotation": True},
    "mean": {"robust": False, "rotation": True},
    "median_of_means": {"ordered": True, "rotation": True},
    "multi_krum": {"rotation": True},
    "norm_trimming": {"equivariant": False, "rotation": True},
    "safeguard_sgd": {"rotation": True},
    "sever": {"rotation": True},
    "smea": {"rotation": True},
}


@pytest.mark.parametrize("name", AGGREGATORS)
@pytest.mark.parametrize("m", [3, 10, 11])
def test_every_rule_passes_the_suite(name: str, m: int) -> None:
    rule = AGGREGATORS[name]()
    if rule.breakdown(m) < 1:
        pytest.skip("holds no Byzantine row of so few")
    check_aggregator(rule, m=m, **TRAITS.get(name, {}))


def test_the_suite_finds_that_one_row_moves_the_mean() -> None:
    with pytest.raises(AssertionError, match="moved the answer"):
        check_aggregator(Mean(), robust=True)


@given(rows)
def test_median_is_numpys(x: np.ndarray) -> None:
    np.testing.assert_array_equal(Median()(x, b=1), np.median(x, axis=0))


@given(rows)
def test_trimming_nothing_is_the_mean(x: np.ndarray) -> None:
    np.testing.assert_allclose(TrimmedMean()(x, b=0), Mean()(x, b=0), atol=1e-6)


@given(rows)
def test_trimming_all_that_can_go_is_the_median(x: np.ndarray) -> None:
    most = (len(x) - 1) // 2
    np.testing.assert_allclose(TrimmedMean()(x, b=most), Median()(x, b=most), atol=1e-6)


@given(rows, st.floats(-1e30, 1e30), st.sampled_from([Median(), TrimmedMean()]))
def test_a_minority_cannot_leave_the_honest_range(
    x: np.ndarray, lie: float, rule: Median | TrimmedMean
) -> None:
    b = (len(x) - 1) // 2
    honest = x[b:]
    moved = rule(np.concatenate([np.full((b, x.shape[1]), lie), honest]), b)
    slack = 1e-9 * (1 + np.abs(honest).max())
    assert (honest.min(axis=0) - slack <= moved).all()
    assert (moved <= honest.max(axis=0) + slack).all()


def test_by_hand() -> None:
    x = np.array([[0.0], [1.0], [2.0], [5.0], [1e9]])
    assert Mean()(x[:4], b=0) == 2.0
    assert Median()(x, b=2) == 2.0
    assert Median()(x[:4], b=1) == 1.5  # even m: the midpoint
    assert TrimmedMean()(x, b=1) == pytest.approx(8 / 3)  # (1 + 2 + 5) / 3


def test_kept_names_the_rows_that_entered() -> None:
    x = np.array([[0.0, 9.0], [1.0, 1.0], [2.0, 0.0]])
    np.testing.assert_array_equal(Median().estimate(x, b=1).kept, [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(TrimmedMean().estimate(x, b=0).kept, [1.0, 1.0, 1.0])


def test_too_many_byzantine_rows_are_refused_with_both_numbers() -> None:
    with pytest.raises(BreakdownError, match="at most 2 Byzantine rows of 5; got b=3"):
        Median()(np.zeros((5, 1)), b=3)


def test_lists_of_rows_stack_and_ragged_ones_are_refused() -> None:
    assert Median()([np.array([1.0]), np.array([2.0]), np.array([3.0])], b=1) == 2.0
    assert Median()([[1.0], [2.0], [3.0]], b=1) == 2.0
    with pytest.raises(OptionError, match="do not stack"):
        Median()([np.zeros(2), np.zeros(3)], b=0)
    with pytest.raises(OptionError, match="do not stack"):
        Median()([[1.0, 2.0], [1.0]], b=0)
