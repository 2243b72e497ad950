"""How often a claim about the honest workers' mean is false, for skewed values and many lies.

    python benchmarks honest_mean [--draws 400] [--points 20]

The first table: m numbers of one kind, of which b are replaced by a lie, and two intervals. A claim
is false where the mean of the honest numbers lies outside.

    mean      the mean of the m - b smallest, and of the m - b largest (`ranks.mean_bounds`)
    median    the rank interval of the honest median and two standard errors (`ranks.interval`),
              which means 95 % and is no claim about a mean; the worst lie is named

The second table: `certify` at a point of m bowls with such curvatures along one of two axes,
shifted so that their honest mean is below or above zero. The liars answer all questions as if their
loss had the curvature of the lie. False are brackets that miss the mean, proofs at a mean below
-eps_H, and saddles at a mean above zero. Then the share of each level.

Draws have the seeds 0, 1, ...; shares come with 95 % Wilson intervals.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

import saddleproof as sp
from common import table
from saddleproof.lab.shares import wilson
from saddleproof.ranks import interval, mean_bounds

WORKERS, SHARES = (20, 50, 100, 200), (0.05, 0.1, 0.2, 0.3)
LEVELS = ("proved", "conditional", "majority", "saddle", "open")

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
KINDS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape),
    "lognormal": lambda rng, shape: rng.lognormal(0, 1.5, shape),
    "two groups": lambda rng, shape: rng.choice([0.0, 3.0], shape, p=[0.8, 0.2]),
}

#: What all liars say, from (n, h) honest numbers: (n, 1), or (n, b) where they differ.
Lie = Callable[[np.ndarray, int], np.ndarray]


def _at(quantile: float) -> Lie:
    return lambda x, _: np.quantile(x, quantile, axis=1, keepdims=True)


def _from_mean(deviations: float) -> Lie:
    return lambda x, _: x.mean(axis=1, keepdims=True) + deviations * x.std(axis=1, keepdims=True)


def _constant(value: float) -> Lie:
    return lambda x, _: np.full((len(x), 1), value)


LIES: dict[str, Lie] = {
    "highest honest": _at(1.0),
    "lowest honest": _at(0.0),
    "honest median": _at(0.5),
    "upper tenth": _at(0.9),
    "lower tenth": _at(0.1),
    "honest mean": _from_mean(0.0),
    "a deviation up": _from_mean(1.0),
    "a deviation down": _from_mean(-1.0),
    "four up": _from_mean(4.0),
    "four down": _from_mean(-4.0),
    "opposite": lambda x, _: -x.mean(axis=1, keepdims=True),
    "zero": _constant(0.0),
    "loud up": _constant(1e9),
    "loud down": _constant(-1e9),
    "loud both": lambda x, b: np.tile(1e9 * (-1.0) ** np.arange(b), (len(x), 1)),
    "1e300": _constant(1e300),
}


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--points", type=int, default=20)
    options = parser.parse_args()
    print(f"seeds 0 to {options.draws - 1}, {len(LIES)} lies\n")
    print(table(intervals(options.draws)))
    print(f"\nseeds 0 to {options.points - 1}, {len(LIES)} lies, mean curvature -.05 and .05\n")
    print(table(certificates(options.points)))


def intervals(draws: int) -> list[list[object]]:
    """The first table."""
    rows: list[list[object]] = [
        ["honest values", "m", "b", "mean: false of", "", "median: false of", "", "worst lie", ""]
    ]
    whole = Counter[str]()
    for name, draw in KINDS.items():
        for m in WORKERS:
            for share in SHARES:
                b, false = round(share * m), {"mean": Counter[str](), "median": Counter[str]()}
                honest = np.stack([draw(np.random.default_rng(s), (m - b,)) for s in range(draws)])
                truth = honest.mean(axis=1)
                for lie, say in LIES.items():
                    said = np.broadcast_to(say(honest, b), (draws, b))
                    values = np.concatenate([said, honest], axis=1)
                    low, high = mean_bounds(values, b)
                    false["mean"][lie] += int((~((low <= truth) & (truth <= high))).sum())
                    found = interval(values, b)
                    inside = (found.low <= truth) & (truth <= found.high)
                    false["median"][lie] += int((~inside).sum())
                n = draws * len(LIES)
                mean, median = false["mean"].total(), false["median"].total()
                worst, most = false["median"].most_common(1)[0]
                rows.append(
                    [name, m, b, f"{mean}/{n}", wilson(mean, n), f"{median}/{n}",
                     wilson(median, n), worst, wilson(most, draws)]
                )  # fmt: skip
                whole.update({"mean": mean, "median": median, "n": n})
    sums = [
        cell for kind in ("mean", "median")
        for cell in (f"{whole[kind]}/{whole['n']}", wilson(whole[kind], whole["n"]))
    ]  # fmt: skip
    return [*rows, ["sum", "", "", *sums, "", ""]]


class Bowls:
    """Worker i's loss is c_i x^2 / 2 + y^2 / 2, and a linear term that the honest mean has not."""

    d = 2

    def __init__(self, curvatures: np.ndarray, slopes: np.ndarray) -> None:
        self.diagonals = np.stack([curvatures, np.ones_like(curvatures)], axis=1)
        self.slopes, self.m = slopes, len(curvatures)

    def gradients(self, points: np.ndarray) -> np.ndarray:
        """(q, 2) to (q, m, 2)."""
        found: np.ndarray = points[:, None] * self.diagonals + self.slopes
        return found

    def values_at(self, points: np.ndarray) -> np.ndarray:
        """(q, 2) to (q, m)."""
        found: np.ndarray = points**2 / 2 @ self.diagonals.T + points @ self.slopes.T
        return found

    def products(self, _: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """(m, p, 2) to (m, p, 2)."""
        found: np.ndarray = vectors * self.diagonals[:, None]
        return found


def certificates(points: int) -> list[list[object]]:
    """The second table."""
    rows: list[list[object]] = [
        ["honest values", "m, b", "brackets false", "proved false", "saddle false", *LEVELS]
    ]
    total = Counter[str]()
    for name, draw in KINDS.items():
        for m, b in ((20, 4), (20, 6), (100, 10), (100, 30)):
            counts = Counter[str]()
            for seed in range(points):
                for mean in (-0.05, 0.05):
                    for say in LIES.values():
                        counts.update(judged(draw, m, b, seed, mean, say))
            rows.append([name, f"{m}, {b}", *cells(counts)])
            total.update(counts)
    return [*rows, ["sum", "", *cells(total)]]


def judged(draw: Draw, m: int, b: int, seed: int, mean: float, say: Lie) -> Counter[str]:
    """What one certificate adds to the counts."""
    rng = np.random.default_rng(seed)
    honest = draw(rng, (m - b,))
    honest = honest - honest.mean() + mean
    curvatures = np.r_[np.broadcast_to(say(honest[None], b), (1, b))[0], honest]
    slopes = 0.1 * rng.standard_normal((m, 2))
    slopes[b:] -= slopes[b:].mean(axis=0)
    fleet = sp.LocalFleet(Bowls(curvatures, slopes))
    found: Any = sp.certify(fleet, np.zeros(2), sp.Median(), b, tolerance=0.04, seed=seed)
    truth = float(honest.mean())
    bracket = found.curvature.low <= truth <= found.curvature.high
    return Counter(
        {
            "trials": 1,
            str(found.level): 1,
            "brackets false": int(not bracket),
            "proved false": int(found.level == "proved" and truth < -found.tolerance),
            "saddle false": int(found.level == "saddle" and truth >= 0),
        }
    )


def cells(counts: Counter[str]) -> list[object]:
    """Counts of what is false, then the shares of the levels."""
    n = counts["trials"]
    wholes = {"brackets": n, "proved": counts["proved"], "saddle": counts["saddle"]}
    false = [f"{counts[name + ' false']}/{whole}" for name, whole in wholes.items()]
    return [*false, *(wilson(counts[level], n) for level in LEVELS)]
