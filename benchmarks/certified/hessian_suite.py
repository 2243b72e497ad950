"""HessianPGD without arguments on every problem with a known saddle.

    python benchmarks hessian_suite [--seeds 10] [--problems example1 phase]

20 workers of which 6 push, hold or cancel about the saddle, through the median and the trimmed
mean: six cells a problem. A run starts at the saddle plus 1e-3 noise and has left it when the
lowest eigenvalue of the true Hessian at its end is above half of the saddle's, and it lost more
than half of F(saddle) - F(minimum).

    left, worst cell   shares of all runs (95 % Wilson interval), and of the worst of the six cells
    queries            gradients that a worker answers in a run, median
    proved             runs that ended with a proof, status "second_order"
    up                 runs that ended higher than they began, by the true pooled loss
"""

from __future__ import annotations

import argparse
from statistics import median

import saddleproof as sp
from common import share, table
from saddleproof.problems.table import PROBLEMS

LIARS, BUDGET = 6, 150
STYLES = ("push", "hold", "cancel")
RULES = (sp.Median(), sp.TrimmedMean())


def main() -> None:
    """Print the table, a row a problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    options = parser.parse_args()
    rows = [row(name, options.seeds) for name in options.problems]
    print(table([list(rows[0]), *(list(one.values()) for one in rows)]))


def row(name: str, seeds: int) -> dict[str, object]:
    """All seeds of all cells of one problem."""
    left, up, results = [], [], []
    for rule in RULES:
        for style in STYLES:
            for seed in range(seeds):
                problem = PROBLEMS[name](seed=seed)
                attack = sp.SaddleAttack(problem.saddle, style=style)
                fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(LIARS))
                result = sp.minimize(
                    fleet,
                    sp.optimizers.HessianPGD(),
                    aggregator=rule,
                    b=LIARS,
                    w0=problem.start,
                    seed=seed,
                    max_rounds=BUDGET,
                    certify=False,
                )
                left.append(bool(problem.left_saddle(result.w)))
                up.append(bool(problem.value(result.w) > problem.value(problem.start)))
                results.append(result)
    cells = [sum(left[i : i + seeds]) / seeds for i in range(0, len(left), seeds)]
    return {
        "problem": name,
        "left": share(left),
        "worst cell": f"{min(cells):.2f}",
        "rounds": f"{median(result.rounds for result in results):.0f}",
        "queries": f"{median(sum(r.queries for r in result.trace) for result in results):.0f}",
        "proved": share([result.status == "second_order" for result in results]),
        "up": f"{sum(up)}",
    }
