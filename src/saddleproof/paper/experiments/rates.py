"""What Theorems 5, 7 and 8 share: how the inexactness grows with alpha, m, n and d."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from saddleproof.paper.experiments.base import Assessment, Cell, Row, pick
from saddleproof.paper.experiments.exponents import Exponent, over_repeats

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Sweep:
    """One variable of a bound, with the others held where the term of that variable dominates.

    Attributes:
        name: what tables and assessments call it.
        x: "alpha", "m", "n" or "d".
        values: of x.
        power: the exponent that the theorem states.
        fixed: the other variables.
        scaled: measure the part of Theorem 5 that Lemma 5 bounds; see
            `worst_case.worst_filtering`.
        reason: why the measured exponent differs, given where it does.
        within: how far off the exponent may be before the bound counts as broken. It is more than
            .1 where a logarithm bends the line; the bound has that logarithm too.
    """

    name: str
    x: str
    values: tuple[float, ...]
    power: float
    fixed: Mapping[str, Any] = field(default_factory=dict)
    scaled: bool = False
    reason: str = ""
    within: float = 0.1

    def holds(self, measured: Exponent, power: float) -> bool:
        """Whether the bound holds as alpha falls to 0, or as m, n or d grow."""
        if self.x == "alpha":
            return measured.value >= power - self.within
        return measured.value <= power + self.within


@dataclass(frozen=True)
class Rates:
    """An experiment about one aggregator: a sweep for each term of its bound.

    Args:
        powers: the exponents that are stated, in the order of the sweeps; None: the theorem's.
    """

    rule: ClassVar[str]
    sweeps: ClassVar[tuple[Sweep, ...]]
    title: ClassVar[str]

    powers: tuple[float, ...] | None = None

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A sweep and a repeat each."""
        repeats = range(3 if quick else 10)
        return [{"sweep": sweep.name, "repeat": k} for k in repeats for sweep in self.sweeps]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The error reached at every value of x."""
        from saddleproof.paper.experiments.worst_case import largest_error

        sweep = next(s for s in self.sweeps if s.name == cell["sweep"])
        return [
            {
                **cell, "x": x,
                "error": largest_error(
                    self.rule, rng, {**sweep.fixed, sweep.x: x}, scaled=sweep.scaled
                ),
            }
            for x in sweep.values
        ]  # fmt: skip

    def exponents(self, rows: Sequence[Row]) -> list[tuple[Sweep, float, Exponent]]:
        """Each sweep with its stated exponent and the measured one."""
        powers = self.powers or tuple(sweep.power for sweep in self.sweeps)
        return [
            (sweep, power, over_repeats(pick(rows, sweep=sweep.name), "x", "error"))
            for sweep, power in zip(self.sweeps, powers, strict=True)
        ]

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """The bound holds where no error grows faster, and is tight where none grows slower."""
        found = self.exponents(rows)
        phrases = [
            f"{sweep.name} {measured} (stated {power:+g}{self._because(sweep, measured, power)})"
            for sweep, power, measured in found
        ]
        return Assessment.of(
            holds=all(sweep.holds(measured, power) for sweep, power, measured in found),
            tight=all(measured.near(power) for _, power, measured in found),
            why="exponents: " + "; ".join(phrases),
        )

    def _because(self, sweep: Sweep, measured: Exponent, power: float) -> str:
        return f"; {sweep.reason}" if sweep.reason and not measured.near(power) else ""

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Every sweep, with both axes in units of its first point."""
        from saddleproof.paper.experiments.draw import lines

        series = {}
        for sweep, _, measured in self.exponents(rows):
            y = [
                np.mean([r["error"] for r in pick(rows, sweep=sweep.name, x=x)])
                for x in sweep.values
            ]
            label = f"{sweep.name}: {measured.value:+.2f}"
            series[label] = (
                [x / sweep.values[0] for x in sweep.values],
                [float(v / y[0]) for v in y],
            )
        return lines(
            series,
            x="variable, in units of its first value",
            y="inexactness, in units of the first",
            title=f"{self.title}: {self.rule.replace('_', ' ')}, exponents",
        )
