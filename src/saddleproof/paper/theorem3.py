"""Theorem 3 (Section 4.1, Appendix B): what Algorithm 1 returns under a Delta-inexact oracle.

The schedule is `saddleproof.schedule.Theorem3`; the counts of the proof are in `theorem3_proof`.

The experiment runs Algorithm 1 at a Delta at which the theorem promises something, which needs
Delta below 1e-11 (see `vacuity`). float64 resolves such a Delta: the saddle is at the origin, where
the spacing of numbers is as small as needed, and at the minimum the gradient is known to 1e-16.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof.optimizers.randomness import ball
from saddleproof.paper.experiments.base import Assessment, Cell, Row, column, pick
from saddleproof.paper.experiments.inexact import inexact_answer, norms
from saddleproof.paper.experiments.landscapes import DoubleWell
from saddleproof.paper.theorem3_proof import effective_iterations
from saddleproof.schedule import Schedule, Theorem3
from saddleproof.schedule.theorem3 import printed_theorem3, scales

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DELTA, FAILURE = 1e-12, 0.05
STYLES = ("zero", "push", "cancel", "radial")
#: Starts from which one escape round is simulated, to estimate its probability to fail.
DRAWS = 4000


@dataclass(frozen=True)
class Guarantee:
    """What a theorem promises of the point that Algorithm 1 returns.

    Attributes:
        schedule: the parameters for which it is promised. `schedule.delta` is the probability
            that the promise fails; `schedule.vacuous` says why it is empty.
        gradient_norm: ||grad F(w~)|| is at most this.
        curvature: lambda_min(Hessian of F at w~) is at least minus this, as the theorem prints it.
        proved_curvature: the same bound in the proof, before the theorem simplifies it.
        iterations: most parallel iterations.
    """

    schedule: Schedule
    gradient_norm: float
    curvature: float
    proved_curvature: float
    iterations: float


def theorem3_guarantee(
    d: int,
    inexactness: float,
    smoothness: float,
    hessian_lipschitz: float,
    excess: float,
    delta: float = 0.05,
) -> Guarantee:
    """Theorem 3: what Algorithm 1 returns, given a Delta-inexact oracle and `Theorem3`.

        ||grad F(w~)|| <= 4 Delta,
        lambda_min >= -1900 (sqrt(rho) + L) Delta^(2/5) d^(1/5) log(10 / Delta),       (3), (27)
        lambda_min >= -768 (sqrt(rho) + L) (x + y) log_{9/4}(2 d^(2/5) / Delta^(1/5) + 8 sqrt(d))
                                                                                       (16), (26)
        within (2 (F_0 - F*) L / (3 Delta^2)) Q parallel iterations,                   (24), (25)

    with probability at least 1 - delta, where x and y are `scales`. The count leaves out the last
    escape, which fails and takes Q (T_th + 1) more iterations. Observation 1 states these bounds
    in Delta alone: O(Delta), O~(Delta^(2/5)) and O~(Delta^-2).

    Args:
        d: dimension, >= 1.
        inexactness: Delta, in (0, 1].
        smoothness: L > 0.
        hessian_lipschitz: rho > 0.
        excess: F_0 - F* > 0.
        delta: admitted probability of failure, in (0, 1).

    Raises:
        OptionError: a value outside its range.

    Warns:
        VacuousScheduleWarning: the theorem promises nothing at these numbers.
    """
    L, rho, Delta = smoothness, hessian_lipschitz, inexactness
    schedule = Theorem3(d, Delta, L, rho, excess, delta)
    x, _ = scales(d, Delta)
    return Guarantee(
        schedule,
        gradient_norm=4 * Delta,
        curvature=1900 * (math.sqrt(rho) + L) * x * math.log(10 / Delta),
        proved_curvature=printed_theorem3(d, Delta, L, rho, excess, delta).gamma,
        iterations=effective_iterations(Delta, L, excess) * schedule.Q,
    )


@dataclass(frozen=True)
class Theorem3Experiment:
    """Algorithm 1 with the printed schedule, from the saddle itself, against four adversaries.

    `run` cells are whole runs. `resolve` cells ask for the weakest curvature that the schedule
    still notices. They simulate one escape round from many starts; the schedule notices the
    curvature if all Q rounds fail with probability delta at most.

    Args:
        budget: the adversary's budget over Delta.
    """

    name: ClassVar[str] = "theorem3"
    title: ClassVar[str] = "Theorem 3"
    statement: ClassVar[str] = (
        r"With the printed schedule and a $\Delta$-inexact oracle, with probability $1-\delta$ the "
        r"output has $\|\nabla F\| \le 4\Delta$ and $\lambda_{\min} \ge -1900(\rho_F^{1/2}+L_F)"
        r"\Delta^{2/5}d^{1/5}\log(10/\Delta)$, after at most $\frac{2(F_0-F^*)L_F}{3\Delta^2}Q$ "
        r"iterations."
    )
    reported: ClassVar[str] = "loose"
    falsified: ClassVar[dict[str, float]] = {"budget": 30.0}

    budget: float = 1.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """Whole runs, and single escape rounds at falling curvature."""
        styles, seeds = (STYLES[1:2], 1) if quick else (STYLES, 3)
        runs = [{"kind": "run", "style": s, "seed": k} for s in styles for k in range(seeds)]
        parts = (1, 2, 4, 8, 16) if quick else tuple(2 ** (k / 2) for k in range(13))
        return [*runs, *({"kind": "resolve", "part": part} for part in parts)]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """One run, or one curvature."""
        return [
            {**cell, **(self._run(cell) if cell["kind"] == "run" else self._resolve(cell, rng))}
        ]

    def _run(self, cell: Cell) -> Row:
        from saddleproof.paper.experiments.algorithm1 import algorithm1

        F = DoubleWell()
        promise = theorem3_guarantee(
            F.d, DELTA, F.smoothness, F.hessian_lipschitz, F.excess, FAILURE
        )
        schedule = promise.schedule
        longest = 2 * schedule.Q * (schedule.T_th + 1) + 2000
        ended = algorithm1(
            F, schedule, budget=self.budget * DELTA, style=cell["style"], seed=cell["seed"],
            max_rounds=longest,
        )  # fmt: skip
        return {
            "gradient": float(norms(F.gradient(ended.w))) / DELTA,
            "lambda_min": F.lambda_min(ended.w),
            "bound": promise.curvature,
            "proved": promise.proved_curvature,
            "rounds": ended.rounds,
            "most": promise.iterations,
            "ended": ended.success,
        }

    def _resolve(self, cell: Cell, rng: np.random.Generator) -> Row:
        """Probabilities that one round, and all Q rounds, fail at 1 / part of the gamma of (16)."""
        F = DoubleWell()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            promise = theorem3_guarantee(
                F.d, DELTA, F.smoothness, F.hessian_lipschitz, F.excess, FAILURE
            )
        schedule, gamma = promise.schedule, promise.proved_curvature / cell["part"]
        starts = schedule.r * ball(rng, DRAWS, F.d)
        hessian = np.array([-gamma, 1.0])  # its diagonal
        w, stuck = starts.copy(), np.ones(DRAWS, dtype=bool)
        for _ in range(schedule.T_th):
            gradient = hessian * w
            target = np.stack([w[:, 0] / schedule.step, gradient[:, 1]], axis=1)  # w_1 = 0 next
            w = w - schedule.step * inexact_answer(gradient, target, self.budget * DELTA)
            stuck &= norms(w - starts) < schedule.R
        share = float(stuck.mean())
        return {"curvature": gamma, "stuck": share, "fails": math.pow(share, schedule.Q)}

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """Whether all three promises hold, and by which margin."""
        from saddleproof.lab.shares import wilson

        runs = pick(rows, kind="run")
        rounds = sorted(pick(rows, kind="resolve"), key=lambda row: -float(row["curvature"]))
        kept = [
            row["gradient"] <= 4 and row["lambda_min"] >= -row["bound"] and row["ended"]
            and row["rounds"] <= row["most"]
            for row in runs
        ]  # fmt: skip
        share = wilson(sum(kept), len(kept))
        noticed = [row for row in rounds if row["fails"] <= FAILURE]
        proved = float(rounds[0]["curvature"])
        least = min((float(row["curvature"]) for row in noticed), default=math.inf)
        holds = share.high >= 1 - FAILURE and float(rounds[0]["fails"]) <= FAILURE
        return Assessment.of(
            holds=holds,
            tight=runs[0]["bound"] / least < 4,
            why=f"{share.successes} of {share.trials} runs at $\\Delta = 10^{{-12}}$ keep all three"
            f" promises, the gradient at most {column(runs, 'gradient').max():.1f} $\\Delta$, "
            f"after at most {column(runs, 'rounds').max():.0f} iterations "
            f"($10^{{{math.log10(runs[0]['most']):.0f}}}$ are allowed); the schedule still notices "
            f"a curvature {proved / least:.1f} times weaker than (16) says, and "
            f"{runs[0]['bound'] / least:.0f} times weaker than (3)",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """The probability that a saddle is taken for a minimum, against its curvature."""
        from saddleproof.paper.experiments.draw import lines

        shown = sorted(pick(rows, kind="resolve"), key=lambda row: float(row["curvature"]))
        x = column(shown, "curvature").tolist()
        return lines(
            {
                "one round": (x, column(shown, "stuck").tolist()),
                "all Q rounds": (x, column(shown, "fails").tolist()),
            },
            theory={
                r"$\delta$": ([x[0], x[-1]], [FAILURE, FAILURE]),
                "(16)": ([x[-1], x[-1]], [0, 1]),
            },
            log="x",
            x=r"curvature $\gamma$ of the saddle",
            y="probability to miss it",
            title=r"Theorem 3 at $\Delta = 10^{-12}$, $d = 2$: what its schedule notices",
        )
