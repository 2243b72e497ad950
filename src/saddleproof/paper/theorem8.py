"""Theorem 8 (Appendix F.3): the inexactness of the coordinate-wise trimmed mean.

The constant c is not in the paper: with c = 1 the formula has the right exponents and an unknown
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
_NET = "the errors of d coordinates add up to $\\sqrt d$; the other $\\sqrt d$ is the net's"


def trimmed_mean_inexactness(
    alpha: float,
    m: int,
    n: int,
    d: int,
    *,
    xi: float,
    smoothness: float,
    diameter: float,
    c: float = 1.0,
) -> float:
    """Theorem 8: the inexactness of the trimmed mean that drops a share c_4 alpha on each side.

        Delta <= c xi d (alpha / sqrt(n) + 1 / sqrt(n m)) sqrt(log(n m D L^))

    Args:
        alpha: Byzantine share b / m, in [0, 1/2].
        m: workers, >= 1.
        n: samples a worker, >= 1.
        d: dimension, >= 1.
        xi: >= 0, sub-exponential constant of the gradient (Assumption 5).
        smoothness: L^ > 0.
        diameter: D > 0 of the region.
        c: c_6 > 0, unknown.

    Raises:
        OptionError: a value outside its range.
    """
    positive(m=m, n=n, d=d, c=c)
    at_most(0.5, alpha=alpha)
    not_negative(xi=xi)
    rate = alpha / math.sqrt(n) + 1 / math.sqrt(n * m)
    return c * xi * d * rate * math.sqrt(log_of_region(n, m, diameter, smoothness))


@dataclass(frozen=True)
class Theorem8Experiment(Rates):
    """The sweeps of Theorem 7. The bound of the trimmed mean has no term in the skewness.

    Args:
        powers: see `Rates`.
    """

    name: ClassVar[str] = "theorem8"
    title: ClassVar[str] = "Theorem 8"
    statement: ClassVar[str] = (
        r"Trimmed mean: $\Delta \le c\,\xi d\,(\alpha/\sqrt n + 1/\sqrt{nm})"
        r"\sqrt{\log(nmD\hat L)}$."
    )
    reported: ClassVar[str] = "loose"
    falsified: ClassVar[dict[str, object]] = {"powers": (1.5, 1.0, 1.0, -0.5, 1.0, -0.5, -0.5)}
    rule: ClassVar[str] = "trimmed_mean"
    sweeps: ClassVar[tuple[Sweep, ...]] = (
        Sweep(
            "alpha, bounded", "alpha", (0.02, 0.04, 0.08, 0.16), 1.0, {**_MANY, "law": "bounded"}
        ),
        Sweep(
            "alpha, Gaussian",
            "alpha",
            (0.02, 0.04, 0.08, 0.16),
            1.0,
            _MANY,
            within=0.2,
            reason="$\\alpha\\sqrt{\\log(1/\\alpha)}$, by the tails that are trimmed",
        ),
        Sweep("d", "d", (4, 16, 64), 1.0, {**_MANY, "m": 5000}, reason=_NET),
        Sweep("n", "n", (1, 4, 16, 64), -0.5, {**_NO_LIARS, "alpha": 0.2}),
        Sweep("d, nobody lies", "d", (4, 16, 64, 256), 1.0, _NO_LIARS, reason=_NET),
        Sweep("m, nobody lies", "m", (50, 200, 800, 3200), -0.5, _NO_LIARS),
        Sweep("n, skewed", "n", (1, 4, 16), -0.5, {**_NO_LIARS, "law": "skewed"}),
    )
