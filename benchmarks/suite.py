"""The default without arguments on every problem with a known saddle, beside robust descent.

    python benchmarks/suite.py [--seeds 100] [--jobs 2] [--problems NAME ...] [--rules ...]
        [--styles ...] [--short] [--ledger suite.csv] [--digits-seeds 40]

20 workers of which 6 lie together about the saddle (4 under filtering, whose limit is a quarter),
by the strongest message known against the rule in use. A run starts at the saddle plus 1e-3 noise
and has left it when the lowest eigenvalue of the true Hessian at its end is above half of the
saddle's, and it lost more than half of F(saddle) - F(minimum). GD is `GradientDescent` with step
1/L, which it is told, the same rule, the same liars and as many rounds as CertifiedPGD used.

Columns: shares that left, with 95 % Wilson intervals; median rounds and gradient queries per
worker; certified jumps that raised F, of all certified jumps; the worst end above the minimum and
the largest F(out) - F(GD), as shares of F(saddle) - F(minimum), and how many runs exceed the bound
that the run itself printed against its own descent; ends where the word "second_order", or the
curvature bound of the evidence, is false; the statuses. --short pools the attacks: a row a problem
and rule. With a ledger, runs that are in the file are not done again.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: two processes, two cores

import numpy as np

import saddleproof as sp
from common import BYZANTINE, Jumps, attacked, honest_lambda_min, share, table
from ledger import Ledger
from saddleproof.problems.table import PROBLEMS

BUDGET = 150
#: The rules, and how many of the 20 workers lie.
RULES: dict[str, tuple[Any, int]] = {
    "median": (sp.Median(), BYZANTINE),
    "trimmed mean": (sp.TrimmedMean(), BYZANTINE),
    "filtering": (sp.IterativeFiltering(), 4),
}
STYLES = ("push", "hold", "cancel")
#: The suite, and what is asked for by name only: the same saddles in many dimensions.
NAMED: dict[str, Any] = PROBLEMS | {
    "rotated_quartic_1000": partial(sp.problems.RotatedQuartic, d=1000),
    "spiked_pca_1000": partial(sp.problems.SpikedPCA, d=1000, n=2000),
    "mnist_80": partial(sp.problems.LinearAutoencoder, images="mnist", units=(8, 9)),
    "mnist_800": partial(
        sp.problems.LinearAutoencoder, images="mnist", components=100, units=(10, 11, 12, 13)
    ),
}
#: Rounding of the true lambda_min.
SLACK = 1e-7
HEAD = (
    "problem", "attack", "rule", "runs", "left", "rounds", "queries", "GD left",
    "certified jumps up", "worst end", "worst F(out) - F(GD)", "beyond bound", "false second_order",
    "false bound", "status",
)  # fmt: skip


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="The default on every problem of the suite")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--digits-seeds", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--rules", nargs="*", default=list(RULES))
    parser.add_argument("--styles", nargs="*", default=list(STYLES))
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--ledger", type=Path)
    options = parser.parse_args()
    ledger = Ledger(options.ledger, Outcome, ("problem", "style", "rule", "seed"))
    with ProcessPoolExecutor(options.jobs) as pool:
        if "pca_digits" in options.problems and options.digits_seeds:
            print("pca_digits, push,", options.digits_seeds, "seeds\n")
            print(table(list(digits(pool, range(options.digits_seeds)))), flush=True)
        print("\nevery problem\n")
        cells = {
            (name, style, rule): ledger.runs(
                one, [(name, style, rule, seed) for seed in range(options.seeds)], pool.map
            )
            for rule in options.rules
            for style in options.styles
            for name in options.problems
        }
    groups = [options.styles] if options.short else [[style] for style in options.styles]
    rows = [
        (name, ", ".join(styles), rule, *row(runs))
        for name in options.problems
        for rule in options.rules
        for styles in groups
        for runs in [[run for style in styles for run in cells[name, style, rule]]]
    ]
    print(table([HEAD, *rows]))
    least = min(cells, key=lambda key: sum(run.left for run in cells[key]))
    slowest = max(cells, key=lambda key: median(run.rounds for run in cells[key]))
    print("\nfewest that left:", *least, share([run.left for run in cells[least]]))
    print("most median rounds:", *slowest, median(run.rounds for run in cells[slowest]))


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
    """One run: which, and what became of it.

    Attributes:
        excess, descent_excess: F at the end of the run, and of GD, as a share of the way from the
            minimum (0) up to the saddle (1).
        beyond: whether the run ended above its own plain descent by more than it printed.
        level: of the certificate.
        lowest: lambda_min of the honest workers' pooled Hessian at the end.
        bound: the curvature bound of the evidence; inf where there is none.
        tolerance: what "second_order" speaks of; inf where nothing was said.
    """

    problem: str
    style: str
    rule: str
    seed: int
    left: bool
    rounds: int
    queries: int
    status: str
    jumps: int
    up: int
    descent_left: bool
    excess: float
    descent_excess: float
    beyond: bool
    level: str
    lowest: float
    bound: float
    tolerance: float


def row(runs: list[Outcome]) -> tuple[object, ...]:
    """What became of the runs of one row."""
    statuses = Counter(run.status for run in runs)
    said = [run for run in runs if run.status == "second_order"]
    bounded = [run for run in runs if np.isfinite(run.bound)]
    return (
        len(runs),
        share([run.left for run in runs]),
        f"{median(run.rounds for run in runs):.0f}",
        f"{median(run.queries for run in runs):.0f}",
        share([run.descent_left for run in runs]),
        f"{sum(run.up for run in runs)} of {sum(run.jumps for run in runs)}",
        f"{max(run.excess for run in runs):.3f}",
        f"{max(run.excess - run.descent_excess for run in runs):+.3f}",
        f"{sum(run.beyond for run in runs)} of {len(runs)}",
        f"{sum(run.lowest < -run.tolerance - SLACK for run in said)} of {len(said)}",
        f"{sum(run.lowest < -run.bound - SLACK for run in bounded)} of {len(bounded)}",
        ", ".join(f"{count} {status}" for status, count in statuses.most_common()),
    )


def one(name: str, style: str, rule: str, seed: int) -> Outcome:
    """CertifiedPGD without arguments, then plain descent for as many rounds."""
    problem = NAMED[name](seed=seed)
    aggregator, liars = RULES[rule]
    jumps = Jumps(problem, liars)
    run = partial(
        sp.minimize,
        attacked(problem, style, liars),
        aggregator=aggregator,
        b=liars,
        w0=problem.start,
        seed=seed,
    )
    ours = run(sp.CertifiedPGD(), max_rounds=BUDGET, callback=jumps)
    descent = sp.GradientDescent(step=1 / problem.smoothness)
    plain = run(descent, max_rounds=ours.rounds, certify=False)
    evidence = sp.CertifiedPGD().evidence(ours.state)
    bound = None if evidence is None else evidence.curvature_bound
    certificate = ours.certificate
    return Outcome(
        problem=name,
        style=style,
        rule=rule,
        seed=seed,
        left=problem.left_saddle(ours.w),
        rounds=ours.rounds,
        queries=sum(record.queries for record in ours.trace),
        status=ours.status,
        jumps=len(jumps.rises),
        up=sum(rise >= 0 for rise in jumps.rises),
        descent_left=problem.left_saddle(plain.w),
        excess=problem.excess(ours.w),
        descent_excess=problem.excess(plain.w),
        beyond=jumps.beyond(ours),
        level="none" if certificate is None else certificate.level,
        lowest=honest_lambda_min(problem, ours.w, liars),
        bound=np.inf if bound is None else bound,
        tolerance=np.inf if certificate is None else certificate.tolerance,
    )


if __name__ == "__main__":
    main()
