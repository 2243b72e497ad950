"""The loop, the only one in the library: ask, one round, read, tell.

Budgets, callbacks, checkpoints, Ctrl-C and proved-bad workers live here, unseen by optimizers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saddleproof.aggregators.base import Aggregator, check_breakdown
from saddleproof.aggregators.median import Median
from saddleproof.arrays import Vector
from saddleproof.certificate import Certificate
from saddleproof.checkpoint import Checkpoint, FileCheckpoint, Progressed
from saddleproof.errors import OptionError
from saddleproof.fleets.base import Fleet
from saddleproof.fleets.local import LocalFleet
from saddleproof.optimizers.base import Optimizer, Status
from saddleproof.optimizers.certified import CertifiedPGD, ending_of
from saddleproof.optimizers.gradient_only import GradientOnlyPGD
from saddleproof.questions import QUESTIONS, answered_by
from saddleproof.result import Progress, Result
from saddleproof.server import CannotGoOn, Server

__all__ = ["Progress", "Result", "judged", "minimize"]


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
            ends in the same bytes as one that was not, if its workers answer the same questions
            alike; without a `seed` they draw the starts of their Lanczos runs anew. A run that its
            budget ended goes on when `max_rounds` is larger now.
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
    server = Server(fleet, optimizer, aggregator, b, timeout)
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
    except CannotGoOn as stop:
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
