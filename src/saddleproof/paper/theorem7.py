"""Theorem 7 (Appendix F.3): the inexactness of the coordinate-wise median.

The constants are not in the paper: with c = 1 the formula has the right exponents and an unknown
scale. The bound holds uniformly in a region of diameter D, 2 `iterate_radius` (Proposition 2), with
probability 1 - o(1). L^ = sqrt(sum_k L_k^2), with L_k the Lipschitz constants of the partial
derivatives (Assumption 4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from saddleproof.paper.arguments import at_most, log_of_region, not_negative, positive
from saddleproof.paper.experiments.rates import Rates, Sweep

_MANY = {"m": 20_000, "n": 1, "d": 4, "alpha": 0.1}
_NO_LIARS = {"m": 100, "n": 1, "d": 20, "alpha": 0}


def median_inexactness(
    alpha: float,
    m: int,
    n: int,
    d: int,
    *,
    deviation: float,
    skewness: float,
    smoothness: float,
    diameter: float,
    c: float = 1.0,
) -> float:
    """Theorem 7: the inexactness of the coordinate-wise median.

        Delta <= c (v / sqrt(n)) (alpha + sqrt(d log(n m D L^) / m) + s / sqrt(n)) + O(1 / (n m))

    without the last term, whose constant is unknown too. `median_applies` is its condition.

    Args:
        alpha: Byzantine share b / m, in [0, 1/2].
        m: workers, >= 1.
        n: samples a worker, >= 1.
        d: dimension, >= 1.
        deviation: v >= 0, standard deviation of the whole gradient; sqrt(d) times that of one
            coordinate.
        skewness: s >= 0, largest absolute skewness of a coordinate.
        smoothness: L^ > 0.
        diameter: D > 0 of the region.
        c: c_3 > 0, unknown.

    Raises:
        OptionError: a value outside its range.
    """
    positive(m=m, n=n, d=d, c=c)
    at_most(0.5, alpha=alpha)
    not_negative(deviation=deviation, skewness=skewness)
    spread = math.sqrt(d * log_of_region(n, m, diameter, smoothness) / m)
    return c * deviation / math.sqrt(n) * (alpha + spread + skewness / math.sqrt(n))


def median_applies(
    alpha: float,
    m: int,
    n: int,
    d: int,
    *,
    skewness: float,
    smoothness: float,
    diameter: float,
    c1: float = 1.0,
    c2: float = 0.0,
) -> bool:
    """The condition of Theorem 7: whether there are enough honest workers for d coordinates.

        alpha + sqrt(d log(1 + n m D L^) / (m (1 - alpha))) + c_1 s / sqrt(n)  <=  1/2 - c_2

    Args:
        alpha: Byzantine share b / m, in [0, 1/2].
        m: workers, >= 1.
        n: samples a worker, >= 1.
        d: dimension, >= 1.
        skewness: s >= 0.
        smoothness: L^ > 0.
        diameter: D > 0 of the region.
        c1: > 0, unknown.
        c2: >= 0, unknown.

    Raises:
        OptionError: a value outside its range.
    """
    positive(m=m, n=n, d=d, c=c1)
    at_most(0.5, alpha=alpha)
    positive(smoothness=smoothness, diameter=diameter)
    not_negative(skewness=skewness, c2=c2)
    log = math.log1p(n * m * diameter * smoothness)
    spread = math.sqrt(d * log / (m * (1 - alpha)))
    return alpha + spread + c1 * skewness / math.sqrt(n) <= 0.5 - c2


@dataclass(frozen=True)
class Theorem7Experiment(Rates):
    """Sweeps over alpha with many workers, over d with and without liars, and over m and n.

    Args:
        powers: see `Rates`.
    """

    name: ClassVar[str] = "theorem7"
    title: ClassVar[str] = "Theorem 7"
    statement: ClassVar[str] = (
        r"Median: $\Delta \le \frac{c}{\sqrt n}v(\alpha + \sqrt{d\log(nmD\hat L)/m} + s/\sqrt n)$, "
        r"$v = O(\sqrt d)$: $\alpha\sqrt d/\sqrt n + d/\sqrt{nm} + \sqrt d/n$."
    )
    reported: ClassVar[str] = "loose"
    falsified: ClassVar[dict[str, object]] = {"powers": (1.5, 0.5, -0.5, 1.0, -0.5, -1.0)}
    rule: ClassVar[str] = "median"
    sweeps: ClassVar[tuple[Sweep, ...]] = (
        Sweep("alpha", "alpha", (0.02, 0.04, 0.08, 0.16), 1.0, _MANY),
        Sweep("d", "d", (4, 16, 64), 0.5, {**_MANY, "m": 5000}),
        Sweep("n", "n", (1, 4, 16, 64), -0.5, {**_NO_LIARS, "alpha": 0.2}),
        Sweep(
            "d, nobody lies", "d", (4, 16, 64, 256), 1.0, _NO_LIARS,
            reason="a covering net costs the second $\\sqrt d$, and a linear gradient needs none",
        ),
        Sweep("m, nobody lies", "m", (50, 200, 800, 3200), -0.5, _NO_LIARS),
        Sweep("n, skewed", "n", (1, 4, 16), -1.0, {**_MANY, "alpha": 0, "law": "skewed"}),
    )  # fmt: skip
