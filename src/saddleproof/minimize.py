"""The loop, the only one in the library: ask, one round, read, tell.

Budgets, callbacks, checkpoints, Ctrl-C and proved-bad workers live here, unseen by optimizers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saddleproof import certificate, oracle
from saddleproof.aggregators.base import Aggregator, check_breakdown
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.memory import RememberingRule
from saddleproof.arrays import Vector
from saddleproof.certificate import Certificate
from saddleproof.checkpoint import Checkpoint, FileCheckpoint, Progressed, RoundRecord
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import Announcement, Fleet
from saddleproof.fleets.local import LocalFleet
from saddleproof.optimizers.base import Optimizer, Status
from saddleproof.optimizers.certified_pgd import CertifiedPGD
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
        optimizer: an ask/tell optimizer; `CertifiedPGD()` unless given.
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
        certify: spend one more round on a certificate of the point, 13 where d > 256.

    Returns:
        Result. Not converging is a status, never an exception; Ctrl-C returns the state so far
        with status "interrupted"; too many bad workers stop the run with "too_few_workers".

    Raises:
        BreakdownError: b is more than the rule or the optimizer can hold.
        OptionError: no starting point, one of the wrong shape, or no losses where they are needed.
    """
    optimizer = CertifiedPGD() if optimizer is None else optimizer
    aggregator = Median() if aggregator is None else aggregator
    fleet: Fleet = (
        problem_or_fleet if hasattr(problem_or_fleet, "round") else LocalFleet(problem_or_fleet)
    )
    check_breakdown(aggregator, len(fleet.workers), b)
    server = _Server(fleet, optimizer, aggregator, b, timeout)
    server.check()
    fleet.announce(Announcement(aggregator.estimates, b, optimizer))
    start = _starting_point(w0, fleet)
    state = optimizer.init(start, seed=seed, max_rounds=max_rounds)
    loop = Progressed(0, {}, (), state, server.fresh_memory(len(start)))
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
        found = server.certificate(loop)
        if status.name == "no_escape_found" and found.certified:
            status = Status("second_order", f"second-order point: {found.reason}")
        elif status.name == "second_order" and found.refuted:  # proof outranks evidence
            status = Status("saddle", f"still a saddle point: {found.reason}; try HessianPGD")
    w = optimizer.point(loop.state)
    return Result(
        w, status.name, status.message, loop.round, found, loop.trace, loop.excluded, loop.state
    )


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
        """Refuse more liars than the optimizer's tests can hold."""
        m = len(self.fleet.workers)
        if self.b > self.optimizer.breakdown(m):
            raise BreakdownError(f"{self._too_few(m, self.b)}; or take another optimizer")

    def fresh_memory(self, d: int) -> Any:
        """What the rule remembers before the first round; None where it has no memory."""
        if not isinstance(self.aggregator, RememberingRule):
            return None
        return self.aggregator.begin(self.fleet.workers, d)

    def round(self, loop: Progressed) -> Progressed:
        """Ask, one round, read, tell."""
        points = self.optimizer.ask(loop.state)
        messages = self.fleet.round(points, round_id=loop.round, timeout=self.timeout)
        try:
            reading = oracle.read(
                messages,
                self.aggregator,
                self.b,
                points=points,
                workers=self.fleet.workers,
                excluded=loop.excluded,
                memory=loop.memory,
            )
        except oracle.TooFewWorkers as error:
            raise _CannotGoOn("too_few_workers", f"round {loop.round}: {error}") from error
        heard = len(reading.verdicts.heard)
        if reading.b > self.optimizer.breakdown(heard):
            missing = ", ".join({*self.fleet.workers} - {*reading.verdicts.heard})
            why = f"round {loop.round}: {self._too_few(heard, reading.b)}; missing: {missing}"
            raise _CannotGoOn("too_few_workers", why)
        if reading.void[0]:
            who = ", ".join(reading.verdicts.overflowed)
            why = f"round {loop.round}: the current point overflows ({who})"
            raise _CannotGoOn("diverged", why)
        largest = float(np.finfo(reading.gradient.dtype).max)
        if (longest := float(np.abs(reading.gradient[0]).max())) > largest**DIVERGED:
            why = f"round {loop.round}: the current point overflows (a gradient of {longest:.0e})"
            raise _CannotGoOn("diverged", why)
        state = self.optimizer.tell(loop.state, reading)
        record = _record(loop.round, reading, messages.refused)
        excluded = {**loop.excluded, **record.charged}
        trace = (*loop.trace, record)
        return Progressed(loop.round + 1, excluded, trace, state, reading.memory)

    def certificate(self, loop: Progressed) -> Certificate:
        """One more round, at the point that the run returns."""
        return certificate.certify(
            self.fleet,
            self.optimizer.point(loop.state),
            self.aggregator,
            self.b,
            evidence=self.optimizer.evidence(loop.state),
            round_id=loop.round,
            timeout=self.timeout,
            excluded=loop.excluded,
            memory=loop.memory,
        )

    def _too_few(self, m: int, b: int) -> str:
        return (
            f"{type(self.optimizer).__name__} holds at most {self.optimizer.breakdown(m)} "
            f"Byzantine workers of {m}; got b={b}. Bring more workers"
        )


def _record(
    round_id: int, reading: oracle.MessageReading, refused: Mapping[str, int]
) -> RoundRecord:
    with np.errstate(over="ignore"):  # on its way to status "diverged"
        norm = float(np.linalg.norm(reading.gradient[0]))
    kept = zip(reading.verdicts.heard, reading.kept[0], strict=True)
    return RoundRecord(
        round=round_id,
        queries=len(reading.stack),
        gradient_norm=norm,
        inexactness=float(reading.inexactness[0]),
        charged=reading.verdicts.charged,
        absent=reading.verdicts.absent,
        strangers=reading.verdicts.strangers,
        left_out=tuple(name for name, entered in kept if not entered),
        refused=dict.fromkeys(reading.verdicts.strangers, 1) | dict(refused),
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
