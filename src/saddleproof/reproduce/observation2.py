"""Observation 2 (Section 5.3, Appendix F.4): what no rule stays below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import saddleproof as sp
from saddleproof.arrays import Vector
from saddleproof.reproduce.base import Cell, Row, Verdict, column, judge, pick, values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NORMAL = NormalDist()


@dataclass(frozen=True)
class Observation2:
    """The two-point argument, played against every rule of the library.

    With probability alpha a worker lies; liars see to it that its message has the same law
    whether the mean is +h or -h, 2 Phi(h) = 1 / (1 - alpha), h >= alpha. No rule can tell, and
    each is h / sqrt(n) off with probability 1/2 or more in one of the two worlds. `honest` cells
    measure the other term, sqrt(d / (n m)), where nobody lies.

    Args:
        power: the exponent of alpha in the floor, alpha^power + sqrt(d / m).
        c: the constant that the floor is held against.
    """

    name: ClassVar[str] = "observation2"
    title: ClassVar[str] = "Observation 2"
    statement: ClassVar[str] = (
        r"On some problem every algorithm's $\|\nabla F(\tilde w)\|$ is "
        r"$\Omega(\alpha/\sqrt n + \sqrt{d/(nm)})$ with constant probability."
    )
    known: ClassVar[str] = "reproduced"
    turned: ClassVar[dict[str, float]] = {"power": 0.5}

    power: float = 1.0
    c: float = 0.5

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """An alpha each, and a dimension each."""
        draws = 200 if quick else 1000
        alphas = (0.02, 0.2) if quick else (0.01, 0.02, 0.05, 0.1, 0.2)
        dims = (4, 64) if quick else (1, 4, 16, 64, 256)
        return [
            *({"kind": "pair", "alpha": a, "d": 1, "m": 100, "draws": draws} for a in alphas),
            *(
                {"kind": "honest", "alpha": 0.0, "d": d, "m": 50, "draws": draws // 10}
                for d in dims
            ),
        ]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """For each rule, how often it is how far off."""
        m, draws, alpha = cell["m"], cell["draws"], cell["alpha"]
        if cell["kind"] == "honest":
            x = rng.standard_normal((draws, m, cell["d"]))
            errors = {
                name: np.linalg.norm(rule.estimates(x, 0).vector, axis=1)
                for name, rule in rules(m, 0).items()
            }
            return [
                {**cell, "rule": name, "often": 0.5, "error": float(np.median(e))}
                for name, e in errors.items()
            ]
        h, b = half_distance(alpha), max(1, round(alpha * m))
        x = same_law(rng, h, (draws, m, 1))
        rows = []
        for name, rule in rules(m, b).items():
            said = rule.estimates(x, b).vector[:, 0]
            often = max(float((np.abs(said - s * h) >= h).mean()) for s in (-1, 1))
            rows.append({**cell, "rule": name, "often": often, "error": h})
        return rows

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """Nobody is below the floor; the floor has the exponent that is claimed."""
        pair, honest = pick(rows, kind="pair"), pick(rows, kind="honest")
        often = column(pair, "often")
        chance = 3 * 0.5 / math.sqrt(pair[0]["draws"])
        floor = column(pair, "alpha") ** self.power
        spread = column(honest, "error") / np.sqrt(column(honest, "d") / column(honest, "m"))
        apart = float((column(pair, "error") / floor).min())
        count = len(values(pair, "rule"))
        return judge(
            holds=bool(often.min() >= 0.5 - chance) and min(apart, spread.min()) >= self.c,
            tight=True,
            why=f"{count} rules: the worse of two worlds has an error of $h \\ge {apart:.2f} "
            f"\\alpha^{{{self.power:g}}}/\\sqrt n$ in a share of at least {often.min():.2f}; "
            f"without liars the median error is at least {spread.min():.2f} "
            f"$\\sqrt{{d/(nm)}}$",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """How often each rule is h off in the worse world."""
        from saddleproof.reproduce.draw import lines

        pair = pick(rows, kind="pair")
        x = values(pair, "alpha")
        shown = [n for n in values(pair, "rule") if len(pick(pair, rule=n)) == len(x)][:7]
        return lines(
            {name: (x, column(pick(pair, rule=name), "often").tolist()) for name in shown},
            theory={"1/2": ([x[0], x[-1]], [0.5, 0.5])},
            log="x",
            x=r"$\alpha$",
            y=r"share that is $h(\alpha)$ off, worse world",
            title="Observation 2: two means that send the same messages",
        )


def half_distance(alpha: float) -> float:
    """h with total variation alpha / (1 - alpha) between N(-h, 1) and N(h, 1)."""
    return NORMAL.inv_cdf(1 / (2 * (1 - alpha)))


def same_law(rng: np.random.Generator, h: float, shape: tuple[int, ...]) -> Vector:
    """Draws of (1 - alpha) max(N(h, 1), N(-h, 1)): N(h, 1) given that it is > 0, either sign."""
    low = NORMAL.cdf(-h)
    uniform = rng.uniform(low, 1, shape)
    positive = h + np.vectorize(NORMAL.inv_cdf)(uniform)
    law: Vector = positive * rng.choice([-1.0, 1.0], shape)
    return law


def rules(m: int, b: int) -> dict[str, Any]:
    """Every rule that holds b liars of m, made once."""
    every = (
        sp.Mean(), sp.TrimmedMean(), sp.GeometricMedian(), sp.Krum(), sp.MultiKrum(), sp.Bulyan(),
        sp.MeanAroundMedian(), sp.MedianOfMeans(), sp.Clipping(), sp.IterativeFiltering(),
        sp.Median(),
    )  # fmt: skip
    return {type(rule).__name__: rule for rule in every if rule.breakdown(m) >= b}
