"""Theorem 8 (Appendix F.3): the coordinate-wise trimmed mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from saddleproof.reproduce.rates import Rates, Sweep

_MANY = {"m": 20_000, "n": 1, "d": 4, "alpha": 0.1}
_NOBODY = {"m": 100, "n": 1, "d": 20, "alpha": 0}
_NET = "the errors of d coordinates add up to $\\sqrt d$; the other $\\sqrt d$ is the net's"


@dataclass(frozen=True)
class Theorem8Item(Rates):
    """The same sweeps as for the median; the trimmed mean knows no skewness.

    Args:
        powers: see `Rates`.
    """

    name: ClassVar[str] = "theorem8"
    title: ClassVar[str] = "Theorem 8"
    statement: ClassVar[str] = (
        r"Trimmed mean: $\Delta \le c\,\xi d\,(\alpha/\sqrt n + 1/\sqrt{nm})"
        r"\sqrt{\log(nmD\hat L)}$."
    )
    known: ClassVar[str] = "loose"
    turned: ClassVar[dict[str, object]] = {"powers": (1.5, 1.0, 1.0, -0.5, 1.0, -0.5, -0.5)}
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
        Sweep("n", "n", (1, 4, 16, 64), -0.5, {**_NOBODY, "alpha": 0.2}),
        Sweep("d, nobody lies", "d", (4, 16, 64, 256), 1.0, _NOBODY, reason=_NET),
        Sweep("m, nobody lies", "m", (50, 200, 800, 3200), -0.5, _NOBODY),
        Sweep("n, skewed", "n", (1, 4, 16), -0.5, {**_NOBODY, "law": "skewed"}),
    )
