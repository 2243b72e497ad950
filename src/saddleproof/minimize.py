"""The loop, the only one in the library: ask, one round, read, tell.

Budgets, callbacks, checkpoints, Ctrl-C and proved-bad workers live here, unseen by optimizers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saddleproof.aggregators.base import Aggregator, check_breakdown
from saddleproof.aggregators.median import Median
from saddleproof.arrays import Vector
from saddleproof.certificate import Budget, Certificate, Demands, inspect
from saddleproof.checkpoint import Checkpoint, FileCheckpoint, Progressed, RoundRecord
from saddleproof.claims import failed
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import Fleet
from saddleproof.fleets.local import LocalFleet
from saddleproof.optimizers.base import Evidence, Optimizer, Status
from saddleproof.optimizers.certified import CertifiedPGD, ending_of
from saddleproof.optimizers.gradient_only import GradientOnlyPGD
from saddleproof.oracle import AnswerReading, MessageReading, Oracle, TooFewWorkers
from saddleproof.questions import QUESTIONS, Gradients, answered_by, as_question
from saddleproof.result import Progress, Result

__all__ = ["Progress", "Result", "minimize"]

#: A gradient's entry from which squares, and with them every bound on its error, overflow: the
#: largest number of its dtype to this power, 1e123 in float64 and 2e15 in float32.
DIVERGED = 0.4


def minimize(
    problem_or_fleet: Any,
    optimizer: Optimizer[Any] | None = None,
    *,
    aggregator: Aggregator | None = None,
    b: int,
    w0: Vector | None = None,
    seed: int | None = None,
    max_rounds: int = 1000,
    timeout: float | None = None,
    callback: Callable[[Progress], bool | None] | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    checkpoint_every: int = 1,
    resume: bool = False,
    certify: bool = True,
) -> Result:
    """Minimize over workers of which up to b lie, and certify the point that comes back.

    Args:
        problem_or_fleet: a `Problem` (its workers then run in this process) or a `Fleet`.
        optimizer: an ask/tell optimizer; `CertifiedPGD()` unless given, and `GradientOnlyPGD()` for
            a fleet that answers gradients only.
        aggregator: the rule; `Median()` unless given.
        b: the most Byzantine workers that you expect, counted, not a share.
        w0: (d,) starting point; the problem's own `start` when it has one.
        seed: for experiments; None draws every perturbation from fresh entropy.
        max_rounds: budget of parallel iterations.
        timeout: seconds that a round may take; workers that are slower are late.
        callback: called after every round; returning True stops the run.
        checkpoint: file, or any `Checkpoint`, that holds the state after every
            `checkpoint_every` rounds.
        checkpoint_every: rounds between two checkpoints.
        resume: go on from `checkpoint` when it holds a state. A run that was killed and resumed
            ends in the same bytes as one that was not; one that its budget ended goes on when
            `max_rounds` is larger now.
        certify: certify the point. After `CertifiedPGD` that takes no further round, or one where
            d <= 32 leaves the bracket open; else it takes three.

    Returns:
        Result. Not converging is a status, never an exception; Ctrl-C returns the state so far
        with status "interrupted"; too many bad workers stop the run with "too_few_workers".

    Raises:
        BreakdownError: b is more than the rule or the optimizer can hold.
        OptionError: no starting point, one of the wrong shape, or no losses where they are needed.
    """
    fleet: Fleet = (
        problem_or_fleet if hasattr(problem_or_fleet, "round") else LocalFleet(problem_or_fleet)
    )
    if optimizer is None:
        everything = set(answered_by(fleet)) >= set(QUESTIONS)
        optimizer = CertifiedPGD() if everything else GradientOnlyPGD()
    aggregator = Median() if aggregator is None else aggregator
    check_breakdown(aggregator, len(fleet.workers), b)
    server = _Server(fleet, optimizer, aggregator, b, timeout)
    server.check()
    start = _starting_point(w0, fleet)
    oracle = server.oracle({}, None, 0)
    oracle.announce(optimizer)
    state = optimizer.init(start, seed=seed, max_rounds=max_rounds)
    loop = Progressed(0, {}, (), state, oracle.remembering(len(start)).memory)
    saver = _Saver(_target(checkpoint), checkpoint_every)
    if resume:
        loop = saver.load(loop)
        loop = replace(loop, state=optimizer.extend(loop.state, max_rounds))
    status = optimizer.status(loop.state)
    try:
        while not status.done and loop.round < max_rounds:
            loop = server.round(loop)
            saver.after_round(loop)
            status = optimizer.status(loop.state)
            here = Progress(loop.trace[-1], optimizer.point(loop.state), loop.state)
            if callback is not None and callback(here) and not status.done:
                status = Status("stopped", f"stopped by the callback after round {loop.round - 1}")
    except _CannotGoOn as stop:
        status = stop.status
    except KeyboardInterrupt:  # in a round, a callback or a commit: what is done stays done
        status = Status("interrupted", f"interrupted in round {loop.round}")
    if not status.done:
        status = Status("budget", f"stopped by the budget of {max_rounds} rounds")
    saver.save(loop)
    found = None
    if certify and status.name not in ("interrupted", "too_few_workers", "diverged"):
        found = server.certificate(loop, seed)
        status = judged(status, found)
    w = optimizer.point(loop.state)
    return Result(
        w, status.name, status.message, loop.round, found, loop.trace, loop.excluded, loop.state
    )


def judged(status: Status, found: Certificate) -> Status:
    """How a run ended, in the light of its certificate: proof outranks what an optimizer says."""
    if status.name in ("second_order", "no_escape_found", "conditional", "saddle", "open"):
        return Status(ending_of(found.level), found.reason)
    return status


class _CannotGoOn(Exception):
    """A round that cannot be told to the optimizer; the state before it is what is kept."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.status = Status(name, message)


