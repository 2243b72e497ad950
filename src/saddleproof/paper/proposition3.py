"""Proposition 3 (Appendix A, Example 1): how an adversary holds gradient descent in one dimension.

Example 1 has the functions F1(w) = (w - 1)^2 and F2(w) = (w^2 - 1)^2 / 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.paper.arguments import not_negative, positive
from saddleproof.paper.experiments.base import Assessment, Cell, Row, column, pick

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The steepest slope of F2 between its minima, |w - w^3| at w = 1 / sqrt(3).
STEEPEST = 2 / (3 * math.sqrt(3))
#: Of the experiment.
STEP, ROUNDS = 0.15, 300
#: An iterate is stuck where F2 is this far above its minimum, or farther.
GAP = 9 / 64


def convex_gap(inexactness: float) -> float:
    """Proposition 3 (i): the largest value above its minimum at which F1 is held.

        F1(w) - F1(1)  <=  Delta^2 / 4

    in the limit, from any start and with every step size up to 1/2: where 2 |w - 1| > Delta, the
    step reduces F1. The paper states O(Delta), which follows for Delta <= 1/2.

    Args:
        inexactness: Delta, >= 0.

    >>> convex_gap(0.5)
    0.0625
    """
    not_negative(inexactness=inexactness)
    return inexactness**2 / 4


def double_well_reach(inexactness: float) -> float:
    """The largest distance w* from the saddle of F2 at which an adversary holds the iterate.

        w* - w*^3 = Delta,   w* = (2 / sqrt(3)) sin(arcsin(Delta / STEEPEST) / 3)

    for Delta < STEEPEST = 2 / (3 sqrt(3)) = .385, and infinity for larger Delta: no slope between
    the minima exceeds Delta then, and the adversary returns the iterate to the saddle from
    everywhere.

    Args:
        inexactness: Delta, >= 0.

    >>> round(double_well_reach(0.375), 12)
    0.5
    """
    not_negative(inexactness=inexactness)
    if inexactness >= STEEPEST:
        return math.inf
    return 2 / math.sqrt(3) * math.sin(math.asin(inexactness / STEEPEST) / 3)


def double_well_stuck_probability(
    inexactness: float, radius: float, adversary: Literal["proof", "best"] = "proof"
) -> float:
    """Proposition 3 (ii): probability that gradient descent on F2 ends 9/64 above the minimum.

        min(1, Delta / r)   the adversary of the proof, who answers 0 where |w| <= Delta,
        min(1, w* / r)      the best adversary, with w* of `double_well_reach`

    or higher, from a start uniform in [-r, r]. The best adversary needs a step size of at most
    1 / L, with L the smoothness of F2 where the iterates are; a longer step can jump over the
    slope.

    Args:
        inexactness: Delta, in [0, 1/2].
        radius: r > 0.
        adversary: "proof" or "best".

    Raises:
        OptionError: a value outside its range, or an unknown adversary.

    >>> double_well_stuck_probability(0.2, radius=0.5)
    0.4
    >>> round(double_well_stuck_probability(0.2, radius=0.5, adversary="best"), 4)
    0.4183
    """
    not_negative(inexactness=inexactness)
    positive(radius=radius)
    if inexactness > 0.5:
        raise OptionError(f"Proposition 3 needs Delta <= 1/2; got {inexactness}")
    if adversary not in ("proof", "best"):
        raise OptionError(f'adversary must be "proof" or "best"; got {adversary!r}')
    reach = inexactness if adversary == "proof" else double_well_reach(inexactness)
    return min(1.0, reach / radius)


@dataclass(frozen=True)
class Proposition3Experiment:
    """Gradient descent on F2 from uniform starts, and on F1.

    The adversary of the proof answers 0 where |w| <= Delta. The best adversary moves the iterate
    to 0 as fast as Delta permits, and holds |w| <= w* with w* - w*^3 = Delta.

    Args:
        budget: the adversaries' budget over Delta.
        errors: standard errors by which a share may differ from its formula.
    """

    name: ClassVar[str] = "proposition3"
    title: ClassVar[str] = "Proposition 3"
    statement: ClassVar[str] = (
        r"(i) On $(w-1)^2$ gradient descent ends within $O(\Delta)$ of the minimum. (ii) On "
        r"$(w^2-1)^2/4$, from a start uniform in $[-r, r]$, some adversary holds it $9/64$ above "
        r"the minimum with probability $\min\{1, \Delta/r\}$."
    )
    reported: ClassVar[str] = "reproduced"
    falsified: ClassVar[dict[str, float]] = {"budget": 1.05}

    budget: float = 1.0
    errors: float = 3.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A Delta, a radius and an adversary each; and cells of F1."""
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
        """The stuck share and its formula, or the largest gap of F1 and Delta^2 / 4."""
        Delta, r = cell["Delta"], cell["r"]
        w = rng.uniform(-r, r, cell["draws"])
        if cell["adversary"] == "convex":
            for _ in range(ROUNDS):  # the error always points away from the minimum
                w = w - STEP * (2 * (w - 1) - self.budget * Delta * np.where(w >= 1, 1, -1))
            gap = float(((w - 1) ** 2).max())
            return [{**cell, "measured": gap, "formula": convex_gap(Delta), "error": 0.0}]
        for _ in range(ROUNDS):
            w = w - STEP * self._answer(w, w * w * w - w, self.budget * Delta, cell["adversary"])
        share = float(((w**2 - 1) ** 2 / 4 >= GAP).mean())
        formula = double_well_stuck_probability(Delta, r, cell["adversary"])
        error = math.sqrt(formula * (1 - formula) / cell["draws"])
        return [{**cell, "measured": share, "formula": formula, "error": error}]

    def _answer(self, w: Vector, gradient: Vector, Delta: float, adversary: str) -> Vector:
        if adversary == "proof":
            return np.where(np.abs(w) <= Delta, 0.0, gradient)
        answer: Vector = np.clip(w / STEP, gradient - Delta, gradient + Delta)
        return answer

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """Every share must agree with its formula, and F1 must stay below its gap."""
        proof, best = pick(rows, adversary="proof"), pick(rows, adversary="best")
        wells, bowls = [*proof, *best], pick(rows, adversary="convex")
        off = np.abs(column(wells, "measured") - column(wells, "formula")) / column(wells, "error")
        over = (column(bowls, "measured") / column(bowls, "formula")).max()
        gain = (column(best, "formula") / column(proof, "formula")).max()
        return Assessment.of(
            holds=bool((off <= self.errors).all() and over <= 1 + 1e-9),
            tight=True,
            why=f"at most {off.max():.1f} standard errors off for the proof's adversary "
            f"($\\min(1, \\Delta/r)$) and for the best one ($\\min(1, w^*/r)$, up to "
            f"{gain:.2f} times as often); (i) with a gap of {over:.3f} $\\Delta^2/4$",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Shares times r, and both formulas, against Delta."""
        from saddleproof.paper.experiments.draw import errorbars, lines

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
                "$w^*$": (grid.tolist(), [double_well_reach(x) for x in grid]),
            },
            log="",
            x=r"$\Delta$",
            y=r"stuck share $\times\ r$",
            title="Proposition 3: how far from the saddle an iterate is held",
            more=bars,
        )
