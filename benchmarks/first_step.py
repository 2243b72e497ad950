"""Any first step size ends as well: CertifiedPGD(step=eta0) from 1e-3/L to 1e3/L.

    python benchmarks/first_step.py [--seeds 6] [--jobs 2] [--problems NAME ...]

Median rule, 6 of 20 workers push the server back to the saddle. Share of runs that left it with
its 95 % Wilson interval, and median rounds.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: two processes, two cores

import saddleproof as sp
from common import attacked, share, table
from saddleproof.problems.table import PROBLEMS

FACTORS = (1e-3, 1e-1, 1e1, 1e3)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Any first step size ends as well")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    options = parser.parse_args()
    rows: list[list[object]] = [["problem", *(f"eta0 = {factor:g}/L" for factor in FACTORS)]]
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in options.problems:
            cells = []
            for factor in FACTORS:
                ends = list(pool.map(partial(one, name, factor), range(options.seeds)))
                rounds = median(rounds for _, rounds in ends)
                cells.append(f"{share([left for left, _ in ends])} ({rounds:.0f})")
            rows.append([name, *cells])
    print(table(rows))


def one(name: str, factor: float, seed: int) -> tuple[bool, int]:
    """Whether one run left the saddle, and its rounds."""
    problem = PROBLEMS[name](seed=seed)
    optimizer = sp.CertifiedPGD(step=factor / problem.smoothness)
    fleet = attacked(problem, "push")
    result = sp.minimize(fleet, optimizer, b=6, seed=seed, max_rounds=150, certify=False)
    return problem.left_saddle(result.w), result.rounds


if __name__ == "__main__":
    main()
