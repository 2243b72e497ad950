"""Proposition 3 (Appendix A, Example 1): where the double well holds an iterate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof import theory
from saddleproof.arrays import Vector
from saddleproof.reproduce.base import Cell, Row, Verdict, column, judge, pick

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEP, ROUNDS = 0.15, 300
#: How far above its minimum F2 must be: what Proposition 3 calls stuck.
GAP = 9 / 64


@dataclass(frozen=True)
class Proposition3:
    """Gradient descent on F2 = (w^2 - 1)^2 / 4 from uniform starts, and on F1 = (w - 1)^2.

    The proof's adversary says 0 where |w| <= Delta. The best one brings the iterate home to 0 as
    fast as it may, and holds |w| <= w* with w* - w*^3 = Delta.

    Args:
        budget: the adversaries' budget over Delta.
        errors: standard errors that a share may be off.
    """

    name: ClassVar[str] = "proposition3"
    title: ClassVar[str] = "Proposition 3"
    statement: ClassVar[str] = (
        r"(i) On $(w-1)^2$ gradient descent ends within $O(\Delta)$ of the minimum. (ii) On "
        r"$(w^2-1)^2/4$, from a start uniform in $[-r, r]$, some adversary holds it $9/64$ above "
        r"the minimum with probability $\min\{1, \Delta/r\}$."
    )
    known: ClassVar[str] = "reproduced"
    turned: ClassVar[dict[str, float]] = {"budget": 1.05}

    budget: float = 1.0
    errors: float = 3.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A Delta, a radius and an adversary each; and F1."""
        draws = 20_000 if quick else 100_000
        cases = ((0.05, 0.5), (0.1, 0.5), (0.2, 0.5), (0.3, 1.2), (0.37, 1.2))
        wells = [
            {"adversary": adversary, "Delta": Delta, "r": r, "draws": draws}
            for adversary in ("proof", "best")
            for Delta, r in (cases[1:4] if quick else cases)
        ]
        bowls = [{"adversary": "convex", "Delta": x, "r": 40.0, "draws": 200} for x in (0.1, 0.5)]
        return [*wells, *bowls]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The stuck share beside its formula, or the largest gap of F1 beside Delta^2 / 4."""
        Delta, r = cell["Delta"], cell["r"]
        w = rng.uniform(-r, r, cell["draws"])
        if cell["adversary"] == "convex":
            for _ in range(ROUNDS):  # outward, always
                w = w - STEP * (2 * (w - 1) - self.budget * Delta * np.where(w >= 1, 1, -1))
            gap = float(((w - 1) ** 2).max())
            return [{**cell, "measured": gap, "formula": theory.convex_gap(Delta), "error": 0.0}]
        for _ in range(ROUNDS):
            w = w - STEP * self._answer(w, w * w * w - w, self.budget * Delta, cell["adversary"])
        share = float(((w**2 - 1) ** 2 / 4 >= GAP).mean())
        formula = theory.double_well_stuck_probability(Delta, r, cell["adversary"])
        error = math.sqrt(formula * (1 - formula) / cell["draws"])
        return [{**cell, "measured": share, "formula": formula, "error": error}]

    def _answer(self, w: Vector, truth: Vector, Delta: float, adversary: str) -> Vector:
        if adversary == "proof":
            return np.where(np.abs(w) <= Delta, 0.0, truth)
        answer: Vector = np.clip(w / STEP, truth - Delta, truth + Delta)
        return answer

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """Every share within its standard errors of the formula."""
        proof, best = pick(rows, adversary="proof"), pick(rows, adversary="best")
        wells, bowls = [*proof, *best], pick(rows, adversary="convex")
        off = np.abs(column(wells, "measured") - column(wells, "formula")) / column(wells, "error")
        over = (column(bowls, "measured") / column(bowls, "formula")).max()
        gain = (column(best, "formula") / column(proof, "formula")).max()
        return judge(
            holds=bool((off <= self.errors).all() and over <= 1 + 1e-9),
            tight=True,
            why=f"at most {off.max():.1f} standard errors off for the proof's adversary "
            f"($\\min(1, \\Delta/r)$) and for the best one ($\\min(1, w^*/r)$, up to "
            f"{gain:.2f} times as often); (i) with a gap of {over:.3f} $\\Delta^2/4$",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Shares against both formulas, in units of r."""
        from saddleproof.reproduce.draw import errorbars, lines

        found = {kind: pick(rows, adversary=kind) for kind in ("proof", "best")}
        grid = np.linspace(0.01, 0.38, 80)

        def bars(ax: object) -> None:
            for shown in found.values():
                x, y = column(shown, "Delta"), column(shown, "measured") * column(shown, "r")
                errorbars(
                    ax,
                    x.tolist(),
                    y.tolist(),
                    (column(shown, "error") * column(shown, "r")).tolist(),
                )

        return lines(
            {
                f"adversary of the {kind}" if kind == "proof" else "best adversary": (
                    column(shown, "Delta").tolist(),
                    (column(shown, "measured") * column(shown, "r")).tolist(),
                )
                for kind, shown in found.items()
            },
            theory={
                r"$\Delta$": (grid.tolist(), grid.tolist()),
                "$w^*$": (grid.tolist(), [theory.double_well_reach(x) for x in grid]),
            },
            log="",
            x=r"$\Delta$",
            y=r"stuck share $\times\ r$",
            title="Proposition 3: how far from the saddle an iterate is held",
            more=bars,
        )
