"""Lemma 3 (Appendix B): how much of the ball the stuck region of Lemma 2 holds.

The experiment measures the width and the volume of the stuck region on a quadratic saddle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.optimizers.randomness import ball
from saddleproof.paper.arguments import positive
from saddleproof.paper.experiments.base import Assessment, Cell, Row, column, pick, values
from saddleproof.paper.experiments.inexact import inexact_answer, norms
from saddleproof.paper.lemma2 import escape_time

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Radius of the ball, displacement that counts as an escape, curvature; L = 1.
RADIUS, REACH, GAMMA = 1.0, 1.0, 0.5
#: Starts that are simulated at a time.
BATCH = 50_000


def stuck_bound(width: float, r: float, d: int) -> float:
    """Lemma 3: most probability that a uniform start in the ball lies in the stuck region.

        2 mu sqrt(d) / r

    A value above 1 bounds nothing. The proof counts a length of 2 mu on every line along e, and
    Lemma 2 leaves the stuck region only mu. Half of the bound therefore holds as well.

    Args:
        width: mu > 0, for which `width_conditions` is empty.
        r: > 0, radius of the ball.
        d: dimension, >= 1.

    >>> stuck_bound(width=0.1, r=1.0, d=4)
    0.4
    """
    positive(width=width, r=r, d=d)
    return 2 * width * math.sqrt(d) / r


def stuck_volume_bound(width: float, r: float, d: int) -> float:
    """The sharper bound in the proof of Lemma 3, before it estimates the Gamma functions.

        2 mu Vol(B^(d-1)) / Vol(B^d)  =  (2 mu / (sqrt(pi) r)) Gamma(d/2 + 1) / Gamma(d/2 + 1/2)

    Args:
        width: mu > 0.
        r: > 0.
        d: dimension, >= 1.

    >>> round(stuck_volume_bound(width=0.1, r=1.0, d=1), 12)  # the line itself: 2 mu / (2 r)
    0.1
    """
    positive(width=width, r=r, d=d)
    ratio = math.exp(math.lgamma(d / 2 + 1) - math.lgamma(d / 2 + 0.5))
    return 2 * width / (math.sqrt(math.pi) * r) * ratio


@dataclass(frozen=True)
class Lemma3Experiment:
    """A quadratic saddle with the best adversary, against the least width mu of Lemma 2.

    mu is the smallest width that (9) and (10) admit, and T_th is that of (7). The best adversary
    on this saddle brings w_1 as near to 0 as Delta permits.

    Args:
        budget: the adversary's budget over Delta.
    """

    name: ClassVar[str] = "lemma3"
    title: ClassVar[str] = "Lemmas 2 and 3"
    statement: ClassVar[str] = (
        r"Under (7)-(10), of two starts $\mu$ or more apart along $e$ one escapes; so a start that "
        r"is uniform in the ball is stuck with probability at most $2\mu\sqrt d/r$."
    )
    reported: ClassVar[str] = "loose"
    falsified: ClassVar[dict[str, float]] = {"budget": 400.0}

    budget: float = 1.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A dimension and a Delta each."""
        draws = 20_000 if quick else 200_000
        budgets = (1e-4,) if quick else (1e-5, 3e-5, 1e-4, 3e-4)
        return [
            {"d": d, "Delta": Delta, "draws": draws}
            for d in ((1, 2, 10) if quick else (1, 2, 5, 10, 50))
            for Delta in budgets
        ]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The width of the stuck region along e, and the share of the ball that it holds."""
        d, Delta = cell["d"], cell["Delta"]
        mu = least_width(Delta)
        T = math.ceil(escape_time(mu, RADIUS, REACH, GAMMA, 1.0))
        batches = range(0, cell["draws"], BATCH)
        stuck = sum(
            int(
                self._stuck(RADIUS * ball(rng, min(BATCH, cell["draws"] - done), d), Delta, T).sum()
            )
            for done in batches
        )
        share = stuck / cell["draws"]
        line = np.linspace(0, RADIUS / 2, 400_001)[:, None] * np.eye(1, d)
        width = 2 * float(line[self._stuck(line, Delta, T), 0].max()) if d == 1 else math.nan
        return [
            {
                **cell, "mu": mu, "T_th": T, "width": width, "share": share,
                "error": math.sqrt(share * (1 - share) / cell["draws"]),
                "bound": stuck_bound(mu, RADIUS, d),
                "volume": stuck_volume_bound(mu, RADIUS, d),
            }
        ]  # fmt: skip

    def _stuck(self, starts: Vector, Delta: float, T: int) -> Vector:
        """(n,) bool: which of the starts (n, d) stay within REACH of themselves."""
        hessian = np.ones(starts.shape[1])  # its diagonal
        hessian[0] = -GAMMA
        w, stuck = starts.copy(), np.ones(len(starts), dtype=bool)
        for _ in range(T):
            gradient = hessian * w
            target = gradient.copy()
            target[:, 0] = w[:, 0]  # a step along it ends at w_1 = 0
            w = w - inexact_answer(gradient, target, self.budget * Delta)
            stuck &= norms(w - starts) < REACH
        return stuck

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """No share may exceed the bound, and no two stuck starts may lie mu apart."""
        over = column(rows, "share") - 3 * column(rows, "error") - column(rows, "bound")
        line = pick(rows, d=1)
        ratio = column(line, "width") / column(line, "mu")
        slack = column(rows, "bound") / np.maximum(column(rows, "share"), 1e-12)
        return Assessment.of(
            holds=bool((over <= 0).all() and (ratio <= 1).all()),
            tight=bool(slack.min() < 4),
            why=f"the region is {1 / ratio.max():.0f} to {1 / ratio.min():.0f} times narrower than "
            f"$\\mu$ ($2\\Delta/\\gamma$ on a quadratic saddle), and holds {slack.min():.0f} to "
            f"{slack.max():.0f} times less of the ball than $2\\mu\\sqrt d/r$",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Shares and their bounds, against the dimension."""
        from saddleproof.paper.experiments.draw import lines

        dims = values(rows, "d")
        Delta = max(column(rows, "Delta"))
        shown = pick(rows, Delta=Delta)
        slab = [min(1.0, stuck_volume_bound(Delta / GAMMA, RADIUS, d)) for d in dims]
        return lines(
            {"measured": (dims, column(shown, "share").tolist())},
            theory={
                r"Lemma 3: $2\mu\sqrt{d}/r$": (dims, column(shown, "bound").tolist()),
                r"slab of half-width $\Delta/\gamma$": (dims, slab),
            },
            x="dimension d",
            y="share of the ball that is stuck",
            title=rf"Lemma 3: stuck starts, $\Delta$ = {Delta:g}, $\gamma$ = {GAMMA:g}, r = R = 1",
        )


def least_width(Delta: float) -> float:
    """The least mu that (9) and (10) admit: mu = 24 (Delta / gamma) log_{9/4}(2 (R + r) / mu)."""
    mu = 0.1
    for _ in range(200):
        mu = 24 * Delta / GAMMA * math.log(2 * (REACH + RADIUS) / mu) / math.log(9 / 4)
    return mu * (1 + 1e-9)
