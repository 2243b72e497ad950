"""The default without arguments on every problem with a known saddle, beside robust descent.

    python benchmarks/suite.py [--seeds 20] [--digits-seeds 40] [--jobs 2] [--problems NAME ...]

20 workers of which 6 lie together about the saddle, by the strongest message known against the
rule in use. A run starts at the saddle plus 1e-3 noise and has left it when the lowest eigenvalue
of the true Hessian at its end is above half of the saddle's, and it lost more than half of
F(saddle) - F(minimum). GD is `GradientDescent` with step 1/L, which it is told, the same rule, the
same liars and as many rounds as CertifiedPGD used.

Columns of the second table: shares that left, with 95 % Wilson intervals; median rounds and
gradient queries per worker; certified jumps that raised F, of all certified jumps; the largest
F(out) - F(GD) over the runs, as a share of F(saddle) - F(minimum), and how many runs exceed the
bound that the run itself printed against its own descent; shares that ended with a certificate;
the statuses.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: two processes, two cores

import saddleproof as sp
from common import BYZANTINE, Jumps, attacked, share, table
from saddleproof.problems.table import PROBLEMS

BUDGET = 150
RULES = {"median": sp.Median(), "trimmed mean": sp.TrimmedMean()}
CELLS = [(style, rule) for style in ("push", "hold") for rule in RULES]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="The default on every problem of the suite")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--digits-seeds", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    options = parser.parse_args()
    with ProcessPoolExecutor(options.jobs) as pool:
        if "pca_digits" in options.problems:
            print("pca_digits, push,", options.digits_seeds, "seeds\n")
            print(table(list(digits(pool, range(options.digits_seeds)))), flush=True)
        print("\nevery problem,", options.seeds, "seeds\n")
        head = (
            "problem", "attack", "rule", "left", "rounds", "queries", "GD left",
            "certified jumps up", "worst F(out) - F(GD)", "beyond bound", "certified", "status",
        )  # fmt: skip
        rows = [
            row(pool, name, style, rule, range(options.seeds))
            for name in options.problems
            for style, rule in CELLS
        ]
        print(table([head, *rows]))


# --- the digits -----------------------------------------------------------------------------------

TRAINERS: dict[str, tuple[str, str]] = {
    "GradientDescent + mean": ("gd", "mean"),
    "GradientDescent + median": ("gd", "median"),
    "PGD + median": ("pgd", "median"),
    "CertifiedPGD() + median": ("certified", "median"),
}


def digits(pool: ProcessPoolExecutor, seeds: range) -> Iterator[tuple[object, ...]]:
    """The trainers of today beside ours; every one but ours is told 1/L and has 300 rounds."""
    yield ("trainer", "left", "median rounds")
    for name, (optimizer, rule) in TRAINERS.items():
        ends = list(pool.map(partial(train, optimizer, rule), seeds))
        yield (name, share([left for left, _ in ends]), f"{median(r for _, r in ends):.0f}")


def train(optimizer: str, rule: str, seed: int) -> tuple[bool, int]:
    """Whether one run left the saddle, and its rounds."""
    problem = sp.problems.PCADigits(components=20, workers=20, seed=seed)
    fleet = attacked(problem, "push")
    step = 1 / problem.smoothness
    makes: dict[str, Any] = {
        "gd": sp.GradientDescent(step=step),
        "pgd": sp.PGD(step=step),
        "certified": sp.CertifiedPGD(),
    }
    result = sp.minimize(
        fleet,
        makes[optimizer],
        aggregator=sp.Mean() if rule == "mean" else sp.Median(),
        b=BYZANTINE,
        w0=problem.start,
        seed=seed,
        max_rounds=300,
        certify=False,
    )
    return problem.left_saddle(result.w), result.rounds


# --- every problem --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """One seed of one cell."""

    left: bool
    rounds: int
    queries: int
    status: str
    jumps: int
    up: int
    descent_left: bool
    worse: float
    beyond: bool
    certified: bool


def row(
    pool: ProcessPoolExecutor, name: str, style: str, rule: str, seeds: range
) -> tuple[object, ...]:
    """One cell: problem, attack and rule over all seeds."""
    runs = list(pool.map(partial(one, name, style, rule), seeds))
    statuses = Counter(run.status for run in runs)
    return (
        name,
        style,
        rule,
        share([run.left for run in runs]),
        f"{median(run.rounds for run in runs):.0f}",
        f"{median(run.queries for run in runs):.0f}",
        share([run.descent_left for run in runs]),
        f"{sum(run.up for run in runs)} of {sum(run.jumps for run in runs)}",
        f"{max(run.worse for run in runs):+.3f}",
        f"{sum(run.beyond for run in runs)} of {len(runs)}",
        share([run.certified for run in runs]),
        ", ".join(f"{count} {status}" for status, count in statuses.most_common()),
    )


def one(name: str, style: str, rule: str, seed: int) -> Outcome:
    """CertifiedPGD without arguments, then plain descent for as many rounds."""
    problem = PROBLEMS[name](seed=seed)
    jumps = Jumps(problem)
    run = partial(
        sp.minimize,
        attacked(problem, style),
        aggregator=RULES[rule],
        b=BYZANTINE,
        w0=problem.start,
        seed=seed,
    )
    ours = run(sp.CertifiedPGD(), max_rounds=BUDGET, callback=jumps)
    descent = sp.GradientDescent(step=1 / problem.smoothness)
    plain = run(descent, max_rounds=ours.rounds, certify=False)
    return Outcome(
        left=problem.left_saddle(ours.w),
        rounds=ours.rounds,
        queries=sum(record.queries for record in ours.trace),
        status=ours.status,
        jumps=len(jumps.rises),
        up=sum(rise >= 0 for rise in jumps.rises),
        descent_left=problem.left_saddle(plain.w),
        worse=problem.excess(ours.w) - problem.excess(plain.w),
        beyond=jumps.shadow is not None and beyond_bound(problem, ours, jumps.shadow),
        certified=ours.certificate is not None and ours.certificate.certified,
    )


def beyond_bound(problem: Any, result: sp.Result, shadow: Any) -> bool:
    """Whether F(out) - F(own plain descent) exceeds the bound that the run printed.

    F is what the bound is about, the honest workers' pooled loss.
    """
    ending = result.state.ending
    if ending is None or ending.evidence is None:
        return False
    bound = ending.evidence.numbers.get("loss_above_plain_descent_at_most", float("inf"))
    difference = problem.values(result.w) - problem.values(shadow.w)
    return bool(difference[BYZANTINE:].mean() > bound + 1e-12)


if __name__ == "__main__":
    main()
