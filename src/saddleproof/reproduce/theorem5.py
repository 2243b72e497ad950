"""Theorem 5 (Section 5.1, Appendix F.2): iterative filtering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from saddleproof.reproduce.rates import Rates, Sweep

_BIAS = {"m": 200, "n": 1, "d": 200, "alpha": 0.1}


@dataclass(frozen=True)
class Theorem5Item(Rates):
    """Lemma 5's part in units of s0, the whole error in n, and the honest part in d and m.

    Args:
        powers: see `Rates`.
    """

    name: ClassVar[str] = "theorem5"
    title: ClassVar[str] = "Theorem 5"
    statement: ClassVar[str] = (
        r"Iterative filtering: $\Delta \le c\,((\sigma+\zeta)\sqrt{\alpha/n} + "
        r"\zeta\sqrt{d/(nm)})\sqrt{\log(nmDL)}$ for $\alpha \le 1/4$."
    )
    known: ClassVar[str] = "reproduced"
    turned: ClassVar[dict[str, object]] = {"powers": (1.0, 0.0, -0.5, 0.5, -0.5)}
    rule: ClassVar[str] = "filtering"
    sweeps: ClassVar[tuple[Sweep, ...]] = (
        Sweep(
            "alpha", "alpha", (0.02, 0.04, 0.08, 0.16, 0.24), 0.5, _BIAS, scaled=True,
            reason="Gaussian rows have no tails for a coalition to hide in",
        ),
        Sweep("d", "d", (10, 40, 160, 640), 0.0, {**_BIAS, "m": 100}, scaled=True),
        Sweep("n", "n", (1, 4, 16, 64), -0.5, {**_BIAS, "m": 100, "d": 50}),
        Sweep("d, nobody lies", "d", (10, 40, 160, 640), 0.5, {**_BIAS, "m": 100, "alpha": 0}),
        Sweep("m, nobody lies", "m", (50, 200, 800), -0.5, {**_BIAS, "d": 50, "alpha": 0}),
    )  # fmt: skip
