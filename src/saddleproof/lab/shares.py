"""Shares and their confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """successes / trials, and the interval [low, high] around it."""

    successes: int
    trials: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself."""
        return self.successes / self.trials

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Share:
    """A share with its Wilson score interval (Wilson 1927).

        (p + z^2/2n -+ z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n)

    Unlike p -+ z sqrt(p (1 - p)/n), the interval has a positive length at p = 0 and p = 1, and
    stays within [0, 1].

    Args:
        successes: between 0 and `trials`.
        trials: n, at least 1.
        confidence: between 0 and 1.

    Raises:
        ValueError: no trials, or more successes than trials.

    >>> print(wilson(20, 20))
    1.00 [0.84, 1.00]
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"need 0 <= successes <= trials and trials > 0; got {successes}, {trials}")
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Share(successes, trials, float(interval.low), float(interval.high))
