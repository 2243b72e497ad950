"""The default on every problem with a known saddle, against liars in gradients and in answers.

    python benchmarks suite [--seeds 20] [--jobs 2] [--problems NAME ...] [--rules ...]
        [--styles ...] [--answers ...] [--cells] [--ledger suite.csv] [--digits-seeds 40]

20 workers of which 6 lie together (4 under filtering, whose limit is a quarter): about gradients by
the strongest message that holds the server at the saddle, about their own losses in one of the
ways of `attacks.LyingAnswers`. A run starts at the saddle plus 1e-3 noise and has left it when the
lowest eigenvalue of the true Hessian at its end is above half of the saddle's, and it lost more
than half of F(saddle) - F(minimum). The old default, `GradientOnlyPGD`, has the same liars.

Columns: share that left, with its 95 % Wilson interval; rounds, and gradient vectors and numbers
that a worker sent, by the median; the worst end above the minimum, as a share of F(saddle) -
F(minimum), beside that of the old default; jumps proved about the honest mean that raised it, of
all such jumps; jumps proved about more than half of the honest workers, and drawn ones, that raised
the honest mean; brackets that miss the truth about the honest workers; levels of the certificates.
The truth is the problem's own closed form over the honest workers. With a ledger, runs that are in
the file are not done again. --cells prints the cells, without it a row pools attacks and rules.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: two processes, two cores

import numpy as np

import saddleproof as sp
from behaviour.counted import Counted
from behaviour.digits import digits
from common import BYZANTINE, OLD, Jumps, honest_lambda_min, lying, share, table
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
ANSWERS = ("truthful", "against", "for", "forge", "quiet", "loud")
#: The suite, and what is asked for by name only: the same saddles in many dimensions.
NAMED: dict[str, Any] = PROBLEMS | {
    "rotated_quartic_1000": partial(sp.problems.RotatedQuartic, d=1000),
    "spiked_pca_1000": partial(sp.problems.SpikedPCA, d=1000, n=2000),
    "mnist_800": partial(
        sp.problems.LinearAutoencoder, images="mnist", components=100, units=(10, 11, 12, 13)
    ),
    "mnist_12800": partial(
        sp.problems.LinearAutoencoder, images="mnist", components=200, units=tuple(range(1, 33))
    ),
}
#: Rounding of the true lambda_min, as a share of its size plus one.
SLACK = 1e-9
HEAD = (
    "problem", "attack", "rule", "answers", "runs", "left", "rounds", "vectors", "numbers",
    "worst end", "proved jumps up", "majority jumps up", "drawn jumps up", "brackets that miss",
    "levels",
)  # fmt: skip


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="The default on every problem of the suite")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--digits-seeds", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--rules", nargs="*", default=["median", "trimmed mean"])
    parser.add_argument("--styles", nargs="*", default=list(STYLES))
    parser.add_argument("--answers", nargs="*", default=[*ANSWERS, OLD])
    parser.add_argument("--cells", action="store_true")
    parser.add_argument("--ledger", type=Path)
    options = parser.parse_args()
    ledger = Ledger(options.ledger, Outcome, ("problem", "style", "rule", "answers", "seed"))
    with ProcessPoolExecutor(options.jobs) as pool:
        if "pca_digits" in options.problems and options.digits_seeds:
            print("pca_digits, push,", options.digits_seeds, "seeds\n")
            print(table(list(digits(pool, range(options.digits_seeds)))), flush=True)
        print("\nevery problem\n")
        cells = {
            (name, style, rule, answers): ledger.runs(
                one,
                [(name, style, rule, answers, seed) for seed in range(options.seeds)],
                pool.map,
            )
            for name in options.problems
            for rule in options.rules
            for style in options.styles
            for answers in options.answers
        }
    if options.cells:
        rows = [(*key, *row(runs)) for key, runs in cells.items()]
    else:
        rows = [
            (name, ", ".join(options.styles), ", ".join(options.rules), answers, *row(pooled))
            for name in options.problems
            for answers in options.answers
            for pooled in [_pooled(cells, name, answers)]
        ]
    print(table([HEAD, *rows]))
    _summary(cells, options.problems)


Cells = dict[tuple[str, str, str, str], list["Outcome"]]


def _pooled(cells: Cells, name: str, answers: str) -> list[Outcome]:
    return [
        run for key, runs in cells.items() if key[0] == name and key[3] == answers for run in runs
    ]


def _summary(cells: Cells, names: Sequence[str]) -> None:
    """What is asked of the default, in a few lines."""
    ours = {key: runs for key, runs in cells.items() if key[3] != OLD}
    old = {key: runs for key, runs in cells.items() if key[3] == OLD}
    for title, some in (("CertifiedPGD", ours), ("GradientOnlyPGD", old)):
        if not some:
            continue
        every = [run for runs in some.values() for run in runs]
        least = min(some, key=lambda key: sum(run.left for run in some[key]))
        rounds = {
            name: median(run.rounds for key, runs in some.items() if key[0] == name for run in runs)
            for name in names
        }
        slowest = max(rounds, key=rounds.__getitem__)
        print(f"\n{title}: left {share([run.left for run in every])} of {len(every)};")
        print("fewest that left:", *least, share([run.left for run in some[least]]))
        print(
            f"rounds, median over the problems' medians {median(rounds.values()):.0f}, most "
            f"{rounds[slowest]:.0f} ({slowest}); vectors "
            f"{median(run.vectors for run in every):.0f}; bytes that a worker sends "
            f"{median(run.uplink for run in every):.0f}"
        )


@dataclass(frozen=True)
class Outcome:
    """One run: which, and what became of it.

    Attributes:
        vectors, numbers: gradients, and other numbers, that a worker sent.
        uplink: bytes of both, 8 a number.
        excess: F at the end, as a share of the way from the minimum (0) up to the saddle (1).
        proved, proved_up: jumps proved about the honest mean, and those that raised it.
        most, most_up: jumps proved about more than half of the honest workers, likewise.
        drawn, drawn_up: of two opposite ends, likewise.
        misses: whether the bracket or the gradient bound of the certificate is false.
    """

    problem: str
    style: str
    rule: str
    answers: str
    seed: int
    left: bool
    rounds: int
    vectors: int
    numbers: int
    uplink: int
    excess: float
    proved: int
    proved_up: int
    most: int
    most_up: int
    drawn: int
    drawn_up: int
    misses: bool
    level: str
    status: str


def row(runs: list[Outcome]) -> tuple[object, ...]:
    """What became of the runs of one row."""
    levels = Counter(run.level for run in runs)

    def up(kind: str) -> str:
        risen = sum(getattr(run, f"{kind}_up") for run in runs)
        return f"{risen} of {sum(getattr(run, kind) for run in runs)}"

    return (
        len(runs),
        share([run.left for run in runs]),
        f"{median(run.rounds for run in runs):.0f}",
        f"{median(run.vectors for run in runs):.0f}",
        f"{median(run.numbers for run in runs):.0f}",
        f"{max(run.excess for run in runs):.3f}",
        up("proved"),
        up("most"),
        up("drawn"),
        f"{sum(run.misses for run in runs)} of {len(runs)}",
        ", ".join(f"{count} {level}" for level, count in levels.most_common()),
    )


def one(name: str, style: str, rule: str, answers: str, seed: int) -> Outcome:
    """One run of the default, or of the old one, and its certificate."""
    problem = NAMED[name](seed=seed)
    aggregator, liars = RULES[rule]
    fleet = lying(problem, style, answers, liars)
    counted = Counted(fleet)
    jumps = Jumps(problem, liars)
    result = sp.minimize(
        counted,
        sp.GradientOnlyPGD() if answers == OLD else sp.CertifiedPGD(),
        aggregator=aggregator,
        b=liars,
        w0=problem.start,
        seed=seed,
        max_rounds=BUDGET,
        callback=jumps,
    )
    certificate = result.certificate
    rises = jumps.rises
    vectors, numbers = sum(x.queries for x in result.trace), counted.numbers(result.rounds)
    counts = {
        f"{kind}{suffix}": sum(test(x) for x in rises[kind])
        for kind in ("proved", "most", "drawn")
        for suffix, test in (("", lambda _: True), ("_up", lambda rise: rise > 0))
    }
    return Outcome(
        problem=name,
        style=style,
        rule=rule,
        answers=answers,
        seed=seed,
        left=problem.left_saddle(result.w),
        rounds=result.rounds,
        vectors=vectors,
        numbers=numbers,
        uplink=8 * (vectors * problem.d + numbers),
        excess=problem.excess(result.w),
        **counts,
        misses=misses(problem, result, liars),
        level="none" if certificate is None else str(certificate.level),
        status=result.status,
    )


def misses(problem: Any, result: sp.Result, liars: int) -> bool:
    """Whether a bound about the honest workers' mean is false."""
    found = result.certificate
    if found is None:
        return False
    gradient = problem.gradients(result.w[None])[0, liars:].mean(axis=0)
    if float(np.linalg.norm(gradient)) > found.gradient_bound * (1 + SLACK):
        return True
    lowest = honest_lambda_min(problem, result.w, liars)
    slack = SLACK * (1 + abs(lowest))
    return bool(found.curvature.low > lowest + slack or found.curvature.high < lowest - slack)
