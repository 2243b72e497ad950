"""What Theorems 5, 7 and 8 share: the inexactness that a coalition reaches, and its exponents.

The messages are those of Observation 2's problem, f(w; z) = ||w - z||^2 / 2: worker i says w minus
the mean of its n samples. The error of the aggregate is then the same at every w, and the
inexactness of the oracle is the error of the rule at one point: no covering net is needed, and
none can blur a slope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from saddleproof.aggregators.filtering.iterative_filtering import IterativeFiltering
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.trimmed_mean import TrimmedMean
from saddleproof.arrays import Vector
from saddleproof.reproduce.base import Cell, Row, Verdict, judge, pick
from saddleproof.reproduce.fits import Slope, slope

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Law = Literal["gaussian", "skewed", "bounded"]
#: Radii of clusters, in units of s0 / sqrt(alpha), where a cluster doubles the variance.
RADII = (0.3, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0)
FAR = 1e6


@dataclass(frozen=True)
class Sweep:
    """One variable of a bound, the others held where its term dominates.

    Attributes:
        name: what the verdict calls it.
        x: "alpha", "m", "n" or "d".
        values: of x.
        power: the exponent that the theorem states.
        fixed: the other variables.
        scaled: whether the error is told in units of s0, the least sigma of (61), about the mean
            of the originals: Lemma 5's part of Theorem 5.
        reason: why the exponent is another one where it is.
        within: how far off the exponent may be before the bound counts as broken: more than .1
            where a logarithm, which the bound has too, bends the line.
    """

    name: str
    x: str
    values: tuple[float, ...]
    power: float
    fixed: Mapping[str, Any] = field(default_factory=dict)
    scaled: bool = False
    reason: str = ""
    within: float = 0.1

    def holds(self, measured: Slope, power: float) -> bool:
        """Whether the bound holds as alpha falls to 0, or as m, n or d grow."""
        if self.x == "alpha":
            return measured.value >= power - self.within
        return measured.value <= power + self.within


@dataclass(frozen=True)
class Rates:
    """An item about one rule: a sweep for each term of its bound.

    Args:
        powers: the exponents that are claimed, in the order of the sweeps; None: the theorem's.
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
        sweep = next(s for s in self.sweeps if s.name == cell["sweep"])
        return [
            {**cell, "x": x, "error": reached(self.rule, rng, sweep, {**sweep.fixed, sweep.x: x})}
            for x in sweep.values
        ]

    def found(self, rows: Sequence[Row]) -> list[tuple[Sweep, float, Slope]]:
        """Each sweep with the exponent that is claimed and the one that was measured."""
        powers = self.powers or tuple(sweep.power for sweep in self.sweeps)
        return [
            (sweep, power, slope(pick(rows, sweep=sweep.name), "x", "error"))
            for sweep, power in zip(self.sweeps, powers, strict=True)
        ]

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """A bound holds where nothing grows faster, and is tight where nothing grows slower."""
        found = self.found(rows)
        said = [
            f"{sweep.name} {measured} (stated {power:+g}{self._because(sweep, measured, power)})"
            for sweep, power, measured in found
        ]
        return judge(
            holds=all(sweep.holds(measured, power) for sweep, power, measured in found),
            tight=all(measured.near(power) for _, power, measured in found),
            why="exponents: " + "; ".join(said),
        )

    def _because(self, sweep: Sweep, measured: Slope, power: float) -> str:
        return f"; {sweep.reason}" if sweep.reason and not measured.near(power) else ""

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Every sweep, both axes in units of where it begins."""
        from saddleproof.reproduce.draw import lines

        series = {}
        for sweep, _, measured in self.found(rows):
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


def reached(rule: str, rng: np.random.Generator, sweep: Sweep, setting: Mapping[str, Any]) -> float:
    """The largest error found, on one draw of everybody's samples."""
    m, n, d = int(setting["m"]), int(setting["n"]), int(setting["d"])
    b = round(setting["alpha"] * m)
    originals = draws(rng, m, n, d, setting.get("law", "gaussian"))
    if rule == "filtering":
        return worst_filtering(rng, originals, b, scaled=sweep.scaled)
    return worst_by_coordinates(COORDINATEWISE[rule], originals[b:], b)


def draws(rng: np.random.Generator, m: int, n: int, d: int, law: Law) -> Vector:
    """(m, d) means of n samples each, with mean 0.

    A coordinate of a sample is N(0, 1), Exp(1) - 1, or (n = 1 only) uniform in [-sqrt 3, sqrt 3].
    """
    rows: Vector
    if law == "gaussian":
        rows = rng.standard_normal((m, d)) / np.sqrt(n)
    elif law == "bounded":
        rows = rng.uniform(-np.sqrt(3), np.sqrt(3), (m, d))
    else:
        rows = rng.gamma(n, 1 / n, (m, d)) - 1
    return rows


COORDINATEWISE: dict[str, Callable[[Vector, int], Vector]] = {
    "median": Median(),
    "trimmed_mean": TrimmedMean(),
}


def worst_by_coordinates(rule: Callable[[Vector, int], Vector], honest: Vector, b: int) -> float:
    """The exact worst case of a rule that is monotone in each number, coordinate by coordinate.

    Each coordinate of the answer lies between "all liars far below" and "all far above", and
    liars may choose a side for each: the worst is the farther end, everywhere at once.
    """
    ends = [
        rule(np.concatenate([np.full((b, honest.shape[1]), side * FAR), honest]), b)
        for side in ((-1, 1) if b else (1,))
    ]
    return float(np.linalg.norm(np.abs(ends).max(axis=0)))


def worst_filtering(rng: np.random.Generator, originals: Vector, b: int, *, scaled: bool) -> float:
    """The worst found against `IterativeFiltering`, by line search over clusters: a lower bound.

    Clusters in the direction of largest variance, in a random one, and in five at once; and the
    replaced rows are chosen: those that reach farthest against the cluster.
    """
    m, d = originals.shape
    mean = originals.mean(axis=0)
    centred = originals - mean
    s0 = float(np.linalg.norm(centred, 2)) / np.sqrt(m)
    centre = mean if scaled else np.zeros(d)
    unit = s0 if scaled else 1.0
    filtering = IterativeFiltering()
    if b == 0:
        return float(np.linalg.norm(filtering(originals, 0) - centre)) / unit
    top = np.linalg.svd(centred, full_matrices=False)[2][0]
    frame = np.linalg.qr(rng.standard_normal((d, min(5, d))))[0].T
    worst = 0.0
    for ways in (top[None], frame[:1], frame):
        order = np.argsort(centred @ ways[0])  # the farthest against ways[0] first
        kept = originals[order[b:]]
        spread = ways[np.arange(b) % len(ways)]
        for radius in RADII:
            lies = mean + radius * s0 * np.sqrt(m / b) * spread
            error = float(np.linalg.norm(filtering(np.concatenate([lies, kept]), b) - centre))
            worst = max(worst, error / unit)
    return worst
