"""Lemma 1 (Appendix B): one inexact gradient step, and what it lowers F by at least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof import theory
from saddleproof.arrays import Vector
from saddleproof.reproduce.base import Cell, Row, Verdict, column, judge, pick, values
from saddleproof.reproduce.worlds import Bowl, Landscape, Wavy, norms

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Lemma1:
    """Random functions and points, and errors in the directions that hurt most.

    What is measured is how much of the allowance Delta^2 / (2 L) the adversary uses up,

        (F(w') - F(w) + ||grad F||^2 / (2 L)) / (Delta^2 / (2 L))  <=  1.

    Args:
        budget: length of the oracle's errors over Delta.
    """

    name: ClassVar[str] = "lemma1"
    title: ClassVar[str] = "Lemma 1"
    statement: ClassVar[str] = (
        r"A step $w' = w - \hat g/L_F$ with $\|\hat g - \nabla F(w)\| \le \Delta$ gives "
        r"$F(w') \le F(w) - \|\nabla F(w)\|^2/(2L_F) + \Delta^2/(2L_F)$."
    )
    known: ClassVar[str] = "reproduced"
    turned: ClassVar[dict[str, float]] = {"budget": 1.1}

    budget: float = 1.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A function, a dimension and a ratio of Delta to the gradient each."""
        points = 200 if quick else 5000
        worlds = [("bowl", 3), ("waves", 2), ("waves", 20)]
        ratios = (0.1, 1.0, 10.0) if quick else (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
        return [
            {"world": world, "d": d, "ratio": ratio, "points": points}
            for world, d in worlds
            for ratio in ratios
        ]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The worst and the mean share of the allowance that is used."""
        used = []
        for _ in range(5):
            d = cell["d"]
            F: Landscape = Bowl(d) if cell["world"] == "bowl" else Wavy(rng, d)
            w = rng.standard_normal((cell["points"] // 5, d))
            g = F.gradient(w)
            Delta = cell["ratio"] * norms(g)
            allowed = [
                -theory.descent_decrease(a, b, F.smoothness)
                for a, b in zip(norms(g), Delta, strict=True)
            ]
            free = norms(g) ** 2 / (2 * F.smoothness)
            for lie in self._lies(rng, F, w, g, self.budget * Delta[:, None]):
                rise = F.value(w - (g + lie) / F.smoothness) - F.value(w)
                used.append((rise + free) / (np.array(allowed) + free))
        return [{**cell, "worst": float(np.max(used)), "mean": float(np.mean(used))}]

    def _lies(
        self, rng: np.random.Generator, F: Landscape, w: Vector, g: Vector, size: Vector
    ) -> list[Vector]:
        """Along the gradient, against it, at random, and uphill from where the step lands."""
        unit = rng.standard_normal(g.shape)
        along, anywhere = g / norms(g)[:, None], unit / norms(unit)[:, None]
        uphill = -along
        for _ in range(8):
            up = F.gradient(w - (g + size * uphill) / F.smoothness)
            uphill = -up / np.maximum(norms(up)[:, None], 1e-300)
        return [size * way for way in (along, -along, anywhere, uphill)]

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """No point may use more than all of the allowance."""
        worst = float(column(rows, "worst").max())
        points = 4 * int(column(rows, "points").sum())
        tight = float(column(pick(rows, world="bowl"), "worst").max())
        return judge(
            holds=worst <= 1 + 1e-6,
            tight=tight >= 1 - 1e-6,
            why=f"at most {worst:.6f} of the allowance $\\Delta^2/(2L_F)$ is used in {points} "
            f"steps, {tight:.6f} of it on $\\|w\\|^2/2$, whatever the direction of the error",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """The worst share against Delta over the gradient norm."""
        from saddleproof.reproduce.draw import lines

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
