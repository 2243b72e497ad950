"""The (b, kappa)-robustness of a rule, over all subsets of honest rows that there could be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np

from saddleproof import arguments
from saddleproof.aggregators.base import Aggregator
from saddleproof.arrays import Vector
from saddleproof.testing.claims import holds


def check_resilience(
    rule: Aggregator,
    kappa: Callable[[int, int], float],
    *,
    m: int = 9,
    d: int = 3,
    trials: int = 20,
    seed: int = 0,
) -> float:
    """Assert |rule(x) - mean_S|^2 <= kappa(m, b)/|S| sum_S |x_i - mean_S|^2 for all |S| = m - b.

    This is (b, kappa)-robustness (Allouah et al., AISTATS 2023, Definition 2): whichever m - b
    rows are the honest ones, the answer is near their mean in units of their variance. It is
    checked for b = 1, ..., breakdown(m), on Gaussian rows, rows of unequal length, clusters, and
    rows one of which hides among the others. No smaller kappa than b/(m - 2b) is possible.

    Args:
        rule: the rule, with its options.
        kappa: the bound as a function of m and b.
        m: rows; there are binomial(m, b) subsets, so 11 is about the most.
        d: their length.
        trials: draws of the rows for each b.
        seed: of the draws.

    Returns:
        The largest share of kappa that was seen; 1 would be tight.

    Raises:
        AssertionError: names m, b, and how far the bound was missed.
    """
    arguments.member("rule", "aggregator", rule)
    largest = 0.0
    for b in range(1, rule.breakdown(m) + 1):
        subsets = np.array(
            [np.isin(np.arange(m), chosen) for chosen in combinations(range(m), m - b)], dtype=float
        )
        for x in _draws(m, d, b, trials, seed):
            mean = subsets @ x / (m - b)
            variance = subsets @ (x**2).sum(axis=1) / (m - b) - (mean**2).sum(axis=1)
            error = ((rule(x, b) - mean) ** 2).sum(axis=1)
            bound = kappa(m, b) * np.maximum(variance, 0.0) + 1e-9 * (x**2).max()
            share = float((error / bound).max())
            holds(share <= 1.0, f"m={m}, b={b}: the squared error is {share:.3g} times its bound")
            largest = max(largest, share)
    return largest


def _draws(m: int, d: int, b: int, trials: int, seed: int) -> Iterator[Vector]:
    rng = np.random.default_rng(arguments.seed_number(seed))
    for trial in range(trials):
        x = rng.standard_normal((m, d))
        match trial % 4:
            case 1:
                x *= rng.exponential(1.0, (m, 1)) ** 2
            case 2:
                x[:b] = 5.0 * rng.standard_normal(d) + 0.1 * x[:b]
            case 3:
                x[:b] = x[b:].mean(axis=0) + rng.uniform(0.5, 3.0) * rng.standard_normal(d)
        yield x - x.mean(axis=0)
