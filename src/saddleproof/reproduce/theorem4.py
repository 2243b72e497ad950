"""Theorem 4: exact gradients, and a logarithm whose rho does not come out of the proof."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof import theory
from saddleproof.reproduce.base import Cell, Row, Verdict, column, judge, pick
from saddleproof.reproduce.worlds import Cubic, Landscape, Well, algorithm1, norms
from saddleproof.runs.shares import wilson

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAILURE, EPSILON = 0.05, 1e-2


@dataclass(frozen=True)
class Theorem4Item:
    """Runs from the saddle: on Example 2 where the theorem is not vacuous, and on a shallow well.

    The well -gamma w_1^2 / 2 + rho |w_1|^3 / 6 has F_0 - F* = (2/3) gamma^3 / rho^2. For rho < 1
    gamma can be chosen such that 8 rho sqrt(d) (F_0 - F*) / (delta epsilon^2) is hardly above 1:
    the printed bound is then next to 0, below gamma, while T_th steps are far too few to leave.
    The proof has the logarithm without rho, which is larger by log(1 / rho).

    Args:
        log: whose logarithm is held against the runs, "printed" or "proved".
        exact: False gives the oracle an error of 30 epsilon, which the theorem does not allow.
    """

    name: ClassVar[str] = "theorem4"
    title: ClassVar[str] = "Theorem 4"
    statement: ClassVar[str] = (
        r"With exact gradients, $Q = 1$, $r = \epsilon$, $R = \sqrt{\epsilon/\rho_F}$, $T_{th} = "
        r"L_F/(12\rho_F(R+r))$, with probability $1-\delta$: $\|\nabla F\| \le \epsilon$, "
        r"$\lambda_{\min} \ge -60\sqrt{\rho_F\epsilon}\,\log\frac{8\rho_F\sqrt d(F_0-F^*)}"
        r"{\delta\epsilon^2}$, within $2L_F(F_0-F^*)/\epsilon^2$ iterations."
    )
    known: ClassVar[str] = "not reproduced"
    turned: ClassVar[dict[str, object]] = {"log": "proved"}

    log: str = "printed"
    exact: bool = True

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """Example 2 at two epsilons, and the shallow well at falling rho."""
        seeds = 3 if quick else 20
        deep = [
            {"world": "example 2", "rho": 3.6, "epsilon": epsilon, "seeds": seeds}
            for epsilon in ((1e-8,) if quick else (1e-8, 1e-9))
        ]
        falls = (0.1, 1e-2, 1e-3) if quick else (0.2, 0.1, 0.03, 1e-2, 3e-3, 1e-3, 1e-4)
        return [
            *deep,
            *({"world": "shallow", "rho": r, "epsilon": EPSILON, "seeds": seeds} for r in falls),
        ]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """A line a run."""
        F: Landscape = Well()
        if cell["world"] == "shallow":
            inside = FAILURE * cell["epsilon"] ** 2 * cell["rho"] / (16 / 3 * math.sqrt(2))
            F = Cubic(float(np.cbrt(1.001 * inside)), cell["rho"])
        L, rho = F.smoothness, F.hessian_lipschitz
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            promise = theory.theorem4_guarantee(F.d, cell["epsilon"], L, rho, F.excess, FAILURE)
        rows = []
        for seed in range(cell["seeds"]):
            ended = algorithm1(
                F, promise.schedule, seed=seed, max_rounds=100_000,
                style=None if self.exact else "zero", budget=30 * cell["epsilon"],
            )  # fmt: skip
            rows.append({
                **cell, "seed": seed, "gamma": -F.lambda_min(F.saddle),
                "gradient": float(norms(F.gradient(ended.w))) / cell["epsilon"],
                "lambda_min": F.lambda_min(ended.w), "printed": promise.curvature,
                "proved": promise.proved_curvature, "rounds": ended.rounds,
                "most": promise.iterations + promise.schedule.T_th + 2,
            })  # fmt: skip
        return rows

    def _kept(self, row: Row) -> bool:
        return bool(
            row["gradient"] <= 1
            and row["lambda_min"] >= -row[self.log]
            and row["rounds"] <= row["most"]
        )

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """Whether any setting fails more often than delta."""
        deep, shallow = pick(rows, world="example 2"), pick(rows, world="shallow")
        kept = wilson(sum(map(self._kept, deep)), len(deep))
        lost = [row for row in shallow if not self._kept(row)]
        rhos = sorted({row["rho"] for row in lost})
        proof = sum(row["lambda_min"] >= -row["proved"] for row in rows)
        fails = f"fails in {len(lost)} of {len(shallow)} runs on a shallow well"
        if rhos:
            fails += f" ($\\rho_F$ from {rhos[0]:g} to {rhos[-1]:g})"
        return judge(
            holds=kept.high >= 1 - FAILURE and not lost,
            tight=True,
            why=f"{kept.successes} of {kept.trials} runs on Example 2 keep it; with the {self.log} "
            f"logarithm it {fails}; the proof's logarithm, without $\\rho_F$, bounds the "
            f"curvature in {proof} of {len(rows)}",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """The shallow well's curvature, and what the theorem says is impossible."""
        from saddleproof.reproduce.draw import lines

        shown = pick(rows, world="shallow", seed=0)
        x = column(shown, "rho").tolist()
        return lines(
            {
                r"$-\lambda_{\min}$ of the point returned": (
                    x,
                    (-column(shown, "lambda_min")).tolist(),
                )
            },
            theory={
                "Theorem 4 as printed": (x, column(shown, "printed").tolist()),
                "its proof": (x, column(shown, "proved").tolist()),
            },
            x=r"$\rho_F$",
            y="curvature",
            title=r"Theorem 4: the printed logarithm fails where $\rho_F$ is small",
        )
