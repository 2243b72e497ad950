"""What a round moves and what it costs the server, as formulas: bytes are exact, time is a model.

    kind              down to a worker       up from a worker
    Gradients         q d                    q d
    LeastCurvature    d                      3 + d
    Curvatures        (1 + p) d              2 p
    Changes           (1 + p) d + t          p t

numbers of 8 bytes, in frames of a header and at most 1 MiB (`saddleproof.fleets.grpc.frames`). What
gRPC, TLS and TCP add is not counted. A round of FedAvg is counted as one of Gradients with q = 1: a
model down and a model up, in the same numbers and frames.

Seconds of the server's processor, by unit costs that `scale_model` measures:

    any round          w m, and for each number that comes up, admission and aggregation:
    Gradients            a(m) m q d
    LeastCurvature       e m (3 + d)
    the others           r(m) times the numbers, small
    after LeastCurvature n m d + (h + g d) p (p - 1) / 2: proposals are scaled, and p of them are
                         compared in pairs
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from saddleproof.fleets.grpc.frames import parts_of
from saddleproof.fleets.grpc.header import HEADER, PIECE
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature, Question


@dataclass(frozen=True)
class Asked:
    """A question without its numbers.

    Attributes:
        kind: the question's class.
        rows: q of Gradients, p of the others; 0 for LeastCurvature.
        lengths: t of Changes.
    """

    kind: type
    rows: int = 0
    lengths: int = 0

    def down(self, d: int) -> int:
        """Bytes to one worker."""
        if self.kind is Gradients:
            return framed(self.rows * d)
        return framed((1 + self.rows) * d + self.lengths)

    def up(self, d: int) -> int:
        """Bytes from one worker."""
        return framed(self.answers(d))

    def answers(self, d: int) -> int:
        """Numbers from one worker."""
        per_row = {Gradients: d, Curvatures: 2, Changes: self.lengths}
        return 3 + d if self.kind is LeastCurvature else self.rows * per_row[self.kind]


#: What FedAvg moves in a round, and a step of descent too.
STEP = Asked(Gradients, 1)


def framed(numbers: int) -> int:
    """Bytes of a payload of float64 numbers with the headers of its frames."""
    size = 8 * numbers
    return size + HEADER.size * max(1, -(-size // PIECE))


def asked(question: Question) -> Asked:
    """The kind and the sizes of a question."""
    if isinstance(question, LeastCurvature):
        return Asked(LeastCurvature)
    if isinstance(question, Changes):
        return Asked(Changes, *question.shape)
    if isinstance(question, Curvatures):
        return Asked(Curvatures, len(question.directions))
    return Asked(Gradients, len(parts_of(question)[0]))


@dataclass(frozen=True)
class Units:
    """Measured processor seconds.

    Attributes:
        worker: w, of admitting one worker's answer, whatever its size.
        gradient: a(m), of a number of a message, by m.
        answer: e, of a number of an answer to LeastCurvature.
        scaled: n, of a number of a proposal: its length, and the division by it.
        pair: h, of comparing two proposals, whatever d is.
        paired: g, of a number, where two proposals are compared.
        ranked: r(m), of a number that is sorted among m, by m.
    """

    worker: float
    gradient: Mapping[int, float]
    answer: float
    scaled: float
    pair: float
    paired: float
    ranked: Mapping[int, float]

    def seconds(self, one: Asked, m: int, d: int, p: int = 0) -> float:
        """Of the server's processor, for one round; p proposals are kept after LeastCurvature."""
        numbers = float(m) * one.answers(d)
        if one.kind is Gradients:
            return self.worker * m + between(self.gradient, m) * numbers
        if one.kind is LeastCurvature:
            kept = self.scaled * m * d + (self.pair + self.paired * d) * p * (p - 1) / 2
            return self.worker * m + self.answer * numbers + kept
        return self.worker * m + between(self.ranked, m) * numbers


def between(measured: Mapping[int, float], m: int) -> float:
    """Straight lines between the logarithms; outside what was measured, the nearest value."""
    x, y = zip(*sorted(measured.items()), strict=True)
    return float(np.exp(np.interp(np.log(m), np.log(x), np.log(y))))


def exponent(x: Iterable[float], y: Iterable[float]) -> float:
    """The slope of the least-squares line through the logarithms."""
    return float(np.polyfit(np.log(list(x)), np.log(list(y)), 1)[0])


#: How many proposals all workers rate, of m workers with b liars.
PLANS = {
    "all m": lambda m, b: m,  # noqa: ARG005
    "b + 6 (CertifiedPGD)": lambda m, b: min(m, b + 6),
    "27 at most (certify)": lambda m, b: min(m, b + 6, 27),
    "20 drawn (not built)": lambda m, b: min(m, 20),  # noqa: ARG005
}


def run(questions: Iterable[Asked], proposals: int) -> list[Asked]:
    """The questions of a run in which every rating is about so many proposals."""
    return [Asked(Curvatures, proposals) if one.kind is Curvatures else one for one in questions]
