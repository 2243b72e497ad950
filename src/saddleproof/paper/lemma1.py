"""Lemma 1 (Appendix B): the least decrease of F in one inexact gradient step.

The experiment looks for the errors with the least decrease.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.paper.arguments import not_negative, positive
from saddleproof.paper.experiments.base import Assessment, Cell, Row, column, pick, values
from saddleproof.paper.experiments.inexact import norms
from saddleproof.paper.experiments.landscapes import HalfSquare, Landscape, QuadraticWithWaves

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def descent_decrease(gradient_norm: float, inexactness: float, smoothness: float) -> float:
    """Lemma 1: the least decrease of F in one inexact gradient step; negative where F may rise.

        F(w) - F(w - g_hat / L)  >=  (||grad F(w)||^2 - Delta^2) / (2 L)

    F(w) = L ||w||^2 / 2 gives equality for every error of norm Delta.

    Args:
        gradient_norm: ||grad F(w)||, >= 0.
        inexactness: Delta, >= 0.
        smoothness: L > 0.

    Raises:
        OptionError: a value outside its range.

    >>> descent_decrease(gradient_norm=2.0, inexactness=1.0, smoothness=1.0)
    1.5
    """
    not_negative(gradient_norm=gradient_norm, inexactness=inexactness)
    positive(smoothness=smoothness)
    return (gradient_norm**2 - inexactness**2) / (2 * smoothness)


def walking_decrease(inexactness: float, smoothness: float) -> float:
    """Equation (5): the least decrease of F in a step with an aggregate longer than 3 Delta.

        ||g_hat|| > 3 Delta  =>  ||grad F|| >= 2 Delta  =>  F falls by 3 Delta^2 / (2 L)

    Args:
        inexactness: Delta, >= 0.
        smoothness: L > 0.

    >>> walking_decrease(inexactness=1.0, smoothness=1.0)
    1.5
    """
    return descent_decrease(2 * inexactness, inexactness, smoothness)


@dataclass(frozen=True)
class Lemma1Experiment:
    """Random functions and points, with errors in the directions that do most harm.

    The rows hold the share of the allowance Delta^2 / (2 L) that the adversary uses,

        (F(w') - F(w) + ||grad F||^2 / (2 L)) / (Delta^2 / (2 L))  <=  1.

    Args:
        budget: norm of the oracle's errors over Delta.
    """

    name: ClassVar[str] = "lemma1"
    title: ClassVar[str] = "Lemma 1"
    statement: ClassVar[str] = (
        r"A step $w' = w - \hat g/L_F$ with $\|\hat g - \nabla F(w)\| \le \Delta$ gives "
        r"$F(w') \le F(w) - \|\nabla F(w)\|^2/(2L_F) + \Delta^2/(2L_F)$."
    )
    reported: ClassVar[str] = "reproduced"
    falsified: ClassVar[dict[str, float]] = {"budget": 1.1}

    budget: float = 1.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A function, a dimension and a ratio of Delta to the gradient each."""
        points = 200 if quick else 5000
        functions = [("bowl", 3), ("waves", 2), ("waves", 20)]
        ratios = (0.1, 1.0, 10.0) if quick else (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
        return [
            {"world": function, "d": d, "ratio": ratio, "points": points}
            for function, d in functions
            for ratio in ratios
        ]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The largest and the mean share of the allowance that errors use."""
        used = []
        for _ in range(5):
            d = cell["d"]
            F: Landscape = HalfSquare(d) if cell["world"] == "bowl" else QuadraticWithWaves(rng, d)
            w = rng.standard_normal((cell["points"] // 5, d))
            g = F.gradient(w)
            Delta = cell["ratio"] * norms(g)
            allowed = [
                -descent_decrease(a, b, F.smoothness) for a, b in zip(norms(g), Delta, strict=True)
            ]
            free = norms(g) ** 2 / (2 * F.smoothness)
            for error in self._errors(rng, F, w, g, self.budget * Delta[:, None]):
                rise = F.value(w - (g + error) / F.smoothness) - F.value(w)
                used.append((rise + free) / (np.array(allowed) + free))
        return [{**cell, "worst": float(np.max(used)), "mean": float(np.mean(used))}]

    def _errors(
        self, rng: np.random.Generator, F: Landscape, w: Vector, g: Vector, size: Vector
    ) -> list[Vector]:
        """Along the gradient, against it, at random, and uphill at the point that is reached."""
        unit = rng.standard_normal(g.shape)
        along, random = g / norms(g)[:, None], unit / norms(unit)[:, None]
        uphill = -along
        for _ in range(8):
            up = F.gradient(w - (g + size * uphill) / F.smoothness)
            uphill = -up / np.maximum(norms(up)[:, None], 1e-300)
        return [size * direction for direction in (along, -along, random, uphill)]

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """No step may use more than the whole allowance."""
        worst = float(column(rows, "worst").max())
        points = 4 * int(column(rows, "points").sum())
        tight = float(column(pick(rows, world="bowl"), "worst").max())
        return Assessment.of(
            holds=worst <= 1 + 1e-6,
            tight=tight >= 1 - 1e-6,
            why=f"at most {worst:.6f} of the allowance $\\Delta^2/(2L_F)$ is used in {points} "
            f"steps, {tight:.6f} of it on $\\|w\\|^2/2$, whatever the direction of the error",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """The worst share against Delta over the gradient norm."""
        from saddleproof.paper.experiments.draw import lines

        series = {
            f"{world}, d = {d}": (
                column(shown := pick(rows, world=world, d=d), "ratio").tolist(),
                column(shown, "worst").tolist(),
            )
            for world in values(rows, "world")
            for d in values(pick(rows, world=world), "d")
        }
        ends = [min(column(rows, "ratio")), max(column(rows, "ratio"))]
        return lines(
            series,
            theory={"Lemma 1": (ends, [1.0, 1.0])},
            log="x",
            x=r"$\Delta\,/\,\|\nabla F\|$",
            y=r"worst share of $\Delta^2/(2L_F)$ used",
            title="Lemma 1: one step with the worst error found",
            more=lambda ax: ax.set_ylim(-1.0, 1.2),
        )
