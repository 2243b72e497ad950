"""Theorem 5 (Section 5.1, Appendix F.2): the inexactness of iterative filtering.

The constant c is not in the paper: with c = 1 the formula has the right exponents and an unknown
scale. The bound holds uniformly in a region of diameter D, 2 `iterate_radius` (Proposition 2), with
probability 1 - o(1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from saddleproof.paper.arguments import at_most, log_of_region, not_negative, positive
from saddleproof.paper.experiments.rates import Rates, Sweep

_DEFAULTS = {"m": 200, "n": 1, "d": 200, "alpha": 0.1}


def filtering_inexactness(
    alpha: float,
    m: int,
    n: int,
    d: int,
    *,
    sigma: float,
    zeta: float,
    smoothness: float,
    diameter: float,
    c: float = 1.0,
) -> float:
    """Theorem 5: the inexactness of iterative filtering.

        Delta <= c ((sigma + zeta) sqrt(alpha / n) + zeta sqrt(d / (n m))) sqrt(log(n m D L))

    Args:
        alpha: Byzantine share b / m, in [0, 1/4].
        m: workers, >= 1.
        n: samples a worker, >= 1.
        d: dimension, >= 1.
        sigma: >= 0, largest standard deviation of the gradient in a direction.
        zeta: >= 0, sub-Gaussian constant of the gradient (Assumption 2).
        smoothness: L > 0 of every f(.; z).
        diameter: D > 0 of the region.
        c: > 0, unknown.

    Raises:
        OptionError: a value outside its range.
    """
    positive(m=m, n=n, d=d, c=c)
    at_most(0.25, alpha=alpha)
    not_negative(sigma=sigma, zeta=zeta)
    rate = (sigma + zeta) * math.sqrt(alpha / n) + zeta * math.sqrt(d / (n * m))
    return c * rate * math.sqrt(log_of_region(n, m, diameter, smoothness))


@dataclass(frozen=True)
class Theorem5Experiment(Rates):
    """Sweeps of the part that Lemma 5 bounds, of the whole error, and of the error without liars.

    Args:
        powers: see `Rates`.
    """

    name: ClassVar[str] = "theorem5"
    title: ClassVar[str] = "Theorem 5"
    statement: ClassVar[str] = (
        r"Iterative filtering: $\Delta \le c\,((\sigma+\zeta)\sqrt{\alpha/n} + "
        r"\zeta\sqrt{d/(nm)})\sqrt{\log(nmDL)}$ for $\alpha \le 1/4$."
    )
    reported: ClassVar[str] = "reproduced"
    falsified: ClassVar[dict[str, object]] = {"powers": (1.0, 0.0, -0.5, 0.5, -0.5)}
    rule: ClassVar[str] = "filtering"
    sweeps: ClassVar[tuple[Sweep, ...]] = (
        Sweep(
            "alpha", "alpha", (0.02, 0.04, 0.08, 0.16, 0.24), 0.5, _DEFAULTS, scaled=True,
            reason="Gaussian rows have no tails for a coalition to hide in",
        ),
        Sweep("d", "d", (10, 40, 160, 640), 0.0, {**_DEFAULTS, "m": 100}, scaled=True),
        Sweep("n", "n", (1, 4, 16, 64), -0.5, {**_DEFAULTS, "m": 100, "d": 50}),
        Sweep("d, nobody lies", "d", (10, 40, 160, 640), 0.5, {**_DEFAULTS, "m": 100, "alpha": 0}),
        Sweep("m, nobody lies", "m", (50, 200, 800), -0.5, {**_DEFAULTS, "d": 50, "alpha": 0}),
    )  # fmt: skip
