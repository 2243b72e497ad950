"""The range of Theorem 3: the largest Delta at which it promises something, by dimension."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof.paper.experiments.base import Assessment, Cell, Row, column, pick, values
from saddleproof.paper.experiments.exponents import fitted
from saddleproof.paper.theorem3 import theorem3_guarantee
from saddleproof.schedule import Theorem3

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Without one of these the theorem promises nothing, at L = rho = 1.
CONDITIONS = ("R > r", "T_th >= 1", "(16) <= L", "(3) <= L")
#: F_0 - F*, large enough that Q > 0 everywhere.
EXCESS = 1e3


@dataclass(frozen=True)
class VacuityExperiment:
    """Bisection over Delta, with the library's own `Theorem3`.

    Args:
        upto: the Delta up to which the theorem is said to promise something; the paper's is 1.
    """

    name: ClassVar[str] = "vacuity"
    title: ClassVar[str] = "Theorem 3, its range"
    statement: ClassVar[str] = (
        r"Theorem 3 assumes $\Delta \le 1$. It promises something where $T_{th} \ge 1$, $R > r$, "
        r"and the promised curvature is below $L_F$."
    )
    reported: ClassVar[str] = "loose"
    falsified: ClassVar[dict[str, float]] = {"upto": 1e-30}

    upto: float = 1.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A dimension each."""
        dims = (1, 10, 100) if quick else (1, 3, 10, 30, 100, 300, 1000, 10_000)
        return [{"d": d} for d in dims]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The largest Delta for each condition."""
        return [
            {"d": cell["d"], "condition": condition, "Delta": largest(cell["d"], condition)}
            for condition in CONDITIONS
        ]

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """Loose where a condition fails at a Delta up to `upto`."""
        top = {c: column(pick(rows, condition=c, d=10), "Delta")[0] for c in CONDITIONS}
        steps = pick(rows, condition="T_th >= 1")
        slope = fitted(column(steps, "d").tolist(), column(steps, "Delta").tolist())
        least = min(column(rows, "Delta"))
        given = ", ".join(f"{name} below {value:.1e}" for name, value in top.items())
        return Assessment.of(
            holds=True,
            tight=bool(least >= self.upto),
            why=f"at $d = 10$, $L_F = \\rho_F = 1$: {given}; $T_{{th}} \\ge 1$ needs $\\Delta \\le "
            f"{top['T_th >= 1'] * 10**0.5:.1e}\\,d^{{{slope:.2f}}}$",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """The largest Delta of each condition, against the dimension."""
        from saddleproof.paper.experiments.draw import lines

        return lines(
            {
                name: (values(rows, "d"), column(pick(rows, condition=name), "Delta").tolist())
                for name in CONDITIONS
            },
            x="dimension d",
            y=r"largest $\Delta$",
            title="Theorem 3: below all four lines it promises something",
        )


def largest(d: int, condition: str) -> float:
    """The largest Delta in (0, 1] at which a condition holds, by bisection in the logarithm."""
    low, high = -40.0, 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(d, 10**middle, condition) else (low, middle)
    return float(10**low)


def holds(d: int, Delta: float, condition: str) -> bool:
    """Whether the condition holds at this Delta, L = rho = 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if condition == "(3) <= L":
            return theorem3_guarantee(d, Delta, 1.0, 1.0, EXCESS).curvature <= 1
        vacuous = Theorem3(d, Delta, 1.0, 1.0, EXCESS).vacuous
    phrase = {"R > r": "R <= r", "T_th >= 1": "T_th < 1", "(16) <= L": "gamma > L"}[condition]
    return not any(fact.startswith(phrase) for fact in vacuous)
