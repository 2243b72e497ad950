"""Proposition 1 (Appendix D): what no algorithm can promise with a Delta-inexact oracle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.paper.arguments import positive
from saddleproof.paper.experiments.base import Assessment, Cell, Row, column, pick, values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Workers of the problem whose gradients are 0; rounds that an optimizer gets.
WORKERS, BUDGET = 7, 120
#: Options that an optimizer is given even where it has a default for them.
OVERRIDDEN = ("curvature", "hessian_lipschitz")
#: Phases s that are drawn at random for each output.
PHASES = 2000


@dataclass(frozen=True)
class HardFunction:
    """A function f_s of Appendix D, for which 0 is always a Delta-inexact gradient.

        f_s(w) = Delta^(3/2) sin(w / sqrt(Delta) + s),   d = 1

    It is 1-smooth and 1-Hessian Lipschitz for Delta <= 1, and |grad f_s| <= Delta everywhere.

    Args:
        inexactness: Delta, in (0, 1].
        phase: s, any real number.

    Raises:
        OptionError: Delta outside (0, 1].
    """

    inexactness: float
    phase: float

    def __post_init__(self) -> None:
        positive(inexactness=self.inexactness)
        if self.inexactness > 1:
            raise OptionError(f"Proposition 1 needs Delta <= 1; got {self.inexactness}")

    def value(self, w: float) -> float:
        """f_s(w)."""
        return math.pow(self.inexactness, 1.5) * math.sin(self._angle(w))

    def gradient(self, w: float) -> float:
        """Delta cos(w / sqrt(Delta) + s)."""
        return self.inexactness * math.cos(self._angle(w))

    def hessian(self, w: float) -> float:
        """-sqrt(Delta) sin(w / sqrt(Delta) + s)."""
        return -math.sqrt(self.inexactness) * math.sin(self._angle(w))

    def _angle(self, w: float) -> float:
        return w / math.sqrt(self.inexactness) + self.phase


def hardest(w: float, inexactness: float) -> HardFunction:
    """The f_s for which the output w has a large gradient and a negative curvature.

    w / sqrt(Delta) + s = pi / 4, so that |grad f_s(w)| = Delta / sqrt(2) and
    f_s''(w) = -sqrt(Delta / 2).

    Args:
        w: the output of an algorithm whose gradients were all 0. It cannot depend on s.
        inexactness: Delta, in (0, 1].

    >>> round(hardest(3.0, inexactness=1.0).gradient(3.0), 4)
    0.7071
    """
    positive(inexactness=inexactness)
    return HardFunction(inexactness, math.pi / 4 - w / math.sqrt(inexactness))


def second_order_floor(inexactness: float) -> tuple[float, float]:
    """Proposition 1: gradient norm and curvature that some f_s enforces on every algorithm.

    Some f_s has ||grad f_s(w~)|| > Delta / 2 and lambda_min < -sqrt(Delta) / 2 at the output w~.

    Args:
        inexactness: Delta, in (0, 1].

    Returns:
        Delta / 2 and sqrt(Delta) / 2.

    >>> second_order_floor(0.25)
    (0.125, 0.25)
    """
    positive(inexactness=inexactness)
    return inexactness / 2, math.sqrt(inexactness) / 2


class ZeroGradients:
    """A problem whose gradients are 0 everywhere, within Delta of f_s' for every s."""

    def __init__(self, Delta: float) -> None:
        self.m, self._f = WORKERS, HardFunction(Delta, 0.0)

    def gradients(self, points: Vector) -> Vector:
        """(q, 1) to (q, m, 1)."""
        return np.zeros((len(points), self.m, 1))

    def values(self, w: Vector) -> Vector:
        """(m,): losses of f_0. The proposition does not allow them, and some optimizers ask."""
        return np.full(self.m, self._f.value(float(w[0])))


