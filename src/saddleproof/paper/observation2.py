"""Observation 2 (Section 5.3, Appendix F.4): the least error of every aggregator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.paper.arguments import at_most, positive
from saddleproof.paper.experiments.base import Assessment, Cell, Row, column, pick, values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NORMAL = NormalDist()


def gradient_floor(alpha: float, m: int, n: int, d: int, c: float = 1.0) -> float:
    """Observation 2: the least gradient norm of every algorithm, with constant probability.

        Omega(alpha / sqrt(n) + sqrt(d) / sqrt(n m))

    on the problem f(w; z) = ||w - z||^2 / 2 with z ~ N(mu, I) (Lemma 6).

    Args:
        alpha: Byzantine share b / m, in [0, 1/2].
        m: workers, >= 1.
        n: samples a worker, >= 1.
        d: dimension, >= 1.
        c: > 0, unknown; with 1 the exponents are right and the scale is not.

    Raises:
        OptionError: a value outside its range.

    >>> gradient_floor(alpha=0.25, m=4, n=25, d=4)
    0.25
    """
    positive(m=m, n=n, d=d, c=c)
    at_most(0.5, alpha=alpha)
    return c * (alpha / math.sqrt(n) + math.sqrt(d / (n * m)))


@dataclass(frozen=True)
class Observation2Experiment:
    """The two-point argument, applied to the rules of the library.

    A worker lies with probability alpha. The liars give messages the same distribution for the
    means +h and -h, with 2 Phi(h) = 1 / (1 - alpha) and h >= alpha. No rule can distinguish the
    two means, so each has an error of h / sqrt(n) or more with probability at least 1/2 for one
    of them. `honest` cells measure the other term, sqrt(d / (n m)), without liars.

    Args:
        power: the exponent of alpha in the least error, alpha^power + sqrt(d / m).
        c: the constant of the least error.
    """

    name: ClassVar[str] = "observation2"
    title: ClassVar[str] = "Observation 2"
    statement: ClassVar[str] = (
        r"On some problem every algorithm's $\|\nabla F(\tilde w)\|$ is "
        r"$\Omega(\alpha/\sqrt n + \sqrt{d/(nm)})$ with constant probability."
    )
    reported: ClassVar[str] = "reproduced"
    falsified: ClassVar[dict[str, float]] = {"power": 0.5}

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
        """For each rule, the error and the share of draws that reach it."""
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
        x = indistinguishable(rng, h, (draws, m, 1))
        rows = []
        for name, rule in rules(m, b).items():
            estimate = rule.estimates(x, b).vector[:, 0]
            often = max(float((np.abs(estimate - s * h) >= h).mean()) for s in (-1, 1))
            rows.append({**cell, "rule": name, "often": often, "error": h})
        return rows

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """No rule may stay below the least error, with the stated exponent of alpha."""
        pair, honest = pick(rows, kind="pair"), pick(rows, kind="honest")
        often = column(pair, "often")
        chance = 3 * 0.5 / math.sqrt(pair[0]["draws"])
        floor = column(pair, "alpha") ** self.power
        spread = column(honest, "error") / np.sqrt(column(honest, "d") / column(honest, "m"))
        apart = float((column(pair, "error") / floor).min())
        count = len(values(pair, "rule"))
        return Assessment.of(
            holds=bool(often.min() >= 0.5 - chance) and min(apart, spread.min()) >= self.c,
            tight=True,
            why=f"{count} rules: the worse of two worlds has an error of $h \\ge {apart:.2f} "
            f"\\alpha^{{{self.power:g}}}/\\sqrt n$ in a share of at least {often.min():.2f}; "
            f"without liars the median error is at least {spread.min():.2f} "
            f"$\\sqrt{{d/(nm)}}$",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """The share of draws with an error of h, for the worse of the two means."""
        from saddleproof.paper.experiments.draw import lines

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
    """The h for which N(-h, 1) and N(h, 1) have total variation alpha / (1 - alpha)."""
    return NORMAL.inv_cdf(1 / (2 * (1 - alpha)))


def indistinguishable(rng: np.random.Generator, h: float, shape: tuple[int, ...]) -> Vector:
    """Messages whose density is (1 - alpha) max(N(h, 1), N(-h, 1)), the same for both means.

    A draw is N(h, 1) conditioned on > 0, with a random sign.
    """
    low = NORMAL.cdf(-h)
    uniform = rng.uniform(low, 1, shape)
    positive = h + np.vectorize(NORMAL.inv_cdf)(uniform)
    messages: Vector = positive * rng.choice([-1.0, 1.0], shape)
    return messages


def rules(m: int, b: int) -> dict[str, Any]:
    """The stateless rules that withstand b liars of m, by name."""
    from saddleproof import aggregators as family

    every = (
        family.Mean(), family.TrimmedMean(), family.GeometricMedian(), family.Krum(),
        family.MultiKrum(), family.Bulyan(), family.MeanAroundMedian(), family.MedianOfMeans(),
        family.Clipping(), family.IterativeFiltering(), family.Median(),
    )  # fmt: skip
    return {type(rule).__name__: rule for rule in every if rule.breakdown(m) >= b}
