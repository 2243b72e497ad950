"""Exponents with confidence intervals: y = c x^a by least squares in logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saddleproof.paper.experiments.base import Row, column, pick, values


@dataclass(frozen=True)
class Exponent:
    """An exponent and its 95 % confidence interval.

    Attributes:
        value: the mean of the exponents of the repeats.
        low, high: value -+ t s / sqrt(k), with s the standard deviation over the k repeats and t
            the quantile of Student's distribution with k - 1 degrees of freedom. A repeat is one
            independent draw of all random numbers, for all x.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"

    def near(self, stated: float, within: float = 0.1) -> bool:
        """Whether the measured exponent lies within this distance of the stated one."""
        return abs(self.value - stated) <= within


def fitted(x: Sequence[float], y: Sequence[float]) -> float:
    """The least-squares a of log y = a log x + c.

    >>> round(fitted([1, 2, 4], [3, 12, 48]), 12)
    2.0
    """
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def over_repeats(rows: Sequence[Row], x: str, y: str, repeat: str = "repeat") -> Exponent:
    """The exponent of y in x, over rows that carry the number of their repeat.

    Args:
        rows: at least two repeats, each with at least two values of x.
        x: name of a column of positive numbers.
        y: the same.
        repeat: name of the column that says which draw a row belongs to.
    """
    from scipy.stats import t

    draws = [pick(rows, **{repeat: k}) for k in values(rows, repeat)]
    each = np.array([fitted(column(draw, x).tolist(), column(draw, y).tolist()) for draw in draws])
    margin = float(t.ppf(0.975, len(each) - 1)) * each.std(ddof=1) / np.sqrt(len(each))
    mean = float(each.mean())
    return Exponent(mean, mean - float(margin), mean + float(margin))
