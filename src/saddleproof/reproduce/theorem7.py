"""Theorem 7 (Appendix F.3): the coordinate-wise median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from saddleproof.reproduce.rates import Rates, Sweep

_MANY = {"m": 20_000, "n": 1, "d": 4, "alpha": 0.1}
_NOBODY = {"m": 100, "n": 1, "d": 20, "alpha": 0}


@dataclass(frozen=True)
class Theorem7Item(Rates):
    """alpha where the bias dominates (m = 20 000), d with and without liars, m, n, and skewness.

    Args:
        powers: see `Rates`.
    """

    name: ClassVar[str] = "theorem7"
    title: ClassVar[str] = "Theorem 7"
    statement: ClassVar[str] = (
        r"Median: $\Delta \le \frac{c}{\sqrt n}v(\alpha + \sqrt{d\log(nmD\hat L)/m} + s/\sqrt n)$, "
        r"$v = O(\sqrt d)$: $\alpha\sqrt d/\sqrt n + d/\sqrt{nm} + \sqrt d/n$."
    )
    known: ClassVar[str] = "loose"
    turned: ClassVar[dict[str, object]] = {"powers": (1.5, 0.5, -0.5, 1.0, -0.5, -1.0)}
    rule: ClassVar[str] = "median"
    sweeps: ClassVar[tuple[Sweep, ...]] = (
        Sweep("alpha", "alpha", (0.02, 0.04, 0.08, 0.16), 1.0, _MANY),
        Sweep("d", "d", (4, 16, 64), 0.5, {**_MANY, "m": 5000}),
        Sweep("n", "n", (1, 4, 16, 64), -0.5, {**_NOBODY, "alpha": 0.2}),
        Sweep(
            "d, nobody lies", "d", (4, 16, 64, 256), 1.0, _NOBODY,
            reason="a covering net costs the second $\\sqrt d$, and a linear gradient needs none",
        ),
        Sweep("m, nobody lies", "m", (50, 200, 800, 3200), -0.5, _NOBODY),
        Sweep("n, skewed", "n", (1, 4, 16), -1.0, {**_MANY, "alpha": 0, "law": "skewed"}),
    )  # fmt: skip
