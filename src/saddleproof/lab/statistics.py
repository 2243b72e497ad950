"""Means over seeds with their intervals, and differences that are paired by seed.

A seed gives both sides of a pair the same data, the same liars and the same start, so that what
seeds differ by cancels. Intervals are Student's: seeds are independent draws, and their mean is
taken to be normal. Where several differences are judged at once, their p-values are Holm's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MeanInterval:
    """The mean of n numbers, and a 95 % interval around it.

    Attributes:
        value: the mean.
        half: half of the interval's length; NaN where there is none: for one number, where all are
            the same number, and where one is infinite.
        n: how many seeds.
    """

    value: float
    half: float
    n: int

    @property
    def low(self) -> float:
        """The lower end."""
        return self.value - self.half

    @property
    def high(self) -> float:
        """The upper end."""
        return self.value + self.half

    def __str__(self) -> str:
        if not np.isfinite(self.half):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} +- {self.half:.3f}"


@dataclass(frozen=True)
class Difference(MeanInterval):
    """The mean of n differences.

    Attributes:
        p: two-sided p-value that the mean is 0, by Student's t, but never below 2^(1-n): a test
            that trusts in nothing but the symmetry of differences cannot go below that. So five
            seeds find no difference at .05. 1 for one seed, and where a difference is infinite.
    """

    p: float


def mean(numbers: Sequence[float], confidence: float = 0.95) -> MeanInterval:
    """The mean with its interval by Student's t, mean +- t_{n-1} s / sqrt n.

    Args:
        numbers: one a seed, at least one.
        confidence: between 0 and 1.

    Raises:
        ValueError: no numbers.

    >>> print(mean([0.5, 0.7]))
    0.600 +- 1.271
    """
    x = np.asarray(numbers, dtype=float)
    if not len(x):
        raise ValueError("a mean needs at least one number")
    half = np.nan
    if len(x) > 1 and np.isfinite(x).all() and _spread(x):
        from scipy.stats import t as student

        half = student.ppf((1 + confidence) / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
    with np.errstate(invalid="ignore"):
        return MeanInterval(float(x.mean()), float(half), len(x))


def difference(one: Mapping[int, float], other: Mapping[int, float]) -> Difference | None:
    """`one` less `other`, paired by seed; None where they share no seed.

    Args:
        one: seed to number.
        other: seed to number.

    >>> found = difference({0: 0.8, 1: 0.9, 2: 0.7}, {0: 0.5, 1: 0.5, 2: 0.5, 3: 0.1})
    >>> print(found, f"p = {found.p:.3f}")
    0.300 +- 0.248 p = 0.250
    """
    seeds = sorted(one.keys() & other.keys())
    if not seeds:
        return None
    with np.errstate(invalid="ignore"):
        gaps = np.array([one[seed] - other[seed] for seed in seeds])
    found, p = mean(gaps.tolist()), 1.0
    if len(gaps) > 1 and np.isfinite(gaps).all() and gaps.any():
        from scipy.stats import ttest_1samp

        student = float(ttest_1samp(gaps, 0.0).pvalue) if _spread(gaps) else 0.0
        p = max(student, 2.0 ** (1 - len(gaps)))
    return Difference(found.value, found.half, found.n, p)


def _spread(x: NDArray[np.float64]) -> bool:
    """Whether numbers differ by more than rounding."""
    return bool(np.ptp(x) > 1e-12 * np.abs(x).max())


def holm(values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Holm 1979): those at most alpha reject at level alpha, all at once.

        the k-th smallest of n: max over j <= k of min(1, (n - j + 1) p_j)

    Args:
        values: p-values in [0, 1].

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(values, kind="stable")
    found, largest = [0.0] * len(values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * float(values[i])))
        found[int(i)] = largest
    return found
