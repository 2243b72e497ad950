"""How much of the harm of a fine grid of factors does `OptimisedScale` do?

    python benchmarks strongest_scale [--draws 200] [--factors 20000] [--rules TEXT ...]

Each draw is one round: m rows, standard normal about a common standard normal mean, of which b
belong to liars who all stand at g + x offset, g the honest mean, offset that of ALIE at one
standard deviation. The grid has `--factors` values of x, log-spaced from 1e-3 to 1e3, half of them
negative, and is judged here by the rule alone: none of the search's code is used. Columns: ratio of
the two harms, its least value and its median over the draws, and the share of draws below .98; the
same for ByzFL's search (20 evaluations upward from 0: steps double while they help, then shrink by
.8), written out below; and for the grid of 13 positive factors that `OptimisedScale` had before.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: two processes, two cores

import numpy as np

from common import table
from saddleproof import aggregators as rules
from saddleproof.attacks import OptimisedScale
from saddleproof.attacks.views import AttackView

RULES: dict[str, Any] = {
    "Krum": rules.Krum(),
    "Krum, omit 1": rules.Krum(omit=1),
    "Multi-Krum": rules.MultiKrum(),
    "Multi-Krum, k 3": rules.MultiKrum(k=3),
    "Bulyan": rules.Bulyan(),
    "median": rules.Median(),
    "trimmed mean": rules.TrimmedMean(),
    "mean around median": rules.MeanAroundMedian(),
    "geometric median": rules.GeometricMedian(),
    "filtering": rules.IterativeFiltering(),
    "mixing, Krum": rules.NearestNeighborMixing(rules.Krum()),
    "mixing, Multi-Krum": rules.NearestNeighborMixing(rules.MultiKrum()),
    "mixing, median": rules.NearestNeighborMixing(rules.Median()),
    "mixing, trimmed mean": rules.NearestNeighborMixing(rules.TrimmedMean()),
    "bucketing, Krum": rules.Bucketing(rules.Krum()),
    "bucketing, trimmed mean": rules.Bucketing(rules.TrimmedMean()),
    "norm trimming": rules.NormTrimming(),
}
BEFORE = tuple(3.0**power for power in range(-4, 9))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="OptimisedScale against a fine grid")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--factors", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rules", nargs="*", default=[""])
    options = parser.parse_args()
    shapes = ((13, 5, 2), (20, 30, 4))
    work = [
        (name, *shape)
        for name in RULES
        for shape in shapes
        if any(text in name for text in options.rules)
    ]
    head = ("rule", "m", "d", "b", "draws", "factors", "least", "median", "below .98")
    head += ("ByzFL, median", "beats us", "before, median")
    rows: list[tuple[object, ...]] = [head]
    with ProcessPoolExecutor(options.jobs) as pool:
        one = partial(line, draws=options.draws, factors=options.factors)
        for found in pool.map(one, work):
            rows.append(found)
            print(*found, flush=True)
    print(table(rows))


def line(what: tuple[str, int, int, int], *, draws: int, factors: int) -> tuple[object, ...]:
    """One line of the table."""
    name, m, d, b = what
    view = view_of(RULES[name], draws, m, d, b)
    offset = -view.honest.std(axis=1)
    half = np.geomspace(1e-3, 1e3, factors // 2)
    fine = np.max([harm(view, offset, x) for y in half for x in (y, -y)], axis=0)
    lies = OptimisedScale()(view)
    ours = norm(view, lies)
    byzfl = upward(view, offset)
    before = np.max([harm(view, offset, x) for x in BEFORE], axis=0)
    ratio = ours / fine
    return (
        name, m, d, b, draws, factors,
        f"{ratio.min():.3f}", f"{np.median(ratio):.3f}", f"{np.mean(ratio < 0.98):.3f}",
        f"{np.median(byzfl / fine):.3f}", f"{np.mean(byzfl > 1.001 * ours):.3f}",
        f"{np.median(before / fine):.3f}",
    )  # fmt: skip


def view_of(rule: Any, draws: int, m: int, d: int, b: int) -> AttackView:
    """All draws as the query points of one round; the first b workers lie."""
    rng = np.random.default_rng(0)
    messages = rng.standard_normal((draws, 1, d)) + rng.standard_normal((draws, m, d))
    return AttackView(
        points=np.zeros((draws, d)),
        messages=messages,
        members=tuple(range(b)),
        round_id=0,
        b=b,
        aggregate=lambda stack: rule.estimates(stack, b).vector,
        optimizer=None,
        problem=None,
    )


def harm(view: AttackView, offset: np.ndarray, x: float | np.ndarray) -> np.ndarray:
    """(draws,) |answer - g| where all liars stand at g + x offset."""
    lie = view.honest_mean + np.reshape(x, (-1, 1)) * offset
    return norm(view, np.repeat(lie[:, None], len(view.members), axis=1))


def norm(view: AttackView, lies: np.ndarray) -> np.ndarray:
    """(draws,) |answer - g| to these lies."""
    messages = view.messages.copy()
    messages[:, list(view.members)] = lies
    found: np.ndarray = np.linalg.norm(view.aggregate(messages) - view.honest_mean, axis=1)
    return found


def upward(view: AttackView, offset: np.ndarray, evaluations: int = 20) -> np.ndarray:
    """The harm that ByzFL 0.0.11's search finds with its default options, in its own direction.

    It walks from factor 0 along + std, each draw by itself.
    """
    draws = len(view.points)
    best, step, growing = np.zeros(draws), np.full(draws, 10.0), np.ones(draws, dtype=bool)
    most = harm(view, -offset, best)
    for _ in range(evaluations - 1):
        found = harm(view, -offset, best + step)
        better = found > most
        best, most = np.where(better, best + step, best), np.maximum(found, most)
        growing &= better
        step = step * np.where(growing, 2.0, 0.8)
    return most
