"""(b, kappa)-robustness over all subsets: the bounds of Allouah et al. (AISTATS 2023), Table 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from saddleproof.aggregators import Mean, Median, TrimmedMean
from saddleproof.aggregators.bulyan import Bulyan
from saddleproof.aggregators.clipping import Clipping
from saddleproof.aggregators.geometric_median import GeometricMedian
from saddleproof.aggregators.krum import Krum
from saddleproof.aggregators.median_of_means import MedianOfMeans
from saddleproof.aggregators.multi_krum import MultiKrum
from saddleproof.aggregators.nearest_neighbor_mixing import NearestNeighborMixing
from saddleproof.testing.resilience import check_resilience

Kappa = Callable[[int, int], float]


def best(m: int, b: int) -> float:
    """No rule does better: kappa >= b/(m - 2b)."""
    return b / (m - 2 * b)


def trimmed_mean(m: int, b: int) -> float:
    return 6 * best(m, b) * (1 + best(m, b))


def medians(m: int, b: int) -> float:
    return 4 * (1 + best(m, b)) ** 2


def krum(m: int, b: int) -> float:
    return 6 * (1 + best(m, b))


def mixed(kappa: Kappa) -> Kappa:
    return lambda m, b: 8 * b / (m - b) * (kappa(m, b) + 1)


def clipped(kappa: Kappa) -> Kappa:
    return lambda m, b: kappa(m, b) + best(m, b)


@pytest.mark.parametrize(
    ("rule", "kappa"),
    [
        (TrimmedMean(), trimmed_mean),
        (Median(), medians),
        (GeometricMedian(), medians),
        (Krum(omit=1), krum),
        # Below: no theorem that we know of, but so it is in every draw.
        (Krum(), krum),
        (MultiKrum(), krum),
        (Bulyan(), krum),
        (MedianOfMeans(), medians),
    ],
    ids=lambda x: type(x).__name__ if hasattr(x, "breakdown") else "",
)
@pytest.mark.parametrize("m", [9, 11])
def test_the_error_is_bounded_for_every_honest_subset(rule: Any, kappa: Kappa, m: int) -> None:
    assert check_resilience(rule, kappa, m=m) > 0.02  # or else it would test nothing


@pytest.mark.parametrize(
    ("rule", "kappa"), [(TrimmedMean(), trimmed_mean), (Median(), medians), (Krum(), krum)]
)
def test_mixing_and_clipping_keep_the_bound_they_promise(rule: Any, kappa: Kappa) -> None:
    assert check_resilience(NearestNeighborMixing(rule), mixed(kappa)) > 0.02
    assert check_resilience(Clipping(rule), clipped(kappa)) > 0.02


def test_the_suite_finds_that_the_mean_is_not_robust() -> None:
    with pytest.raises(AssertionError, match=r"m=9, b=1: the squared error is .* times its bound"):
        check_resilience(Mean(), trimmed_mean)


def test_nothing_is_better_than_the_best() -> None:
    for rule in (Median(), GeometricMedian(), Krum(), MultiKrum()):
        with pytest.raises(AssertionError, match="times its bound"):
            check_resilience(rule, lambda m, b: 0.99 * best(m, b))
