"""Theorem 3, at a Delta so small that it promises something.

That takes Delta below 1e-11 (see `vacuity`), which float64 holds with ease: the saddle is at the
origin, where numbers are as fine as one likes, and at the minimum the gradient is known to 1e-16.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof import theory
from saddleproof.optimizers.randomness import ball
from saddleproof.reproduce.base import Cell, Row, Verdict, column, judge, pick
from saddleproof.reproduce.worlds import Well, algorithm1, nearest, norms
from saddleproof.runs.shares import wilson

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DELTA, FAILURE = 1e-12, 0.05
STYLES = ("zero", "push", "cancel", "radial")
#: Starts of one escape round whose fate gives its chance to fail.
DRAWS = 4000


@dataclass(frozen=True)
class Theorem3Item:
    """Algorithm 1 with the printed schedule, from the saddle itself, against four adversaries.

    Beside whole runs, `resolve` cells ask how weak a curvature the schedule would still notice:
    one escape round is simulated from many starts, and Q of them must not all fail with
    probability above delta.

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
    known: ClassVar[str] = "loose"
    turned: ClassVar[dict[str, float]] = {"budget": 30.0}

    budget: float = 1.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """Whole runs, and single rounds at weaker and weaker curvature."""
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
        F = Well()
        promise = theory.theorem3_guarantee(
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
        """How likely one round fails at curvature gamma(16) / part, and all Q of them."""
        F = Well()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            promise = theory.theorem3_guarantee(
                F.d, DELTA, F.smoothness, F.hessian_lipschitz, F.excess, FAILURE
            )
        schedule, gamma = promise.schedule, promise.proved_curvature / cell["part"]
        starts = schedule.r * ball(rng, DRAWS, F.d)
        bend, w, held = np.array([-gamma, 1.0]), starts.copy(), np.ones(DRAWS, dtype=bool)
        for _ in range(schedule.T_th):
            truth = bend * w
            wish = np.stack([w[:, 0] / schedule.step, truth[:, 1]], axis=1)
            w = w - schedule.step * nearest(truth, wish, self.budget * DELTA)
            held &= norms(w - starts) < schedule.R
        stuck = float(held.mean())
        return {"curvature": gamma, "stuck": stuck, "fails": math.pow(stuck, schedule.Q)}

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """All three promises, and how much better it does."""
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
        return judge(
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
        """How likely a saddle is taken for a minimum, by its curvature."""
        from saddleproof.reproduce.draw import lines

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
