"""What the default's words are worth where noise strains them.

    python benchmarks/words.py [--seeds 10] [--jobs 2] [--ledger words.csv]

Every problem with so few samples that its saddle is hard to see, runs from there, 20 workers of
which 6 lie, and two kinds of liars: those that push back to the saddle, and those that only deny
(every vote is "no": loud, or by copying the honest row that says it best). lambda_min is that of
the honest workers' pooled Hessian, which is what the words speak of.

    left              runs that left the saddle
    other word        runs that ended in another word than second_order
    false word        ends called second_order below their tolerance
    false bound       ends below the curvature bound of their evidence
    worse than GD     runs that ended above robust descent (the same rule, liars and rounds, step
                      1/L) by more than a hundredth of F(saddle) - F(minimum), and the most
    seen              of the first anchors that were saddles beyond their curvature bound, those
                      whose escape saw it; the bound claims 95 %

Shares stand with 95 % Wilson intervals.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: two processes, two cores

import numpy as np

import saddleproof as sp
from common import BYZANTINE, honest_lambda_min, share, table
from ledger import Ledger
from saddleproof.attacks import Vote
from saddleproof.optimizers.gradient_only.verdict import curvature_bound

BUDGET, SLACK = 150, 1e-7
#: Samples a worker: from hopeless to clear.
NOISY: dict[str, tuple[Any, tuple[int, ...]]] = {
    "example1": (sp.problems.Example1, (10, 100)),
    "example2": (sp.problems.Example2, (30, 300)),
    "rotated_quartic": (sp.problems.RotatedQuartic, (300, 3000)),
    "tensor": (sp.problems.Tensor, (40, 100)),
    "phase": (sp.problems.Phase, (60, 200)),
    "deeplin": (sp.problems.DeepLin, (40, 100)),
    "gmm12": (sp.problems.Gmm12, (40, 100)),
    "hetero10": (sp.problems.Hetero10, (20, 100, 400)),
    "spiked_pca": (sp.problems.SpikedPCA, (10, 40, 150)),
}
ATTACKS: dict[str, Any] = {
    "push": partial(sp.SaddleAttack, style="push"),
    "no, loud": partial(Vote, says="no"),
    "no, quiet": partial(Vote, says="no", size=None),
}


@dataclass(frozen=True)
class Outcome:
    """One run: which, what became of it, and what its first escape saw.

    Attributes:
        excess, descent_excess: F at the end of the run, and of GD, as a share of the way from the
            minimum (0) up to the saddle (1).
        lowest, bound, tolerance: at the end: lambda_min, the curvature bound of the evidence, and
            what "second_order" speaks of; inf where nothing was said.
        first_lowest, first_bound: lambda_min and the curvature bound at the first anchor.
        seen: whether the first escape jumped, or was a witness.
    """

    problem: str
    n: int
    attack: str
    seed: int
    left: bool
    rounds: int
    status: str
    excess: float
    descent_excess: float
    lowest: float
    bound: float
    tolerance: float
    first_lowest: float
    first_bound: float
    seen: bool


class FirstEscape:
    """A callback that keeps the state in which the first escape ended."""

    def __init__(self) -> None:
        self.state: Any = None
        self._before: Any = None

    def __call__(self, progress: Any) -> None:
        """Look at the state after a round, beside the one before it."""
        escaping = self._before is not None and self._before.phase == "escape"
        state = progress.state
        if self.state is None and escaping and (state.phase != "escape" or state.ending):
            self.state = state
        self._before = state


def main() -> None:
    """Print a row a problem and attack, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--problems", nargs="*", default=list(NOISY))
    parser.add_argument("--ledger", type=Path)
    options = parser.parse_args()
    ledger = Ledger(options.ledger, Outcome, ("problem", "n", "attack", "seed"))
    head = (
        "problem",
        "attack",
        "runs",
        "left",
        "other word",
        "false word",
        "false bound",
        "worse than GD",
        "seen",
    )
    rows, everything = [], []
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in options.problems:
            for attack in ATTACKS:
                sizes, seeds = NOISY[name][1], range(options.seeds)
                runs = ledger.runs(
                    one, [(name, n, attack, s) for n in sizes for s in seeds], pool.map
                )
                rows.append((name, attack, *cells(runs)))
                everything += runs
    print(table([head, *rows, ("all", "", *cells(everything))]))
    statuses = Counter(run.status for run in everything)
    print("\n" + ", ".join(f"{count} {status}" for status, count in statuses.most_common()))


def cells(runs: list[Outcome]) -> list[object]:
    """One row of the table."""
    said = [run.lowest < -run.tolerance - SLACK for run in runs if run.status == "second_order"]
    bounded = [run.lowest < -run.bound - SLACK for run in runs if np.isfinite(run.bound)]
    above = [run.excess - run.descent_excess for run in runs]
    steep = [run.seen for run in runs if run.first_lowest < -run.first_bound]
    return [
        len(runs),
        share([run.left for run in runs]),
        share([run.status != "second_order" for run in runs]),
        counted(said),
        counted(bounded),
        f"{counted([rise > 0.01 for rise in above])}, {max(above):+.2f}",
        counted(steep),
    ]


def counted(outcomes: list[bool]) -> str:
    """k of n, with the Wilson interval of the share."""
    return f"{sum(outcomes)} of {len(outcomes)} {share(outcomes)[5:]}" if outcomes else "-"


def one(name: str, n: int, attack: str, seed: int) -> Outcome:
    """One run from the saddle."""
    problem = NOISY[name][0](seed=seed, n=n)
    fleet = sp.Coalition(sp.LocalFleet(problem), ATTACKS[attack](), members=range(BYZANTINE))
    first = FirstEscape()
    run = partial(sp.minimize, fleet, b=BYZANTINE, w0=problem.start, seed=seed)
    result = run(max_rounds=BUDGET, callback=first)
    descent = sp.GradientDescent(step=1 / problem.smoothness)
    plain = run(descent, max_rounds=result.rounds, certify=False)
    evidence = sp.CertifiedPGD().evidence(result.state)
    bound = None if evidence is None else evidence.curvature_bound
    tolerance = np.inf if result.certificate is None else result.certificate.tolerance
    escape = None if first.state is None else first.state.escape
    return Outcome(
        problem=name,
        n=n,
        attack=attack,
        seed=seed,
        left=problem.left_saddle(result.w),
        rounds=result.rounds,
        status=result.status,
        excess=problem.excess(result.w),
        descent_excess=problem.excess(plain.w),
        lowest=honest_lambda_min(problem, result.w),
        bound=np.inf if bound is None else bound,
        tolerance=tolerance,
        first_lowest=np.inf if escape is None else honest_lambda_min(problem, escape.anchor),
        first_bound=np.inf if escape is None else curvature_bound(escape, escape.anchor),
        seen=escape is not None and (escape.witness or first.state.phase == "descend"),
    )


if __name__ == "__main__":
    main()
