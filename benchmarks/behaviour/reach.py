"""The default from 5 to 200 workers, with as many liars as it can hold.

    python benchmarks reach [--seeds 10] [--jobs 2] [--ledger reach.csv]

b = (m - 1) // 3, the largest at which no liar can deny a bound by ranks (the largest below m/4
under filtering).
Push, by the strongest message known against the rule in use. Shares that left the saddle with
their 95 % Wilson intervals, and median rounds. Data are dealt out anew for every m, so that with
the digits a worker of 200 holds 8 images.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: two processes, two cores

import saddleproof as sp
from common import attacked, share, table
from ledger import Ledger
from saddleproof.problems.table import PROBLEMS

WORKERS = (5, 10, 20, 50, 100, 200)
RULES: dict[str, Any] = {
    "median": sp.Median(),
    "trimmed mean": sp.TrimmedMean(),
    "filtering": sp.IterativeFiltering(),
}


@dataclass(frozen=True)
class Outcome:
    """One run: which, and what became of it."""

    problem: str
    rule: str
    m: int
    seed: int
    left: bool
    rounds: int
    status: str


def main() -> None:
    """Print the table, a row a problem and rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--problems", nargs="*", default=["example2", "pca_digits", "unequal_hessians"]
    )
    parser.add_argument("--rules", nargs="*", default=list(RULES))
    parser.add_argument("--workers", nargs="*", type=int, default=list(WORKERS))
    parser.add_argument("--ledger", type=Path)
    options = parser.parse_args()
    ledger = Ledger(options.ledger, Outcome, ("problem", "rule", "m", "seed"))
    rows: list[list[object]] = [["problem", "rule", *(f"m = {m}" for m in options.workers)]]
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in options.problems:
            for rule in options.rules:
                cells = []
                for m in options.workers:
                    keys = [(name, rule, m, seed) for seed in range(options.seeds)]
                    runs = ledger.runs(one, keys, pool.map)
                    rounds = median(run.rounds for run in runs)
                    cells.append(f"{share([run.left for run in runs])} ({rounds:.0f})")
                rows.append([name, rule, *cells])
    print(table(rows))


def one(name: str, rule: str, m: int, seed: int) -> Outcome:
    """One run with as many liars as may be."""
    problem = PROBLEMS[name](seed=seed, workers=m)
    b = min((m - 1) // 3, RULES[rule].breakdown(m))
    result = sp.minimize(
        attacked(problem, "push", b),
        aggregator=RULES[rule],
        b=b,
        w0=problem.start,
        seed=seed,
        max_rounds=150,
        certify=False,
    )
    return Outcome(name, rule, m, seed, problem.left_saddle(result.w), result.rounds, result.status)
