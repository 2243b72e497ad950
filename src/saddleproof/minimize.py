"""The loop, the only one in the library: ask, one round, read, tell.

Budgets, callbacks, checkpoints, Ctrl-C and proved-bad workers live here, unseen by optimizers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof import certificate, oracle
from saddleproof.aggregators.base import Aggregator, check_breakdown
from saddleproof.aggregators.median import Median
from saddleproof.arrays import Vector
from saddleproof.certificate import Certificate
from saddleproof.checkpoint import Checkpoint, FileCheckpoint, Progressed, RoundRecord
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import Announcement, Fleet
from saddleproof.fleets.local import LocalFleet
from saddleproof.optimizers.base import Optimizer, Status
from saddleproof.optimizers.certified_pgd import CertifiedPGD


@dataclass(frozen=True)
class Progress:
    """What a callback sees after each round; return True from the callback to stop."""

    record: RoundRecord
    w: Vector
    state: Any


@dataclass(frozen=True, repr=False)
class Result:
    """Where a run ended; `x`, `success` and `nit` are there for SciPy users.

    Attributes:
        w: (d,) the point.
        status: the verdict in a word, see `saddleproof.optimizers.base.Status`.
        message: the verdict in a sentence.
        rounds: parallel iterations that the optimizer used; the certificate's own round is in
            `certificate.rounds`.
        certificate: what is known about `w`, or None when `certify=False`.
        trace: one `RoundRecord` a round.
        excluded: worker to reason, for every worker proved bad.
        state: the optimizer's last state.
    """

    w: Vector
    status: str
    message: str
    rounds: int
    certificate: Certificate | None
    trace: tuple[RoundRecord, ...]
    excluded: dict[str, str]
    state: Any

    @property
    def x(self) -> Vector:
        """The point, under SciPy's name."""
        return self.w

    @property
    def nit(self) -> int:
        """The rounds, under SciPy's name."""
        return self.rounds

    @property
    def success(self) -> bool:
        """Whether the optimizer ended by its own test; what that proves is in `certificate`."""
        return self.status in ("second_order", "no_escape_found", "stationary")

    def __repr__(self) -> str:
        with np.printoptions(precision=4, threshold=8, edgeitems=3):
            rows = {
                "status": self.status,
                "success": self.success,
                "message": self.message,
                "rounds": self.rounds,
                "x": str(self.w).replace("\n", " "),
            }
        if self.excluded:
            rows["excluded"] = ", ".join(f"{k} ({v})" for k, v in self.excluded.items())
        text = "\n".join(f"{name:>12}: {value}" for name, value in rows.items())
        if self.certificate is not None:
            body = str(self.certificate).replace("\n", "\n" + " " * 14)
            text += f"\n{'certificate':>12}: {body}"
        return text


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
            ends in the same bytes as one that was not.
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
    loop = Progressed(0, {}, (), optimizer.init(start, seed=seed, max_rounds=max_rounds))
    saver = _Saver(_target(checkpoint), checkpoint_every)
    if resume:
        loop = saver.load(type(loop.state)) or loop
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
        state = self.optimizer.tell(loop.state, reading)
        record = _record(loop.round, reading)
        excluded = {**loop.excluded, **record.charged}
        return Progressed(loop.round + 1, excluded, (*loop.trace, record), state)

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
        )

    def _too_few(self, m: int, b: int) -> str:
        return (
            f"{type(self.optimizer).__name__} holds at most {self.optimizer.breakdown(m)} "
            f"Byzantine workers of {m}; got b={b}. Bring more workers"
        )


def _record(round_id: int, reading: oracle.MessageReading) -> RoundRecord:
    with np.errstate(over="ignore"):  # on its way to status "diverged"
        norm = float(np.linalg.norm(reading.gradient[0]))
    return RoundRecord(
        round=round_id,
        queries=len(reading.stack),
        gradient_norm=norm,
        inexactness=float(reading.inexactness[0]),
        charged=reading.verdicts.charged,
        absent=reading.verdicts.absent,
        strangers=reading.verdicts.strangers,
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

    def load(self, state_type: type) -> Progressed | None:
        return None if self.target is None else self.target.load(state_type)

    def after_round(self, loop: Progressed) -> None:
        if loop.round % self.every == 0:
            self.save(loop)

    def save(self, loop: Progressed) -> None:
        if self.target is not None:
            self.target.save(loop)