@dataclass(frozen=True)
class Proposition1Experiment:
    """Every optimizer that asks for gradients only gets zeros, and then the worst f_s is chosen.

    `hardest` is the choice of the proof, made after the output is known. The output of a randomized
    optimizer is random, and one s must serve all of its outputs. For a fixed output, a random
    phase gives both a large gradient and a negative curvature with probability 1/6. Some s
    therefore does so for at least a sixth of the outputs.

    Args:
        share: of Delta and sqrt(Delta), which the output is stated to exceed.
    """

    name: ClassVar[str] = "proposition1"
    title: ClassVar[str] = "Proposition 1"
    statement: ClassVar[str] = (
        r"For any algorithm that only uses a $\Delta$-inexact gradient oracle some "
        r"$f_s(w) = \Delta^{3/2}\sin(\Delta^{-1/2}w + s)$ makes its output satisfy "
        r"$\|\nabla f\| > \Delta/2$ and $\lambda_{\min} < -\Delta^{1/2}/2$."
    )
    reported: ClassVar[str] = "reproduced"
    falsified: ClassVar[dict[str, float]] = {"share": 0.75}

    share: float = 0.5

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """An optimizer and a Delta each."""
        from saddleproof.optimizers.table import OPTIMIZERS
        from saddleproof.questions import Gradients

        budgets = (0.1,) if quick else (1.0, 0.1, 0.01)
        seeds = 1 if quick else 10
        return [
            {"optimizer": name, "Delta": Delta, "seeds": seeds}
            for name, optimizer in OPTIMIZERS.items()
            if tuple(getattr(optimizer, "questions", (Gradients,))) == (Gradients,)
            for Delta in budgets
        ]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The output of each run, with the gradient and the curvature of the worst f_s there."""
        import saddleproof as sp

        Delta = cell["Delta"]
        optimizer = informed_optimizer(cell["optimizer"], Delta)
        rows = []
        for seed in range(cell["seeds"]):
            ended = sp.minimize(
                sp.LocalFleet(ZeroGradients(Delta)), optimizer, b=0, w0=rng.standard_normal(1),
                seed=seed, max_rounds=BUDGET, certify=False,
            )  # fmt: skip
            w = float(ended.w[0])
            f = hardest(w, Delta)
            bad = sum(map(self._bad, [HardFunction(Delta, s) for s in phases(rng)], [w] * PHASES))
            rows.append({
                **cell, "seed": seed, "w": w, "status": ended.status,
                "needs_values": bool(getattr(optimizer, "needs_values", False)),
                "gradient": abs(f.gradient(w)) / Delta,
                "curvature": -f.hessian(w) / Delta**0.5, "bad": bad,
            })  # fmt: skip
        return rows

    def _bad(self, f: HardFunction, w: float) -> bool:
        gradient, curvature = second_order_floor(f.inexactness)
        scale = 2 * self.share
        return abs(f.gradient(w)) > scale * gradient and f.hessian(w) < -scale * curvature

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """Every output must be bad for the function chosen for it."""
        from saddleproof.lab.shares import wilson

        least = min(column(rows, "gradient").min(), column(rows, "curvature").min())
        blind = wilson(int(column(rows, "bad").sum()), PHASES * len(rows))
        names = values(rows, "optimizer")
        return Assessment.of(
            holds=bool(least > self.share),
            tight=True,
            why=f"all {len(names)} optimizers, {len(rows)} runs: the worst $f_s$ leaves at least "
            f"{least:.3f} of $\\Delta$ and of $\\sqrt\\Delta$ (claimed: {self.share:g}); an $s$ "
            f"that does not know the output is bad in both ways in a share of {blind} (1/6)",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """The output of each optimizer, in units of sqrt(Delta)."""
        from saddleproof.lab.report.figures import stacked
        from saddleproof.lab.report.strokes import INK

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


def informed_optimizer(name: str, Delta: float) -> Any:
    """The optimizer with L = rho = 1 and the curvature sqrt(Delta).

    The values that it takes of these are given; other options keep their defaults.
    """
    from saddleproof.optimizers.table import OPTIMIZERS
    from saddleproof.schedule import HeuristicSchedule

    make, gamma = OPTIMIZERS[name], Delta**0.5
    facts = {
        "step": 0.25,
        "curvature": gamma,
        "hessian_lipschitz": 1.0,
        "cubic": 1.0,
        "schedule": partial(HeuristicSchedule, curvature=gamma / 2, step=1.0),
        "diameter": 10.0,
    }
    wanted = signature(make).parameters.values()
    needed = {p.name: facts[p.name] for p in wanted if p.default is p.empty or p.name in OVERRIDDEN}
    return make(**needed)
