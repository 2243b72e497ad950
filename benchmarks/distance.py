"""The distance test against the decrease test, on the quartic saddle of Example 2.

    python benchmarks/distance.py [--seeds 20]

20 workers of which 6 push the server back to the saddle, through the coordinate-wise median. A
distance test must ask for more than the adversary can fake and for less than there is to the next
minimum. Noise sets the first: where R is above the distance to the minimum, Algorithm 1 returns
the saddle. The decrease test asks for no distance.

Shares of runs that left the saddle, with 95 % Wilson intervals, and median rounds of those that
ended by themselves. Plain gradient descent never ends by itself: it has the whole budget.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import saddleproof as sp
from common import share, table
from saddleproof.optimizers.gradient_only.simple import SimpleCertifiedPGD

WORKERS, BYZANTINE, BUDGET = 20, 6, 300


Run = tuple[sp.Result, float | None]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The distance test against the decrease test")
    parser.add_argument("--seeds", type=int, default=20)
    seeds = range(parser.parse_args().seeds)
    rows = [("n a worker", "R / distance", *OPTIMIZERS)]
    for n in (500, 2000, 8000, 32000):
        problems = [sp.problems.Example2(workers=WORKERS, n=n, seed=seed) for seed in seeds]
        columns = [
            [run(problem, make(problem), seed) for seed, problem in enumerate(problems)]
            for make in OPTIMIZERS.values()
        ]
        first = median(R for column in columns for _, R in column if R is not None)
        rows.append((f"{n}", f"{first:.2f}", *(cell(problems, column) for column in columns)))
    print(table(rows))


def run(problem: sp.problems.Example2, optimizer: Any, seed: int) -> Run:
    """One run against the push attack, and R of its first escape if it tests distances."""
    attack = sp.SaddleAttack(problem.saddle, style="push")
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(BYZANTINE))
    reach: list[float] = []

    def watch(progress: Any) -> None:
        escape = getattr(progress.state, "escape", None)
        if escape is not None and hasattr(escape, "schedule"):
            reach.append(escape.schedule.R)

    result = sp.minimize(
        fleet,
        optimizer,
        b=BYZANTINE,
        seed=seed,
        max_rounds=BUDGET,
        callback=watch,
        certify=False,
    )
    return result, reach[0] if reach else None


def cell(problems: list[sp.problems.Example2], runs: list[Run]) -> str:
    """Share that left, and median rounds."""
    left = [p.left_saddle(result.w) for p, (result, _) in zip(problems, runs, strict=True)]
    ended = [result.rounds for result, _ in runs if result.success]
    return f"{share(left)} ({median(ended):.0f})" if ended else share(left)


#: All know L and gamma, to the distance test's advantage; the minima lie at distance 1.
OPTIMIZERS: dict[str, Callable[[sp.problems.Example2], Any]] = {
    "GD + median": lambda p: sp.GradientDescent(step=1 / p.smoothness),
    "small PGD": lambda p: sp.PGD(step=1 / p.smoothness),
    "distance test": lambda p: sp.ByzantinePGD(
        partial(sp.Practical, curvature=p.curvature, step=1 / p.smoothness)
    ),
    "decrease test": lambda p: SimpleCertifiedPGD(curvature=p.curvature, step=1 / p.smoothness),
}

if __name__ == "__main__":
    main()
