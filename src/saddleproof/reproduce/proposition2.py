"""Proposition 2 (Appendix E): the iterates stay in a ball around the start."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from saddleproof import theory
from saddleproof.reproduce.base import Cell, Row, Verdict, column, judge, pick
from saddleproof.reproduce.fits import exponent
from saddleproof.reproduce.worlds import Landscape, Slope, Well, algorithm1, norms
from saddleproof.schedule import Theorem3

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: F_0 - F* of the slope.
EXCESS = 1.0


@dataclass(frozen=True)
class Proposition2:
    """Algorithm 1 with Theorem 3's schedule, and adversaries that lead it away.

    The farthest walk known is a slope of 2 Delta, down which the oracle lets it go: F_0 - F* is
    used up after (F_0 - F*) / (2 Delta). With a larger budget it walks on flat ground for ever.

    Args:
        budget: the adversary's budget over Delta.
    """

    name: ClassVar[str] = "proposition2"
    title: ClassVar[str] = "Proposition 2"
    statement: ClassVar[str] = (
        r"With Theorem 3's parameters all iterates stay within $C(F_0-F^*)/\Delta$ of $w_0$; with "
        r"the constants of the proof, within `theory.iterate_radius`."
    )
    known: ClassVar[str] = "loose"
    turned: ClassVar[dict[str, float]] = {"budget": 6.0}

    budget: float = 1.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A Delta each, on the slope and at a saddle."""
        budgets = (0.1, 0.03) if quick else (0.1, 0.05, 0.03, 0.02, 0.01)
        return [
            {"world": world, "Delta": Delta} for world in ("slope", "saddle") for Delta in budgets
        ]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The farthest iterate of the main loop or of an escape."""
        Delta, away = cell["Delta"], cell["world"] == "slope"
        F: Landscape = Slope(2.001 * Delta, EXCESS) if away else Well()
        most = theory.effective_iterations(Delta, F.smoothness, F.excess)
        radius = theory.iterate_radius(F.d, Delta, F.smoothness, F.hessian_lipschitz, F.excess)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schedule = Theorem3(F.d, Delta, F.smoothness, F.hessian_lipschitz, F.excess)
        farthest = [0.0]

        def watch(progress: Any) -> bool:
            escape = progress.state.escape
            points = [progress.w] if escape is None else [progress.w, escape.w]
            farthest.append(max(float(norms(w - F.start)) for w in points))
            return farthest[-1] > 2 * radius

        algorithm1(
            _Uphill(F, self.budget * Delta) if self.budget > 1 else F, schedule,
            budget=Delta if self.budget == 1 else 0.0, style="stall" if away else "push",
            max_rounds=int(most / 2) + 200, callback=watch,
        )  # fmt: skip
        return [{**cell, "farthest": max(farthest), "radius": radius, "excess": F.excess}]

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """No iterate outside the ball."""
        used = column(rows, "farthest") / column(rows, "radius")
        slope = pick(rows, world="slope")
        x, y = column(slope, "Delta").tolist(), column(slope, "farthest").tolist()
        C = float(
            (column(slope, "farthest") * column(slope, "Delta") / column(slope, "excess")).max()
        )
        return judge(
            holds=bool((used <= 1).all()),
            tight=bool(used.max() > 0.25),
            why=f"the farthest iterate is at {used.max():.2f} of the radius; on the long slope the "
            f"distance grows like $\\Delta^{{{exponent(x, y):.2f}}}$, with $C = {C:.2f}$",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Distances and radii."""
        from saddleproof.reproduce.draw import lines

        saddle, slope = pick(rows, world="saddle"), pick(rows, world="slope")
        x = column(slope, "Delta").tolist()
        return lines(
            {
                "at a saddle": (x, column(saddle, "farthest").tolist()),
                "down a long slope": (x, column(slope, "farthest").tolist()),
            },
            theory={"Proposition 2": (x, column(slope, "radius").tolist())},
            x=r"$\Delta$",
            y="farthest iterate from the start",
            title="Proposition 2: the iterates stay in the ball",
        )


class _Uphill(Landscape):
    """F with an oracle that leads away from the start as fast as its budget lets it."""

    def __init__(self, F: Landscape, budget: float) -> None:
        self._F, self._budget = F, budget
        self.d, self.start = F.d, F.start

    def gradient(self, w: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The truth, and all of the budget towards the start: steps go away from it."""
        offset = w - self._F.start
        inward = -offset / np.maximum(norms(offset)[..., None], 1e-300)
        away = np.where(norms(offset)[..., None] > 0, inward, -self._F.escape_direction)
        answer: np.ndarray[Any, Any] = self._F.gradient(w) + self._budget * away
        return answer
