"""One round of a run, and the certificate of its end: what a server does between two checkpoints.

    question = optimizer.ask(state)
    reading  = oracle.ask(question)
    state    = optimizer.tell(state, reading)

The loop around it, with its budgets, callbacks and checkpoints, is `saddleproof.loop`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saddleproof import arguments
from saddleproof.aggregators.base import Aggregator
from saddleproof.arrays import Vector
from saddleproof.border import only_reads
from saddleproof.certificate import Budget, Certificate, Demands, inspect
from saddleproof.checkpoint import Progressed, RoundRecord
from saddleproof.claims import failed
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import Fleet
from saddleproof.optimizers.base import Evidence, Optimizer, Status
from saddleproof.oracle import AnswerReading, MessageReading, Oracle, TooFewWorkers
from saddleproof.questions import Gradients, Question, answered_by, as_question
from saddleproof.suspicion import Said, weigh
from saddleproof.words import Ending

#: A gradient's entry from which squares, and with them every bound on its error, overflow: the
#: largest number of its dtype to this power, 1e123 in float64 and 2e15 in float32.
DIVERGED = 0.4


class CannotGoOn(Exception):
    """A round that cannot be told to the optimizer; the state before it is what is kept."""

    def __init__(self, name: Ending, message: str) -> None:
        super().__init__(message)
        self.status = Status(name, message)


def check_limits(rule: Aggregator, optimizer: Optimizer[Any], m: int, b: int) -> int:
    """b as an int, if rule and optimizer both hold b Byzantine workers of m.

    Raises:
        BreakdownError: one of them does not, or neither; it tells every limit that is broken, and
            the largest b that both hold.
        OptionError: b is no whole number, or a breakdown point no number of workers.
    """
    b = arguments.liars(b, m)
    limits = [_limit(one, m) for one in (rule, optimizer)]
    words = ((rule, "Byzantine rows", "rule"), (optimizer, "Byzantine workers", "optimizer"))
    broken = [(most, *word) for most, word in zip(limits, words, strict=True) if b > most]
    if broken:
        told = " and ".join(
            f"{type(one).__name__} holds at most {most} {what} of {m}"
            for most, one, what, _ in broken
        )
        other = " and another ".join(family for *_, family in broken)
        lower = f"Lower b to {math.floor(min(limits))}" if min(limits) >= 0 else "No b will do"
        raise BreakdownError(
            f"{told}; got b={b}. {lower}, bring more workers, or take another {other}"
        )
    return b


def _limit(one: Aggregator | Optimizer[Any], m: int) -> float:
    most = one.breakdown(m)
    if not arguments.is_real(most) or math.isnan(most):
        name = type(one).__name__
        raise OptionError(f"{name}.breakdown({m}) must be a number of workers; got {most!r}")
    return most


@dataclass(frozen=True)
class Server:
    """What does not move in a run."""

    fleet: Fleet
    optimizer: Optimizer[Any]
    aggregator: Aggregator
    b: int
    timeout: float | None

    def check(self) -> None:
        """Refuse more liars than rule or optimizer can hold, and questions without answer."""
        check_limits(self.aggregator, self.optimizer, len(self.fleet.workers), self.b)
        wanted = set(getattr(self.optimizer, "questions", (Gradients,)))
        missing = sorted(kind.__name__ for kind in wanted - set(answered_by(self.fleet)))
        if missing:
            raise OptionError(
                f"{type(self.optimizer).__name__} asks for {', '.join(missing)}, which the workers "
                "of this fleet do not answer. Give the loss a value(w, data), or take "
                "GradientOnlyPGD, which asks for gradients only"
            )

    def begun(self, start: Vector, seed: int | None, max_rounds: int) -> Any:
        """The optimizer's state before the first round.

        Raises:
            OptionError: the optimizer gives no state, or a point of another shape than `start`.
        """
        name = type(self.optimizer).__name__
        state = self.optimizer.init(start, seed=seed, max_rounds=max_rounds)
        if state is None:
            raise OptionError(f"{name}.init must return the first state; got None")
        point: Any = self.optimizer.point(state)
        if np.shape(point) != start.shape:
            got = "None" if point is None else f"shape {np.shape(point)}"
            raise OptionError(
                f"{name}.point must return one vector of shape {start.shape}, as w0; got {got}"
            )
        return state

    def oracle(self, excluded: Mapping[str, str], memory: object, number: int) -> Oracle:
        """The oracle before round `number`."""
        return Oracle(self.fleet, self.aggregator, self.b, self.timeout, excluded, memory, number)

    def round(self, loop: Progressed) -> Progressed:
        """Ask, one round, read, tell."""
        optimizer = type(self.optimizer).__name__
        with only_reads(f"{optimizer}.ask"):
            asked = self.optimizer.ask(loop.state)
        try:
            question = as_question(asked)
        except OptionError as error:
            raise OptionError(f"{optimizer}.ask: {error}") from error
        try:
            reading, oracle = self.oracle(loop.excluded, loop.memory, loop.round).ask(question)
        except TooFewWorkers as error:
            raise CannotGoOn(Ending.TOO_FEW_WORKERS, f"round {loop.round}: {error}") from error
        heard = len(reading.workers)
        if reading.b > self.optimizer.breakdown(heard):
            missing = ", ".join(n for n in self.fleet.workers if n not in reading.workers)
            why = f"round {loop.round}: {self._too_few(heard, reading.b)}; missing: {missing}"
            raise CannotGoOn(Ending.TOO_FEW_WORKERS, why)
        if isinstance(question, Gradients) and isinstance(reading, MessageReading):
            trial = not np.array_equal(question.points[0], self.optimizer.point(loop.state))
            if not (trial and getattr(self.optimizer, "takes_back", False)):
                self._check_overflow(loop.round, reading)
        with only_reads(f"{optimizer}.tell"):
            state = self.optimizer.tell(loop.state, reading)
        if state is None:
            raise OptionError(f"{optimizer}.tell must return the next state; got None")
        event = self.optimizer.status(state).message
        evidence, said = self._weighed(question, reading, loop.said)
        record = replace(_record(loop, reading, event), evidence=evidence)
        return replace(
            loop,
            round=loop.round + 1,
            excluded={**loop.excluded, **record.charged},
            trace=(*loop.trace, record),
            state=state,
            memory=oracle.memory,
            said=said,
        )

    def _weighed(
        self, question: Question, reading: MessageReading | AnswerReading, said: Said | None
    ) -> tuple[dict[str, dict[str, float]], Said | None]:
        """What the round tells of every worker; points that overflow tell nothing."""
        stack = reading.stack
        if isinstance(question, Gradients) and isinstance(reading, MessageReading):
            if reading.void.all():
                return {}, said
            if reading.void.any():  # selecting copies all messages
                question, stack = Gradients(question.points[~reading.void]), stack[~reading.void]
        return weigh(question, stack, reading.workers, self.fleet.workers, reading.b, said)

    @staticmethod
    def _check_overflow(number: int, reading: MessageReading) -> None:
        if reading.void[0]:
            who = ", ".join(reading.verdicts.overflowed)
            why = f"round {number}: the current point overflows ({who})"
            raise CannotGoOn(Ending.DIVERGED, why)
        largest = float(np.finfo(reading.gradient.dtype).max)
        if (longest := float(np.abs(reading.gradient[0]).max())) > largest**DIVERGED:
            why = f"round {number}: the current point overflows (a gradient of {longest:.0e})"
            raise CannotGoOn(Ending.DIVERGED, why)

    def certificate(self, loop: Progressed, seed: int | None) -> Certificate:
        """What is known about the point that the run returns, with the rounds that it takes.

        A failure here loses nothing: the run is over, and its certificate says why it is open.
        """
        evidence = self.optimizer.evidence(loop.state)
        evidence = Evidence() if evidence is None else evidence
        if not isinstance(evidence, Evidence):
            name = type(self.optimizer).__name__
            return failed(f"{name}.evidence must return an Evidence or None; got {evidence!r:.80}")
        oracle = self.oracle(loop.excluded, loop.memory, loop.round)
        try:
            oracle.announce()
            return inspect(
                oracle,
                self.optimizer.point(loop.state),
                Demands(tolerance=evidence.tolerance),
                budget=Budget(),
                seed=seed,
                gradient=evidence.gradient,
                curvature=evidence.curvature,
            )
        except KeyboardInterrupt:
            return failed("interrupted while the point was certified")
        except Exception as error:  # noqa: BLE001 - whatever a fleet raises, the point is there
            return failed(f"certifying failed: {type(error).__name__}: {error}")

    def _too_few(self, m: int, b: int) -> str:
        return (
            f"{type(self.optimizer).__name__} holds at most {self.optimizer.breakdown(m)} "
            f"Byzantine workers of {m}; got b={b}. Bring more workers"
        )


def _record(loop: Progressed, reading: MessageReading | AnswerReading, event: str) -> RoundRecord:
    verdicts = reading.verdicts
    last = loop.trace[-1] if loop.trace else RoundRecord(-1, 0, float("nan"), float("inf"))
    queries, norm, inexactness = 0, last.gradient_norm, last.inexactness
    left_out: tuple[str, ...] = ()
    asked = "Gradients"
    if isinstance(reading, MessageReading):
        with np.errstate(over="ignore"):  # on its way to status "diverged"
            norm = float(np.linalg.norm(reading.gradient[0]))
        queries, inexactness = len(reading.stack), float(reading.inexactness[0])
        kept = zip(verdicts.heard, reading.kept[0], strict=True)
        left_out = tuple(name for name, entered in kept if not entered)
    else:
        asked = type(reading.question).__name__
    return RoundRecord(
        round=loop.round,
        queries=queries,
        gradient_norm=norm,
        inexactness=inexactness,
        charged=verdicts.charged,
        absent=verdicts.absent,
        strangers=verdicts.strangers,
        left_out=left_out,
        refused=dict.fromkeys(verdicts.strangers, 1) | dict(verdicts.refused),
        question=asked,
        event="" if event == "running" else event,
    )
