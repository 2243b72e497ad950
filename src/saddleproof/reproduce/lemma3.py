"""Lemmas 2 and 3 (Appendix B): how wide the stuck region is, and how much of the ball it holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof import theory
from saddleproof.arrays import Vector
from saddleproof.optimizers.randomness import ball
from saddleproof.reproduce.base import Cell, Row, Verdict, column, judge, pick, values
from saddleproof.reproduce.worlds import nearest, norms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Radius of the ball, displacement that counts as an escape, curvature; L = 1.
RADIUS, REACH, GAMMA = 1.0, 1.0, 0.5
#: Starts that are simulated at a time.
BATCH = 50_000


@dataclass(frozen=True)
class Lemma3:
    """A quadratic saddle, the adversary that pulls home along e, and Lemma 2's least width mu.

    mu is the smallest that (9) and (10) admit, T_th that of (7). On this saddle the best
    adversary is known: it brings w_1 as near to 0 as it may.

    Args:
        budget: the adversary's budget over Delta.
    """

    name: ClassVar[str] = "lemma3"
    title: ClassVar[str] = "Lemmas 2 and 3"
    statement: ClassVar[str] = (
        r"Under (7)-(10), of two starts $\mu$ or more apart along $e$ one escapes; so a start that "
        r"is uniform in the ball is stuck with probability at most $2\mu\sqrt d/r$."
    )
    known: ClassVar[str] = "loose"
    turned: ClassVar[dict[str, float]] = {"budget": 400.0}

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
        """The width of the stuck region along e, and the share of the ball in it."""
        d, Delta = cell["d"], cell["Delta"]
        mu = least_width(Delta)
        T = math.ceil(theory.escape_time(mu, RADIUS, REACH, GAMMA, 1.0))
        batches = range(0, cell["draws"], BATCH)
        stuck = sum(
            int(self._held(RADIUS * ball(rng, min(BATCH, cell["draws"] - done), d), Delta, T).sum())
            for done in batches
        )
        share = stuck / cell["draws"]
        line = np.linspace(0, RADIUS / 2, 400_001)[:, None] * np.eye(1, d)
        width = 2 * float(line[self._held(line, Delta, T), 0].max()) if d == 1 else math.nan
        return [
            {
                **cell, "mu": mu, "T_th": T, "width": width, "share": share,
                "error": math.sqrt(share * (1 - share) / cell["draws"]),
                "bound": theory.stuck_bound(mu, RADIUS, d),
                "volume": theory.stuck_volume_bound(mu, RADIUS, d),
            }
        ]  # fmt: skip

    def _held(self, starts: Vector, Delta: float, T: int) -> Vector:
        """Which starts never get REACH away from where they began."""
        bend = np.ones(starts.shape[1])
        bend[0] = -GAMMA
        w, held = starts.copy(), np.ones(len(starts), dtype=bool)
        for _ in range(T):
            truth = bend * w
            wish = truth.copy()
            wish[:, 0] = w[:, 0]  # lands on w_1 = 0
            w = w - nearest(truth, wish, self.budget * Delta)
            held &= norms(w - starts) < REACH
        return held

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """No share above the bound, and no stuck pair mu apart."""
        over = column(rows, "share") - 3 * column(rows, "error") - column(rows, "bound")
        line = pick(rows, d=1)
        ratio = column(line, "width") / column(line, "mu")
        slack = column(rows, "bound") / np.maximum(column(rows, "share"), 1e-12)
        return judge(
            holds=bool((over <= 0).all() and (ratio <= 1).all()),
            tight=bool(slack.min() < 4),
            why=f"the region is {1 / ratio.max():.0f} to {1 / ratio.min():.0f} times narrower than "
            f"$\\mu$ ($2\\Delta/\\gamma$ on a quadratic saddle), and holds {slack.min():.0f} to "
            f"{slack.max():.0f} times less of the ball than $2\\mu\\sqrt d/r$",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Shares against their bounds."""
        from saddleproof.reproduce.draw import lines

        dims = values(rows, "d")
        Delta = max(column(rows, "Delta"))
        shown = pick(rows, Delta=Delta)
        slab = [min(1.0, theory.stuck_volume_bound(Delta / GAMMA, RADIUS, d)) for d in dims]
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
    """The smallest mu with (9) and (10): mu = 24 (Delta / gamma) log_{9/4}(2 (R + r) / mu)."""
    mu = 0.1
    for _ in range(200):
        mu = 24 * Delta / GAMMA * math.log(2 * (REACH + RADIUS) / mu) / math.log(9 / 4)
    return mu * (1 + 1e-9)
