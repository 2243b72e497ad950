"""What each piece of the default is worth: the suite with one piece changed at a time.

    python benchmarks/ablation.py [--seeds 6] [--jobs 2] [--only WORD]

Every row changes one named constant of `saddleproof.optimizers.gradient_only.constants` (or one of
the three ideas) and runs all problems under push with the median and hold with both rules.
Columns: runs that left the saddle, of all; the smallest share of any problem; median rounds over
the problems; worst median rounds of a problem; certified jumps that raised F; median queries.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: two processes, two cores

import numpy as np

import saddleproof as sp
from common import Jumps, attacked, table
from saddleproof import oracle
from saddleproof.aggregators.base import Estimate
from saddleproof.optimizers import certified_pgd
from saddleproof.optimizers.gradient_only.machine import DefaultMachine
from saddleproof.problems.table import PROBLEMS
from saddleproof.ranks import Interval

CELLS = (("push", sp.Median()), ("hold", sp.Median()), ("hold", sp.TrimmedMean()))
BUDGET = 150


def contrast_by_norms(reading: Any, coefficients: Any, directions: Any) -> Interval:
    """sum_k c_k <g_hat(x_k), D> +- sum_k |c_k| Delta_hat(x_k) |D|: what A replaces."""
    mid = np.einsum("pq,qd,pd->p", coefficients, reading.gradient, directions)
    half = np.abs(coefficients) @ reading.inexactness * np.linalg.norm(directions, axis=1)
    return Interval(mid - half, mid, mid + half, slack=np.zeros_like(mid))


def combination_of_aggregates(reading: Any, coefficients: Any) -> Estimate:
    """sum_k c_k g_hat(x_k): aggregated first, combined then; what B replaces."""
    found = reading.aggregator.estimates(reading.stack, reading.b)
    inexactness = np.abs(coefficients) @ found.inexactness
    return Estimate(coefficients @ found.vector, inexactness, found.kept)


def jump_without_shadow(machine: Any, state: Any, landing: Any) -> Any:
    """Jump, and forget where plain descent was; what C adds."""
    return replace(JUMP(machine, state, landing), shadow=None)


JUMP = vars(DefaultMachine)["_jump"]

VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "without A: bounds by the d-norm": {"contrast": contrast_by_norms},
    "without B: differences of aggregates": {"combination": combination_of_aggregates},
    "without C: no shadow": {"_jump": jump_without_shadow},
    "one start level instead of four": {"LEVELS": (1.0,)},
    "two start levels": {"LEVELS": (1.0, 1 / 16)},
    "no momentum": {"MOMENTUM": 0.0},
    "momentum .9": {"MOMENTUM": 0.9},
    "no polish": {"POLISH": 0},
    "descend to the last bit": {"STILL": 0.0},
    "no soft jumps": {"SOFT_JUMPS": 0},
    "jump at once": {"IMPROVES": 1e9},
    "escapes of 10 rounds": {"ROUNDS": 10},
    "escapes of 30 rounds": {"ROUNDS": 30},
    "nonlinearity .1": {"NONLINEAR": 0.1},
    "nonlinearity .5": {"NONLINEAR": 0.5},
    "steps never grow again": {"TIMID": 0.0},
    "tolerance .25": {"TOLERANCE": 0.25},
    "tests from round 2": {"FIRST_TEST": 2},
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What each piece of the default is worth")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    head = ("variant", "left", "least", "rounds", "most rounds", "jumps up", "queries")
    rows: list[tuple[object, ...]] = [head]
    for name, change in VARIANTS.items():
        if options.only not in name:
            continue
        with ProcessPoolExecutor(options.jobs, initializer=apply, initargs=(change,)) as pool:
            rows.append((name, *row(pool, range(options.seeds))))
        print(table([head, rows[-1]]), flush=True)
    print(table(rows))


def apply(change: dict[str, Any]) -> None:
    """Change constants in every module of the package that holds them, or one of the ideas."""
    for name, value in change.items():
        if hasattr(oracle.MessageReading, name):
            setattr(oracle.MessageReading, name, value)
        if hasattr(DefaultMachine, name):
            setattr(DefaultMachine, name, value)
    for info in pkgutil.iter_modules(certified_pgd.__path__, certified_pgd.__name__ + "."):
        module = importlib.import_module(info.name)
        for name, value in change.items():
            if hasattr(module, name):
                setattr(module, name, value)


def row(pool: ProcessPoolExecutor, seeds: range) -> tuple[object, ...]:
    """All problems and cells of one variant."""
    cells = [
        list(pool.map(partial(one, name, style, rule), seeds))
        for name in PROBLEMS
        for style, rule in CELLS
    ]
    everything = [run for cell in cells for run in cell]
    left = [sum(run[0] for run in cell) / len(cell) for cell in cells]
    rounds = [median(run[1] for run in cell) for cell in cells]
    return (
        f"{sum(run[0] for run in everything)} of {len(everything)}",
        f"{min(left):.2f}",
        f"{median(rounds):.0f}",
        f"{max(rounds):.0f}",
        f"{sum(run[3] for run in everything)}",
        f"{median(run[2] for run in everything):.0f}",
    )


def one(name: str, style: str, rule: Any, seed: int) -> tuple[bool, int, int, int]:
    """Left the saddle, rounds, queries, certified jumps that raised F."""
    problem = PROBLEMS[name](seed=seed)
    jumps = Jumps(problem)
    result = sp.minimize(
        attacked(problem, style),
        aggregator=rule,
        b=6,
        seed=seed,
        max_rounds=BUDGET,
        callback=jumps,
        certify=False,
    )
    queries = sum(record.queries for record in result.trace)
    return (
        problem.left_saddle(result.w),
        result.rounds,
        queries,
        sum(rise >= 0 for rise in jumps.rises),
    )


if __name__ == "__main__":
    main()
