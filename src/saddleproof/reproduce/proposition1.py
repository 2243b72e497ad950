"""Proposition 1 (Appendix D): the family on which everything fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import saddleproof as sp
from saddleproof import theory
from saddleproof.arrays import Vector
from saddleproof.optimizers.table import OPTIMIZERS
from saddleproof.questions import Gradients
from saddleproof.reproduce.base import Cell, Row, Verdict, column, judge, pick, values
from saddleproof.runs.shares import wilson

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Workers of the silent fleet; rounds that an optimizer gets.
WORKERS, BUDGET = 7, 120
#: Options that an optimizer is given even where it has a default.
TAKEN = ("curvature", "hessian_lipschitz")
#: Phases over which a function that cannot know the output is bad.
PHASES = 2000


class Silent:
    """The oracle answers 0 everywhere: whatever s is, that is within Delta of f_s'."""

    def __init__(self, Delta: float) -> None:
        self.m, self._f = WORKERS, theory.HardFunction(Delta, 0.0)

    def gradients(self, points: Vector) -> Vector:
        """(q, 1) to (q, m, 1)."""
        return np.zeros((len(points), self.m, 1))

    def values(self, w: Vector) -> Vector:
        """(m,): true losses of f_0, for those who ask, which the proposition does not allow."""
        return np.full(self.m, self._f.value(float(w[0])))


@dataclass(frozen=True)
class Proposition1:
    """Every optimizer hears zeros; then the function that makes it wrong is named.

    Optimizers that ask for more than gradients are not what the proposition is about.

    `hardest` is the proof's choice, made after the output is known. An optimizer that draws random
    numbers has many outputs, and one s must do for all: a phase drawn at random is bad in both
    ways with probability 1/6, so that some s is for at least a sixth of the outputs.

    Args:
        share: of Delta and sqrt(Delta), what the output is claimed to exceed.
    """

    name: ClassVar[str] = "proposition1"
    title: ClassVar[str] = "Proposition 1"
    statement: ClassVar[str] = (
        r"For any algorithm that only uses a $\Delta$-inexact gradient oracle some "
        r"$f_s(w) = \Delta^{3/2}\sin(\Delta^{-1/2}w + s)$ makes its output satisfy "
        r"$\|\nabla f\| > \Delta/2$ and $\lambda_{\min} < -\Delta^{1/2}/2$."
    )
    known: ClassVar[str] = "reproduced"
    turned: ClassVar[dict[str, float]] = {"share": 0.75}

    share: float = 0.5

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """An optimizer and a Delta each."""
        budgets = (0.1,) if quick else (1.0, 0.1, 0.01)
        seeds = 1 if quick else 10
        return [
            {"optimizer": name, "Delta": Delta, "seeds": seeds}
            for name, optimizer in OPTIMIZERS.items()
            if tuple(getattr(optimizer, "questions", (Gradients,))) == (Gradients,)
            for Delta in budgets
        ]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The output of each run, and how bad the worst function is there."""
        Delta = cell["Delta"]
        optimizer = told(cell["optimizer"], Delta)
        rows = []
        for seed in range(cell["seeds"]):
            ended = sp.minimize(
                sp.LocalFleet(Silent(Delta)), optimizer, b=0, w0=rng.standard_normal(1), seed=seed,
                max_rounds=BUDGET, certify=False,
            )  # fmt: skip
            w = float(ended.w[0])
            f = theory.hardest(w, Delta)
            bad = sum(
                map(self._bad, [theory.HardFunction(Delta, s) for s in phases(rng)], [w] * PHASES)
            )
            rows.append({
                **cell, "seed": seed, "w": w, "status": ended.status,
                "needs_values": bool(getattr(optimizer, "needs_values", False)),
                "gradient": abs(f.gradient(w)) / Delta,
                "curvature": -f.hessian(w) / Delta**0.5, "bad": bad,
            })  # fmt: skip
        return rows

    def _bad(self, f: theory.HardFunction, w: float) -> bool:
        gradient, curvature = theory.second_order_floor(f.inexactness)
        scale = 2 * self.share
        return abs(f.gradient(w)) > scale * gradient and f.hessian(w) < -scale * curvature

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """No output may be good under the function chosen for it."""
        least = min(column(rows, "gradient").min(), column(rows, "curvature").min())
        blind = wilson(int(column(rows, "bad").sum()), PHASES * len(rows))
        names = values(rows, "optimizer")
        return judge(
            holds=bool(least > self.share),
            tight=True,
            why=f"all {len(names)} optimizers, {len(rows)} runs: the worst $f_s$ leaves at least "
            f"{least:.3f} of $\\Delta$ and of $\\sqrt\\Delta$ (claimed: {self.share:g}); an $s$ "
            f"that does not know the output is bad in both ways in a share of {blind} (1/6)",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Where each optimizer ends, in units of the family's wavelength."""
        from saddleproof.report.figures import INK, stacked

        Delta = values(rows, "Delta")[0]
        names = values(rows, "optimizer")

        def fill(ax: Any) -> None:
            for y, name in enumerate(names):
                ends = column(pick(rows, optimizer=name, Delta=Delta), "w") / Delta**0.5
                ax.plot(ends, [y] * len(ends), "o", ms=4, color="#0072B2", alpha=0.6)
            ax.set_yticks(range(len(names)), names)
            ax.invert_yaxis()
            ax.grid(color=INK, alpha=0.12, lw=0.6)
            ax.set(
                xlabel=r"output $w/\sqrt{\Delta}$: some $s$ puts it at the phase $\pi/4$",
                title=rf"Proposition 1: outputs after zeros only, $\Delta$ = {Delta:g}",
            )

        return stacked((6.4, 4.4), fill)


def phases(rng: np.random.Generator) -> list[float]:
    """s, uniform over a period."""
    found: list[float] = rng.uniform(0, 2 * np.pi, PHASES).tolist()
    return found


def told(name: str, Delta: float) -> Any:
    """An optimizer that knows L = rho = 1 and asks for the curvature sqrt(Delta).

    Whatever it takes of these it gets, and what else it needs is its own default.
    """
    make, gamma = OPTIMIZERS[name], Delta**0.5
    facts = {
        "step": 0.25,
        "curvature": gamma,
        "hessian_lipschitz": 1.0,
        "cubic": 1.0,
        "schedule": partial(sp.Practical, curvature=gamma / 2, step=1.0),
        "diameter": 10.0,
    }
    wanted = signature(make).parameters.values()
    needed = {p.name: facts[p.name] for p in wanted if p.default is p.empty or p.name in TAKEN}
    return make(**needed)
