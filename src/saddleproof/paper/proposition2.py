"""Proposition 2 (Appendix E): the iterates stay in a ball around the start."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.paper.experiments.base import Assessment, Cell, Row, column, pick
from saddleproof.paper.experiments.exponents import fitted
from saddleproof.paper.experiments.inexact import norms
from saddleproof.paper.experiments.landscapes import DoubleWell, Landscape, LongSlope
from saddleproof.paper.theorem3_proof import effective_iterations, most_escapes
from saddleproof.schedule import Theorem3
from saddleproof.schedule.theorem3 import lengths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: F_0 - F* of the long slope.
EXCESS = 1.0


def iterate_radius(
    d: int, inexactness: float, smoothness: float, hessian_lipschitz: float, excess: float
) -> float:
    """Proposition 2: the largest distance D/2 of the iterates of Theorem 3 from w_0.

        2 sqrt((T / L) (F_0 - F* + E (4 Delta r + L r^2 / 2))) + 2 Delta T / L   (57), (58)
          + E r                                                                  (60)
          + r + R

    with T of (25) and E of (23). The paper states C (F_0 - F*) / Delta as Delta -> 0; these are
    the constants of its proof. The last line is ours: the proof leaves out the rounds that fail,
    which end within r + R of their start.

    Args:
        d: dimension, >= 1.
        inexactness: Delta, in (0, 1].
        smoothness: L > 0.
        hessian_lipschitz: rho > 0.
        excess: F_0 - F* > 0.

    Raises:
        OptionError: a value that is not positive and finite.
    """
    L, Delta = smoothness, inexactness
    T = effective_iterations(Delta, L, excess)
    E = most_escapes(d, Delta, L, hessian_lipschitz, excess)
    r, R = lengths(d, Delta, hessian_lipschitz)
    climbed = E * (4 * Delta * r + L * r**2 / 2)
    return 2 * math.sqrt(T / L * (excess + climbed)) + 2 * Delta * T / L + E * r + r + R


@dataclass(frozen=True)
class Proposition2Experiment:
    """Algorithm 1 with the schedule of Theorem 3, against adversaries that lead it away.

    The largest distance known is on a slope of 2 Delta, where F falls by F_0 - F* over a distance
    of (F_0 - F*) / (2 Delta). An adversary with a larger budget than Delta leads the iterate away
    without limit, even where F is flat.

    Args:
        budget: the adversary's budget over Delta.
    """

    name: ClassVar[str] = "proposition2"
    title: ClassVar[str] = "Proposition 2"
    statement: ClassVar[str] = (
        r"With Theorem 3's parameters all iterates stay within $C(F_0-F^*)/\Delta$ of $w_0$; with "
        r"the constants of the proof, within `theory.iterate_radius`."
    )
    reported: ClassVar[str] = "loose"
    falsified: ClassVar[dict[str, float]] = {"budget": 6.0}

    budget: float = 1.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A Delta each, on the long slope and at a saddle."""
        budgets = (0.1, 0.03) if quick else (0.1, 0.05, 0.03, 0.02, 0.01)
        return [
            {"world": world, "Delta": Delta} for world in ("slope", "saddle") for Delta in budgets
        ]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The largest distance of an iterate from the start, escapes included."""
        from saddleproof.paper.experiments.algorithm1 import algorithm1

        Delta, away = cell["Delta"], cell["world"] == "slope"
        F: Landscape = LongSlope(2.001 * Delta, EXCESS) if away else DoubleWell()
        most = effective_iterations(Delta, F.smoothness, F.excess)
        radius = iterate_radius(F.d, Delta, F.smoothness, F.hessian_lipschitz, F.excess)
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
            _LedAway(F, self.budget * Delta) if self.budget > 1 else F, schedule,
            budget=Delta if self.budget == 1 else 0.0, style="stall" if away else "push",
            max_rounds=int(most / 2) + 200, callback=watch,
        )  # fmt: skip
        return [{**cell, "farthest": max(farthest), "radius": radius, "excess": F.excess}]

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """No iterate may lie outside the ball."""
        used = column(rows, "farthest") / column(rows, "radius")
        slope = pick(rows, world="slope")
        x, y = column(slope, "Delta").tolist(), column(slope, "farthest").tolist()
        C = float(
            (column(slope, "farthest") * column(slope, "Delta") / column(slope, "excess")).max()
        )
        return Assessment.of(
            holds=bool((used <= 1).all()),
            tight=bool(used.max() > 0.25),
            why=f"the farthest iterate is at {used.max():.2f} of the radius; on the long slope the "
            f"distance grows like $\\Delta^{{{fitted(x, y):.2f}}}$, with $C = {C:.2f}$",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Distances and the radius, against Delta."""
        from saddleproof.paper.experiments.draw import lines

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


class _LedAway(Landscape):
    """F with an oracle whose error of norm `budget` points to the start: steps lead away."""

    def __init__(self, F: Landscape, budget: float) -> None:
        self._F, self._budget = F, budget
        self.d, self.start = F.d, F.start

    def gradient(self, w: Vector) -> Vector:
        """The gradient of F plus the error: (..., d) to (..., d)."""
        offset = w - self._F.start
        inward = -offset / np.maximum(norms(offset)[..., None], 1e-300)
        error = np.where(norms(offset)[..., None] > 0, inward, -self._F.escape_direction)
        answer: Vector = self._F.gradient(w) + self._budget * error
        return answer
