"""How often the certificate proves a point, and whether it is ever wrong.

    python benchmarks/certificates.py [--seeds 2] [--problems example1 phase]

One trial: a problem of the suite, one of the attacks with 6 of 20 workers lying, a seed, and a
place: the saddle; the minimum; between them; where the segment between them is nearly flat
(lambda_min within a tenth of the saddle's, either sign), which is where it is easiest to be wrong;
or where HessianPGD ends under that very attack. Two certificates each, from the full Hessian and
from a Krylov space. The truth is lambda_min of the honest workers' pooled loss, which is what a
certificate speaks of.

    false proved      lambda_min < -eps_H where level "proved" says otherwise; must be 0
    false witness     lambda_min >= 0 where level "witness" says otherwise; must be 0
    outside           lambda_min outside the bracket, whatever the level
    evidence holds    lambda_min >= -(the bound of the evidence), which claims 95 %
    certified         of the true second-order points among minima and ends
    seen              of the saddles, those with a witness

Shares come with 95 % Wilson intervals. A seed is five trials for every problem and attack.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import saddleproof as sp
from common import honest_lambda_min, table
from saddleproof.attacks.base import Attack, AttackView
from saddleproof.attacks.table import ATTACKS
from saddleproof.certificate import Certificate, certify
from saddleproof.optimizers.hessian_pgd import HessianPGD
from saddleproof.problems.table import PROBLEMS
from saddleproof.runs.shares import Share, wilson

LIARS = range(6)
PLACES = ("saddle", "minimum", "between", "flat", "end")
METHODS = ("full", "krylov")
#: Beyond the rounding of the truth itself, a central difference too.
SLACK = 1e-7


@dataclass(frozen=True)
class Lie:
    """Liars that answer as if the Hessian along the honest lowest direction were `curvature`.

    Consistent at all points of a round: against the certificate this is the natural attack. The
    lie is large, so that ranks have to stop it.
    """

    curvature: float

    def __call__(self, view: AttackView) -> np.ndarray:
        """(q, k, d): honest means, plus the lie along the direction in which they change least."""
        e = view.problem.escape_direction
        e = e / np.linalg.norm(e)
        lie = view.honest_mean + self.curvature * np.outer((view.points - view.points[0]) @ e, e)
        return np.repeat(lie[:, None], len(view.members), axis=1)


#: Attacks that are here in all their styles, or that need labels in the data.
NEEDY = ("saddle", "label_flip", "random_label")

#: Every attack of the library that needs no options, the saddle attack's styles, and the two lies.
LIES: dict[str, Callable[[], Attack]] = {
    **{name: make for name, make in ATTACKS.items() if name not in NEEDY},
    **{style: lambda style=style: sp.SaddleAttack(style=style) for style in ("push", "hold")},
    "cancel": lambda: sp.SaddleAttack(style="cancel"),
    "hide": lambda: Lie(1e3),
    "invent": lambda: Lie(-1e3),
}


def main() -> None:
    """Measure, print a row a problem and method, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    options = parser.parse_args()
    sums = {method: Counter[str]() for method in METHODS}
    rows: list[list[object]] = [["problem", "method", *HEADS]]
    for name in options.problems:
        counts = {method: Counter[str]() for method in METHODS}
        for method, outcome in trials(name, options.seeds):
            counts[method].update(outcome)
        for method in METHODS:
            rows.append([name, method, *cells(counts[method], long=False)])
            sums[method].update(counts[method])
    print(table(rows))
    print()
    print(table([["sum", *HEADS], *([method, *cells(sums[method])] for method in METHODS)]))


def trials(name: str, seeds: int) -> Iterator[tuple[str, dict[str, int]]]:
    """Method and counts of every trial of one problem."""
    for seed in range(seeds):
        problem = PROBLEMS[name](seed=seed)
        for number, make in enumerate(LIES.values()):
            for place in PLACES:
                fleet = sp.Coalition(sp.LocalFleet(problem), make(), members=LIARS)
                w = point(problem, fleet, place, seed=100 * seed + number)
                truth = honest_lambda_min(problem, w)
                for method in METHODS:
                    found = certify(fleet, w, sp.Median(), len(LIARS), hessian=method, seed=seed)
                    yield method, judge(found, truth, place)


def point(problem: Any, fleet: Any, place: str, seed: int) -> np.ndarray:
    """(d,): where the certificate is asked for."""
    if place in ("between", "flat"):
        share, u = np.random.default_rng(seed).random(2)
        way = problem.minimum - problem.saddle
        if place == "flat":
            target = 0.2 * (u - 0.5) * abs(honest_lambda_min(problem, problem.saddle))
            share, span = 0.0, 1.0
            for _ in range(12):  # lambda_min rises on the way, as a rule
                span /= 2
                below = honest_lambda_min(problem, problem.saddle + (share + span) * way) < target
                share += span * below
        return problem.saddle + share * way
    if place == "end":
        optimizer = HessianPGD(max_escapes=10)
        ended = sp.minimize(fleet, optimizer, b=len(LIARS), seed=seed, max_rounds=60, certify=False)
        return ended.w
    return np.asarray(getattr(problem, place))


def judge(found: Certificate, truth: float, place: str) -> dict[str, int]:
    """What one certificate adds to the counts."""
    low, high = found.curvature.low, found.curvature.high
    evidence = found.level == "evidence"
    bound = found.lanczos and found.lanczos.curvature_bound
    second = place in ("minimum", "end") and truth >= -found.tolerance and found.stationary
    counts = {
        "trials": True,
        "proved": found.level == "proved",
        "false proved": found.level == "proved" and truth < -found.tolerance - SLACK,
        "witness": found.level == "witness",
        "false witness": found.level == "witness" and truth >= SLACK,
        "outside": not low - SLACK <= truth <= high + SLACK,
        "evidence": evidence,
        "evidence holds": evidence and bound is not None and truth >= -bound - SLACK,
        "second order": second,
        "certified": second and found.certified,
        "saddles": place == "saddle" and truth < -SLACK,
        "seen": place == "saddle" and truth < -SLACK and found.level == "witness",
    }
    return {name: int(value) for name, value in counts.items()}


#: Column to the count that it is a share of.
HEADS = {
    "false proved": "proved",
    "false witness": "witness",
    "outside": "trials",
    "evidence holds": "evidence",
    "certified": "second order",
    "seen": "saddles",
}


def cells(counts: Counter[str], *, long: bool = True) -> list[str]:
    """k/n, with the interval when `long`."""
    texts = []
    for name, whole in HEADS.items():
        k, n = counts[name], counts[whole]
        found = wilson(k, n) if n else Share(0, 1, 0.0, 1.0)
        texts.append(f"{k}/{n} [{found.low:.3f}, {found.high:.3f}]" if long else f"{k}/{n}")
    return texts


if __name__ == "__main__":
    main()
