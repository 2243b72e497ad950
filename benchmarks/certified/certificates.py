"""How much a certificate says, and whether any of it is ever false.

    python benchmarks certificates [--seeds 1] [--problems example1 phase] [--ways loud quiet]

One trial: a problem of the suite, a seed, an attack on gradients with one way to answer all other
questions (`attacks.LyingAnswers`), 6 of 20 workers lie, and a place: the saddle; the minimum; a
point between them; or one where the segment between them is nearly flat (lambda_min within a tenth
of the saddle's, either sign). The truth is that of the honest workers, from the problems' closed
forms: no code of the certificate is in it.

    bracket       lambda_min outside `curvature`, of all trials
    gradient      ||grad F|| above `gradient_bound`, of all trials
    proved        levels "proved" where lambda_min < -eps_H or ||grad F|| > eps_g
    saddle        levels "saddle" where lambda_min >= 0
    conditional   `conditional` brackets that miss, of those whose named workers do lie
    majority      `majority` brackets that no majority of the honest workers keeps, up to d = 256

All of these must be 0. Then the share of each level at saddles, and at minima, way by way. (The
minimum is that of all 20 workers' loss: the honest ones' may have negative curvature there.) A
certificate is a round of gradients and two or three of numbers. The seeds are 0, 1, ...; shares of
the sums come with 95 % Wilson intervals.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

import saddleproof as sp
from common import BYZANTINE, honest_lambda_min, table
from saddleproof.attacks.answers import Way
from saddleproof.attacks.base import Attack
from saddleproof.lab.shares import wilson
from saddleproof.problems.table import PROBLEMS

PLACES = ("saddle", "minimum", "between", "flat")
LEVELS = ("proved", "conditional", "majority", "saddle", "open")
FALSE = ("bracket", "gradient", "proved", "saddle", "conditional", "majority")
WAYS: tuple[Way, ...] = get_args(Way)
#: Rounding of the truth, relative to the largest curvature; that of ARPACK beyond d = 256.
SLACK, ARPACK, WHOLE = 1e-12, 1e-5, 256


@dataclass(frozen=True)
class Truth:
    """What holds of the honest workers at one point.

    Attributes:
        w: (d,) the point.
        lowest: lambda_min of their mean Hessian.
        slope: ||grad F||.
        own: (h,) lambda_min of each one's Hessian; None beyond d = 256.
        slack: how wrong `lowest` and `own` may be.
    """

    w: np.ndarray
    lowest: float
    slope: float
    own: np.ndarray | None
    slack: float


def main() -> None:
    """Measure, and print a row a problem and the levels way by way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    options = parser.parse_args()
    rows: list[list[object]] = [["problem", "trials", *FALSE, "rounds"]]
    whole, levels = Counter[str](), Counter[tuple[str, str, str]]()
    for name in options.problems:
        counts = Counter[str]()
        for place, way, found, more in trials(name, options.seeds, options.ways):
            counts.update(more)
            levels.update([(place, way, str(found.level))])
        rows.append([name, counts["trials"], *false(counts), f"{mean(counts, 'rounds'):.1f}"])
        whole.update(counts)
    print(f"seeds 0 to {options.seeds - 1}, {BYZANTINE} of 20 workers lie\n")
    rows.append(["sum", whole["trials"], *false(whole), f"{mean(whole, 'rounds'):.1f}"])
    print(table(rows))
    print("\n95 % intervals of the sums: " + ", ".join(intervals(whole)) + "\n")
    for place in ("saddle", "minimum"):
        print(table(shares(levels, place, options.ways)))
        print()


def trials(
    name: str, seeds: int, ways: list[Way]
) -> Iterator[tuple[str, str, sp.Certificate, Counter[str]]]:
    """Place, way, certificate and counts of every trial of one problem."""
    for seed in range(seeds):
        problem = PROBLEMS[name](seed=seed)
        gradients: tuple[Attack, ...] = (
            sp.SaddleAttack(problem.saddle), sp.attacks.SignFlip(), sp.attacks.Mimic(),
        )  # fmt: skip
        for place in PLACES:
            truth = truth_at(problem, point(problem, place, seed))
            for attack in gradients:
                for way in ways:
                    lies = sp.attacks.LyingAnswers(attack, says=way)
                    fleet = sp.Coalition(sp.LocalFleet(problem), lies, members=range(BYZANTINE))
                    found = sp.certify(fleet, truth.w, sp.TrimmedMean(), BYZANTINE, seed=seed)
                    yield place, way, found, judge(found, truth, problem)


