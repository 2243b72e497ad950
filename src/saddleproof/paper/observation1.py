"""Observation 1 (Section 4.1): the number of parallel iterations as Delta falls.

The formula is `theorem3_proof.effective_iterations`, (25).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof.paper.experiments.base import Assessment, Cell, Row, column, pick
from saddleproof.paper.experiments.exponents import fitted
from saddleproof.paper.experiments.landscapes import DoubleWell, LongSlope
from saddleproof.paper.theorem3_proof import effective_iterations
from saddleproof.schedule import HeuristicSchedule

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Observation1Experiment:
    """The stalling attack on a long slope, and a saddle of fixed curvature.

    The slope is slightly above 2 Delta, and the oracle answers slightly more than epsilon =
    3 Delta. Descent then takes the smallest steps that Algorithm 1 takes before it ends. Each of
    them lowers F by 6 Delta^2 / L; (5) counts 3/2 Delta^2 / L. The schedule is
    `HeuristicSchedule`, since that of Theorem 3 does not end at these Delta.

    Args:
        power: the stated exponent of Delta in the number of stalled rounds.
    """

    name: ClassVar[str] = "observation1"
    title: ClassVar[str] = "Observation 1"
    statement: ClassVar[str] = (
        r"ByzantinePGD needs $\tilde O(\Delta^{-2})$ parallel iterations, and no fewer in general."
    )
    reported: ClassVar[str] = "reproduced"
    falsified: ClassVar[dict[str, float]] = {"power": -1.5}

    power: float = -2.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A Delta each, in both cases."""
        stalled = (0.1, 0.03, 0.01) if quick else (0.1, 0.05, 0.02, 0.01, 0.005)
        friendly = (1e-2, 1e-4, 1e-6) if quick else (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
        seeds = 1 if quick else 3
        return [
            *({"case": "stalled", "Delta": Delta, "seed": 0} for Delta in stalled),
            *({"case": "friendly", "Delta": x, "seed": k} for x in friendly for k in range(seeds)),
        ]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """Rounds until Algorithm 1 ends by itself."""
        from saddleproof.paper.experiments.algorithm1 import algorithm1

        Delta = cell["Delta"]
        if cell["case"] == "stalled":
            slope = LongSlope(2.001 * Delta)
            most = effective_iterations(Delta, 1.0, slope.excess)
            schedule = HeuristicSchedule(1, Delta, 0.5, 1.0)
            ended = algorithm1(
                slope, schedule, budget=Delta, style="stall", max_rounds=math.ceil(2 * most) + 1000
            )
            failed = schedule.Q * (schedule.T_th + 1)  # (25) leaves out the escape that fails
            return [
                {
                    **cell,
                    "rounds": ended.rounds - failed,
                    "ended": ended.status == "no_escape_found",
                    "bound": most,
                }
            ]
        well = DoubleWell()
        most = effective_iterations(Delta, well.smoothness, well.excess)
        ended = algorithm1(
            well, HeuristicSchedule(well.d, Delta, well.gamma / 2, 1 / well.smoothness),
            budget=Delta, style="push", seed=cell["seed"], max_rounds=5000,
        )  # fmt: skip
        return [
            {
                **cell,
                "rounds": ended.rounds,
                "ended": ended.status == "no_escape_found",
                "bound": most,
            }
        ]

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """A power of Delta on the slope, and a logarithm at the saddle."""
        stalled, friendly = pick(rows, case="stalled"), pick(rows, case="friendly")
        x, y = column(stalled, "Delta").tolist(), column(stalled, "rounds").tolist()
        power = fitted(x, y)
        logs = np.log(1 / column(friendly, "Delta"))
        rate, first = np.polyfit(logs, column(friendly, "rounds"), 1)
        miss = column(friendly, "rounds") - first - rate * logs
        even = float(np.abs(miss).max() / column(friendly, "rounds").mean())
        below = float((column(stalled, "bound") / column(stalled, "rounds")).min())
        ended = all(row["ended"] for row in rows)
        return Assessment.of(
            holds=ended and abs(power - self.power) <= 0.1 and even < 0.2 and below >= 1,
            tight=True,
            why=f"stalled: rounds grow like $\\Delta^{{{power:.2f}}}$ (claimed: {self.power:g}), "
            f"{min(y):.0f} to {max(y):.0f}, {below:.1f} times under (25) or more; at a saddle of "
            f"fixed curvature {first:.0f} + {rate:.1f} log(1/$\\Delta$), within "
            f"{100 * even:.0f} %",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """The rounds of both cases, and (25)."""
        from saddleproof.paper.experiments.draw import lines

        stalled, friendly = pick(rows, case="stalled"), pick(rows, case="friendly", seed=0)
        x = column(stalled, "Delta").tolist()
        return lines(
            {
                "a saddle, pushed back": (
                    column(friendly, "Delta").tolist(),
                    column(friendly, "rounds").tolist(),
                ),
                "a long slope, stalled": (x, column(stalled, "rounds").tolist()),
            },
            theory={"(25), excess 1": (x, [effective_iterations(z, 1, 1) for z in x])},
            x=r"$\Delta$",
            y="parallel iterations",
            title="Observation 1: rounds until Algorithm 1 ends",
        )
