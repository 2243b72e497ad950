"""From the evidence of all rounds to a suspicion: a number a worker, and who stands out.

    suspicion = the largest, over the kinds of evidence, of the mean over the rounds

Above `LIMIT` a worker stands out: on average over the rounds it contradicts itself, or lies out,
more than three times as much as the worst of those that are left when the b worst are taken away;
or every third of its answers is another worker's, bit for bit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saddleproof.suspicion.evidence import CONTRADICTION, COPIES, DISTANCE

#: Above, a worker stands out.
LIMIT = 1.0
#: Rounds with contradictions, possible ones, below which nothing is said.
ROUNDS = 2
#: Kind of evidence to what it says of a worker that stands out.
WORDS = {
    CONTRADICTION: "its answers contradict each other",
    COPIES: "its answers are those of another worker",
    DISTANCE: "its answers lie far out",
}


@dataclass(frozen=True)
class Suspicion:
    """What all rounds say of one worker.

    Attributes:
        size: in [0, 10]; above 1 it stands out.
        why: the kind of evidence that is largest, in words; "" where it does not stand out.
    """

    size: float
    why: str


def judge(
    evidence: Sequence[Mapping[str, Mapping[str, float]]], roster: Sequence[str]
) -> dict[str, Suspicion]:
    """Worker to suspicion; empty where fewer than two rounds could contradict others.

    How far out an answer lies tells little by itself: liars that hide among the honest answers lie
    farther in than these (`benchmarks/liars/suspicion.py`). So runs in which nothing could
    contradict anything, as those that ask for one gradient a round, give nobody a suspicion.

    Args:
        evidence: of each round, kind to worker to number.
        roster: the workers' names.

    >>> rounds = [{"contradiction": {"a": 0.0, "b": 8.0}, "distance": {"a": 0.5, "b": 0.25}}] * 2
    >>> judge(rounds, ["a", "b"])["b"]
    Suspicion(size=8.0, why='its answers contradict each other')
    >>> judge(rounds, ["a", "b"])["a"]
    Suspicion(size=0.5, why='')
    >>> judge([{"distance": {"a": 0.5, "b": 9.0}}], ["a", "b"])
    {}
    """
    if sum(CONTRADICTION in found for found in evidence) < ROUNDS:
        return {}
    heard: dict[tuple[str, str], list[float]] = defaultdict(list)
    for found in evidence:
        for kind, numbers in found.items():
            for name, number in numbers.items():
                heard[name, kind].append(number)
    return {name: _suspicion(heard, name) for name in roster}


def _suspicion(heard: Mapping[tuple[str, str], list[float]], name: str) -> Suspicion:
    means = {
        kind: sum(heard[name, kind]) / len(heard[name, kind])
        for kind in WORDS
        if (name, kind) in heard
    }
    kind = max(means, key=means.__getitem__, default=DISTANCE)
    size = means.get(kind, 0.0)
    return Suspicion(size, WORDS[kind] if size > LIMIT else "")