@dataclass(frozen=True)
class _Server:
    """What does not move in a run."""

    fleet: Fleet
    optimizer: Optimizer[Any]
    aggregator: Aggregator
    b: int
    timeout: float | None

    def check(self) -> None:
        """Refuse more liars than the optimizer's tests can hold, and questions without answer."""
        m = len(self.fleet.workers)
        if self.b > self.optimizer.breakdown(m):
            raise BreakdownError(f"{self._too_few(m, self.b)}; or take another optimizer")
        wanted = set(getattr(self.optimizer, "questions", (Gradients,)))
        missing = sorted(kind.__name__ for kind in wanted - set(answered_by(self.fleet)))
        if missing:
            raise OptionError(
                f"{type(self.optimizer).__name__} asks for {', '.join(missing)}, which the workers "
                "of this fleet do not answer. Give the loss a value(w, data), or take "
                "GradientOnlyPGD, which asks for gradients only"
            )

    def oracle(self, excluded: Mapping[str, str], memory: Any, number: int) -> Oracle:
        """The oracle before round `number`."""
        return Oracle(
            self.fleet, self.aggregator, self.b, self.timeout, excluded, memory, number
        )

    def round(self, loop: Progressed) -> Progressed:
        """Ask, one round, read, tell."""
        question = as_question(self.optimizer.ask(loop.state))
        try:
            reading, oracle = self.oracle(loop.excluded, loop.memory, loop.round).ask(question)
        except TooFewWorkers as error:
            raise _CannotGoOn("too_few_workers", f"round {loop.round}: {error}") from error
        heard = len(reading.workers)
        if reading.b > self.optimizer.breakdown(heard):
            missing = ", ".join({*self.fleet.workers} - {*reading.workers})
            why = f"round {loop.round}: {self._too_few(heard, reading.b)}; missing: {missing}"
            raise _CannotGoOn("too_few_workers", why)
        if isinstance(reading, MessageReading):
            self._check_overflow(loop.round, reading)
        state = self.optimizer.tell(loop.state, reading)
        event = self.optimizer.status(state).message
        record = _record(loop, reading, event)
        excluded = {**loop.excluded, **record.charged}
        trace = (*loop.trace, record)
        return Progressed(loop.round + 1, excluded, trace, state, oracle.memory)

    @staticmethod
    def _check_overflow(number: int, reading: MessageReading) -> None:
        if reading.void[0]:
            who = ", ".join(reading.verdicts.overflowed)
            why = f"round {number}: the current point overflows ({who})"
            raise _CannotGoOn("diverged", why)
        largest = float(np.finfo(reading.gradient.dtype).max)
        if (longest := float(np.abs(reading.gradient[0]).max())) > largest**DIVERGED:
            why = f"round {number}: the current point overflows (a gradient of {longest:.0e})"
            raise _CannotGoOn("diverged", why)

    def certificate(self, loop: Progressed, seed: int | None) -> Certificate:
        """What is known about the point that the run returns, with the rounds that it takes.

        A failure here loses nothing: the run is over, and its certificate says why it is open.
        """
        evidence = self.optimizer.evidence(loop.state) or Evidence()
        oracle = self.oracle(loop.excluded, loop.memory, loop.round)
        oracle.announce()
        try:
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


def _target(checkpoint: str | os.PathLike[str] | Checkpoint | None) -> Checkpoint | None:
    if checkpoint is None or isinstance(checkpoint, Checkpoint):
        return checkpoint
    return FileCheckpoint(checkpoint)


def _starting_point(w0: Vector | None, fleet: Fleet) -> Vector:
    if w0 is None:
        w0 = getattr(getattr(fleet, "problem", None), "start", None)
    if w0 is None:
        raise OptionError("minimize needs a starting point: pass w0, a vector of length d")
    start = np.array(w0, copy=True)
    if start.ndim != 1 or start.dtype.kind != "f" or not np.isfinite(start).all():
        raise OptionError(
            f"w0 must be a finite floating-point vector (d,); got shape {start.shape}, "
            f"dtype {start.dtype}"
        )
    return start


@dataclass(frozen=True)
class _Saver:
    target: Checkpoint | None
    every: int

    def load(self, fresh: Progressed) -> Progressed:
        if self.target is None:
            return fresh
        kept = self.target.load(type(fresh.state), type(fresh.memory))
        if kept is None:
            return fresh
        return replace(kept, memory=fresh.memory) if kept.memory is None else kept

    def after_round(self, loop: Progressed) -> None:
        if loop.round % self.every == 0:
            self.save(loop)

    def save(self, loop: Progressed) -> None:
        if self.target is not None:
            self.target.save(loop)