def point(problem: Any, place: str, seed: int) -> np.ndarray:
    """(d,): where the certificate is asked for."""
    if place in ("saddle", "minimum"):
        return np.asarray(getattr(problem, place))
    share, u = np.random.default_rng(seed).random(2)
    way = problem.minimum - problem.saddle
    if place == "flat":
        target = 0.2 * (u - 0.5) * abs(honest_lambda_min(problem, problem.saddle))
        share, span = 0.0, 1.0
        for _ in range(10):  # lambda_min rises on the way, as a rule
            span /= 2
            below = honest_lambda_min(problem, problem.saddle + (share + span) * way) < target
            share += span * below
    found: np.ndarray = problem.saddle + share * way
    return found


def truth_at(problem: Any, w: np.ndarray) -> Truth:
    """The truth of the honest workers, from closed forms."""
    d, m = len(w), problem.m
    slope = float(np.linalg.norm(problem.gradients(w[None])[0, BYZANTINE:].mean(axis=0)))
    lowest = honest_lambda_min(problem, w)
    if d > WHOLE:
        return Truth(w, lowest, slope, None, ARPACK * float(problem.smoothness or 1.0))
    images = problem.products(w, np.broadcast_to(np.eye(d), (m, d, d)).copy())[BYZANTINE:]
    spectra = np.linalg.eigvalsh((images + images.swapaxes(1, 2)) / 2)
    return Truth(w, lowest, slope, spectra[:, 0], SLACK * float(np.abs(spectra).max()))


def judge(found: Any, truth: Truth, problem: Any) -> Counter[str]:
    """What one certificate adds to the counts."""
    slack, lowest = truth.slack, truth.lowest
    steep = truth.slope > found.gradient_tolerance + slack
    counts = Counter(trials=1, rounds=found.rounds)

    def count(name: str, *, claimed: bool = True, true: bool) -> None:
        counts[f"{name} of"] += claimed
        counts[name] += claimed and not true

    def holds(bracket: Any) -> bool:
        return bool(bracket.low - slack <= lowest <= bracket.high + slack)

    proved, saddle = found.level == "proved", found.level == "saddle"
    count("bracket", true=holds(found.curvature))
    count("gradient", true=truth.slope <= found.gradient_bound + slack)
    count("proved", claimed=proved, true=lowest >= -found.tolerance - slack and not steep)
    count("saddle", claimed=saddle, true=lowest < slack)
    named = found.conditional
    if named is not None:
        lie = all(int(name.removeprefix("worker-")) < BYZANTINE for name in named.without)
        flat = found.level != "conditional" or not steep
        count("conditional", claimed=lie, true=holds(named) and flat)
    if found.majority is not None and truth.own is not None:
        above = 2 * int((truth.own >= found.majority.low - slack).sum()) > len(truth.own)
        count("majority", true=above and rated(found, truth, problem))
    return counts


def rated(found: Any, truth: Truth, problem: Any) -> bool:
    """Whether more than half of the honest workers have at most the stated curvature along v."""
    if found.v is None:
        return True
    vectors = np.broadcast_to(found.v, (problem.m, 1, len(found.v))).copy()
    along = problem.products(truth.w, vectors)[BYZANTINE:, 0] @ found.v
    return 2 * int((along <= found.majority.high + truth.slack).sum()) > len(along)


def false(counts: Counter[str]) -> list[str]:
    """What is false, of what was claimed."""
    return [f"{counts[name]}/{counts[f'{name} of']}" for name in FALSE]


def intervals(counts: Counter[str]) -> list[str]:
    """The Wilson interval of every share of false claims."""
    known = [name for name in FALSE if counts[f"{name} of"]]
    found = {name: wilson(counts[name], counts[f"{name} of"]) for name in known}
    return [f"{name} [{share.low:.4f}, {share.high:.4f}]" for name, share in found.items()]


def shares(
    levels: Counter[tuple[str, str, str]], place: str, ways: list[Way]
) -> list[list[object]]:
    """The share of each level at one place, way by way."""
    rows: list[list[object]] = [[f"at the {place}, the liars say", *LEVELS]]
    for way in [*ways, "all"]:
        of = [way] if way != "all" else ways
        ks = [sum(levels[place, one, level] for one in of) for level in LEVELS]
        rows.append([way, *(wilson(k, max(sum(ks), 1)) for k in ks)])
    return rows


def mean(counts: Counter[str], name: str) -> float:
    """The mean over the trials."""
    return counts[name] / max(counts["trials"], 1)
