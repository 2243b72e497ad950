"""Which parts of the default earn their place? Each row takes one out.

    python benchmarks ablation [--seeds 4] [--jobs 2] [--problems NAME ...] [--parts PART ...]
        [--ledger ablation.csv]

All problems of the suite x push, hold, cancel x median x liars that vote against, vote for and
speak quietly (see suite.py). Columns: share that left, with its 95 % Wilson interval; rounds and
gradient vectors a worker, the mean over the runs; the mean and the worst end above the minimum;
jumps proved about the honest mean that raised it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: two processes, two cores

import numpy as np

from behaviour import suite
from common import share, table
from ledger import Ledger
from saddleproof.optimizers.certified import descend, line
from saddleproof.problems.table import PROBLEMS

_choose = line.choose
#: (module, name, what stands there instead)
PARTS: dict[str, list[tuple[Any, str, Any]]] = {
    "everything": [],
    "no memory of steps": [(descend, "remember", lambda pairs, *_: pairs[:0])],
    "no descent at a small gradient": [(descend, "POLISH", 0)],
    "no single workers' gradients": [(descend, "OWN", 0)],
    "no span of the proposals": [(line, "SPAN", float("inf"))],
    "no opposite ends": [
        (
            line,
            "choose",
            lambda changes, b, most, _pairs, least: _choose(changes, b, most, 0, least),
        )
    ],
    "no second, wider line": [(line, "WIDE", line.NEAR)],
    "no small gains at a proved saddle": [(line, "ON_A_SADDLE", line.PROVED)],
    "only jumps proved about the mean": [(line, "MAJORITY", float("inf"))],
}
ANSWERS = ("against", "for", "quiet")


@contextmanager
def without(part: str) -> Iterator[None]:
    """The default without one of its parts."""
    kept = [(module, name, getattr(module, name)) for module, name, _ in PARTS[part]]
    for module, name, other in PARTS[part]:
        setattr(module, name, other)
    try:
        yield
    finally:
        for module, name, old in kept:
            setattr(module, name, old)


@dataclass(frozen=True)
class Outcome(suite.Outcome):
    """One run of the default without a part."""

    part: str


def one(part: str, name: str, style: str, answers: str, seed: int) -> Outcome:
    """A run of the default without a part."""
    with without(part):
        return Outcome(**asdict(suite.one(name, style, "median", answers, seed)), part=part)


def main() -> None:
    """Print the table, a row as soon as it is there."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, default=4)
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--problems", nargs="+", default=list(PROBLEMS))
    options.add_argument("--parts", nargs="+", default=list(PARTS))
    options.add_argument("--ledger", type=Path)
    told = options.parse_args()
    heading = ("part", "runs", "left", "rounds", "vectors", "end", "worst end", "proved jumps up")
    print(table([heading]), flush=True)
    ledger = Ledger(told.ledger, Outcome, ("part", "problem", "style", "answers", "seed"))
    keys = [
        (name, style, answers, seed)
        for name in told.problems
        for style in suite.STYLES
        for answers in ANSWERS
        for seed in range(told.seeds)
    ]
    with ProcessPoolExecutor(told.jobs) as pool:
        for part in told.parts:
            ends = ledger.runs(one, [(part, *key) for key in keys], pool.map)
            row = (
                part,
                len(ends),
                share([x.left for x in ends]),
                f"{np.mean([x.rounds for x in ends]):.1f}",
                f"{np.mean([x.vectors for x in ends]):.1f}",
                f"{np.mean([x.excess for x in ends]):.4f}",
                f"{max(x.excess for x in ends):.3f}",
                f"{sum(x.proved_up for x in ends)} of {sum(x.proved for x in ends)}",
            )
            print(table([heading, row]).splitlines()[2], flush=True)
