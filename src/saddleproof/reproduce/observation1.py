"""Observation 1: how many parallel iterations, as Delta falls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof import theory
from saddleproof.reproduce.base import Cell, Row, Verdict, column, judge, pick
from saddleproof.reproduce.fits import exponent
from saddleproof.reproduce.worlds import Slope, Well, algorithm1
from saddleproof.schedule import Practical

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Observation1:
    """The stalling attack on a long slope, and the friendly case, a saddle of fixed curvature.

    The slope is a hair above 2 Delta, where the oracle may answer 3 Delta, a hair above epsilon:
    descent goes on in the smallest steps that are not yet an end, each of which lowers F by
    6 Delta^2 / L; (5) counts 3/2 Delta^2 / L. The schedule is `Practical`, since Theorem 3's never
    ends at these Delta.

    Args:
        power: the exponent of Delta that the stalled rounds are claimed to have.
    """

    name: ClassVar[str] = "observation1"
    title: ClassVar[str] = "Observation 1"
    statement: ClassVar[str] = (
        r"ByzantinePGD needs $\tilde O(\Delta^{-2})$ parallel iterations, and no fewer in general."
    )
    known: ClassVar[str] = "reproduced"
    turned: ClassVar[dict[str, float]] = {"power": -1.5}

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
        Delta = cell["Delta"]
        if cell["case"] == "stalled":
            slope = Slope(2.001 * Delta)
            most = theory.effective_iterations(Delta, 1.0, slope.excess)
            schedule = Practical(1, Delta, 0.5, 1.0)
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
        well = Well()
        most = theory.effective_iterations(Delta, well.smoothness, well.excess)
        ended = algorithm1(
            well, Practical(well.d, Delta, well.gamma / 2, 1 / well.smoothness),
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

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """A power of Delta in the one case, a logarithm in the other."""
        stalled, friendly = pick(rows, case="stalled"), pick(rows, case="friendly")
        x, y = column(stalled, "Delta").tolist(), column(stalled, "rounds").tolist()
        power = exponent(x, y)
        logs = np.log(1 / column(friendly, "Delta"))
        rate, first = np.polyfit(logs, column(friendly, "rounds"), 1)
        miss = column(friendly, "rounds") - first - rate * logs
        even = float(np.abs(miss).max() / column(friendly, "rounds").mean())
        below = float((column(stalled, "bound") / column(stalled, "rounds")).min())
        ended = all(row["ended"] for row in rows)
        return judge(
            holds=ended and abs(power - self.power) <= 0.1 and even < 0.2 and below >= 1,
            tight=True,
            why=f"stalled: rounds grow like $\\Delta^{{{power:.2f}}}$ (claimed: {self.power:g}), "
            f"{min(y):.0f} to {max(y):.0f}, {below:.1f} times under (25) or more; at a saddle of "
            f"fixed curvature {first:.0f} + {rate:.1f} log(1/$\\Delta$), within "
            f"{100 * even:.0f} %",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Both cases, and (25)."""
        from saddleproof.reproduce.draw import lines

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
            theory={"(25), excess 1": (x, [theory.effective_iterations(z, 1, 1) for z in x])},
            x=r"$\Delta$",
            y="parallel iterations",
            title="Observation 1: rounds until Algorithm 1 ends",
        )
