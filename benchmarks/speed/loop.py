"""What a round of `minimize` costs beside gradients and rule, and what `import saddleproof` costs.

A problem hands out one array of messages and the rule answers with its first row: what is left of a
round is the loop, the check of the messages, the optimizer and the checkpoint. A round costs
(seconds of long - seconds of short) / (rounds of long - rounds of short), two runs of one pair back
to back. The unit is one copy of the messages, measured beside each pair.

    python benchmarks loop [--repeats 7] [--sizes 20x10 200x10 20x1000000 200x1000000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

import saddleproof as sp
from common import table
from saddleproof.aggregators.base import Estimate, Rule
from saddleproof.checkpoint import FileCheckpoint

#: Rounds of the short run.
SHORT = 3


class Fixed:
    """m workers whose gradients are the same numbers in every round."""

    def __init__(self, m: int, d: int) -> None:
        self.m, self.d = m, d
        self.rows = np.random.default_rng(0).standard_normal((1, m, d))
        self.start = np.zeros(d)

    def gradients(self, points: np.ndarray) -> np.ndarray:
        """(1, d) to (1, m, d)."""
        return self.rows


class First(Rule):
    """The first row; costs nothing."""

    def _batch(self, stack: np.ndarray, b: int) -> Estimate:
        return Estimate(stack[:, 0], None, np.ones(stack.shape[:2], dtype=bool))

    def breakdown(self, m: int) -> int:
        """As a rule would say."""
        return (m - 1) // 2


def seconds(problem: Fixed, rounds: int, checkpoint: Path | None) -> float:
    """Of one run."""
    kept = None if checkpoint is None else FileCheckpoint(checkpoint)
    began = time.perf_counter()
    sp.minimize(
        problem, sp.GradientDescent(step=1e-6), aggregator=First(), b=problem.m // 5,
        w0=problem.start, max_rounds=rounds, certify=False, seed=0, checkpoint=kept,
    )  # fmt: skip
    return time.perf_counter() - began


def a_round(problem: Fixed, repeats: int, *, saved: bool) -> tuple[float, float, float]:
    """Median seconds of a round, of a copy of its messages, and median of the ratios."""
    long = SHORT + (200 if problem.d < 1000 else 8)
    target = np.empty_like(problem.rows)
    rounds, copies = [], []
    with tempfile.TemporaryDirectory() as folder:
        for k in range(repeats + 1):
            there = [Path(folder) / f"{k}-{n}.npz" if saved else None for n in (SHORT, long)]
            took = [seconds(problem, n, at) for n, at in zip((SHORT, long), there, strict=True)]
            rounds.append((took[1] - took[0]) / (long - SHORT))
            copies.append(best_of(partial(np.copyto, target, problem.rows)))
    taken, copied = np.array(rounds[1:]), np.array(copies[1:])  # the first pair warms up
    return float(np.median(taken)), float(np.median(copied)), float(np.median(taken / copied))


def best_of(what: Callable[[], None], times: int = 3) -> float:
    """Seconds of the quickest of some calls."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        what()
        taken.append(time.perf_counter() - began)
    return min(taken)


def importing(repeats: int) -> tuple[float, float, float]:
    """Median of `import saddleproof` over `import numpy`, and its quartiles; interleaved."""
    ratios = []
    for _ in range(repeats):
        taken = []
        for name in ("numpy", "saddleproof"):
            began = time.perf_counter()
            command = [sys.executable, "-c", f"import {name}"]
            subprocess.run(command, check=True)  # noqa: S603 - the command is ours
            taken.append(time.perf_counter() - began)
        ratios.append(taken[1] / taken[0])
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return float(middle), float(low), float(high)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--sizes", nargs="+", default=["20x10", "200x10", "20x1000000", "200x1000000"]
    )
    told = parser.parse_args()
    rows: list[tuple[object, ...]] = [
        ("m", "d", "checkpoint", "us a round", "copies of the messages", "us a worker")
    ]
    for size in told.sizes:
        m, d = map(int, size.split("x"))
        problem = Fixed(m, d)
        for saved in (False, True):
            taken, _, ratio = a_round(problem, told.repeats, saved=saved)
            kind = "each round" if saved else "none"
            cells = f"{1e6 * taken:.0f}", f"{ratio:.2f}", f"{1e6 * taken / m:.2f}"
            rows.append((m, d, kind, *cells))
    print(table(rows))
    middle, low, high = importing(3 * told.repeats)
    print(
        f"\nimport saddleproof takes {middle:.2f} times import numpy "
        f"(quartiles {low:.2f} to {high:.2f})"
    )
