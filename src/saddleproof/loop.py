"""The loop, the only one in the library: ask, one round, read, tell.

Budgets, callbacks, checkpoints, Ctrl-C and proved-bad workers live here, unseen by optimizers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from saddleproof import arguments
from saddleproof.aggregators.base import Aggregator
from saddleproof.aggregators.median import Median
from saddleproof.arrays import Vector
from saddleproof.border import vector
from saddleproof.certificate import Certificate
from saddleproof.checkpoint import Checkpoint, FileCheckpoint, Progressed
from saddleproof.errors import OptionError, StoreError
from saddleproof.fleets.base import Fleet
from saddleproof.fleets.local import GradientSource, LocalFleet
from saddleproof.optimizers.base import Optimizer, Status
from saddleproof.optimizers.certified import CertifiedPGD
from saddleproof.optimizers.gradient_only import GradientOnlyPGD
from saddleproof.questions import answered_by
from saddleproof.result import Progress, Result, stops_after
from saddleproof.resume import Saver, fingerprint_of, leading, take_up
from saddleproof.server import CannotGoOn, Server, check_limits
from saddleproof.words import Ending, Level

__all__ = ["Progress", "Result", "judged", "minimize"]


def minimize(
    problem_or_fleet: GradientSource | Fleet,
    optimizer: Optimizer[Any] | None = None,
    *,
    aggregator: Aggregator | None = None,
    b: int,
    w0: Vector | None = None,
    seed: arguments.Seed = None,
    max_rounds: int = 1000,
    timeout: float | None = None,
    callback: Callable[[Progress], bool | None] | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    checkpoint_every: int = 1,
    resume: bool = False,
    allow: Iterable[str] = (),
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
        seed: for experiments; None draws every perturbation from fresh entropy. A numpy
            `Generator` gives one number, when the run begins.
        max_rounds: budget of parallel iterations; with 0 the start comes back, certified.
        timeout: seconds that a round may take; workers that are slower are late.
        callback: called after every round; returning True stops the run, False or None does not.
        checkpoint: file, or any `Checkpoint`, that holds the state after every
            `checkpoint_every` rounds.
        checkpoint_every: rounds between two checkpoints.
        resume: go on from `checkpoint` when it holds a state. A run that was killed and resumed
            ends in the same bytes as one that was not, if its workers answer the same questions
            alike; without a `seed` they draw the starts of their Lanczos runs anew. A run that its
            budget ended goes on when `max_rounds` is larger now. Without a file it begins. What
            the run was begun with must be the same: roster, b, rule, optimizer, start, seed,
            problem (`saddleproof.fingerprint` says how far), version.
        allow: names of what may differ, such as {"b", "roster"} or {"optimizer.step"}. The run
            then goes on from its point: optimizer and rule begin anew there, and nothing that was
            learned under the other conditions is used. "fingerprint" takes a checkpoint that does
            not say what its run was begun with.
        certify: certify the point. After `CertifiedPGD` that takes no further round, or one where
            d <= 32 leaves the bracket open; else it takes three.

    Returns:
        Result. Not converging is a status, never an exception; Ctrl-C returns the state so far
        with status "interrupted"; too many bad workers stop the run with "too_few_workers".

    Raises:
        BreakdownError: b is more than the rule or the optimizer can hold.
        OptionError: an argument that cannot work, before any worker is asked; no starting point,
            one of the wrong shape, or no losses where they are needed; a callback that returned
            neither True nor False nor None.
        StoreError: the checkpoint cannot be read or written, is damaged, was begun under other
            conditions, or another process leads the run. Where a state could not be written, the
            error's `result` is the run so far, uncertified.
    """
    fleet: Fleet = (
        problem_or_fleet if arguments.workers(problem_or_fleet) else LocalFleet(problem_or_fleet)
    )
    _check_loop(max_rounds, checkpoint, checkpoint_every, resume, certify)
    arguments.callback("callback", callback)
    timeout = arguments.seconds("timeout", timeout)
    if optimizer is None:
        everything = set(answered_by(fleet)) >= set(CertifiedPGD.questions)
        optimizer = CertifiedPGD() if everything else GradientOnlyPGD()
    aggregator = Median() if aggregator is None else aggregator
    arguments.optimizer("optimizer", optimizer)
    arguments.aggregator("aggregator", aggregator)
    b = check_limits(aggregator, optimizer, len(fleet.workers), b)
    server = Server(fleet, optimizer, aggregator, b, timeout)
    server.check()
    start = _starting_point(w0, fleet)
    target = _target(checkpoint)
    seed = arguments.seed_of(seed)
    fingerprint = {} if target is None else fingerprint_of(server, start, seed)
    with leading(target, resume=resume) as held:
        oracle = server.oracle({}, None, 0)
        oracle.announce(optimizer)
        state = server.begun(start, seed, max_rounds)
        memory = oracle.remembering(len(start)).memory
        loop = Progressed(0, {}, (), state, memory, fingerprint=fingerprint)
        if resume and held is not None:
            loop = take_up(held, loop, server, allow=allow, seed=seed, max_rounds=max_rounds)
        saver = Saver(held, checkpoint_every, fleet)
        loop, status = _led(server, loop, saver, callback, max_rounds)
        found = None
        if certify and Ending(status.name).certifiable:
            found = server.certificate(loop, seed)
            status = judged(status, found)
    return _result(server, loop, status, found)


def _led(
    server: Server,
    loop: Progressed,
    saver: Saver,
    callback: Callable[[Progress], bool | None] | None,
    max_rounds: int,
) -> tuple[Progressed, Status]:
    """The rounds, up to an end; its state is saved.

    Raises:
        StoreError: a state could not be saved; `result` is the run so far.
    """
    optimizer = server.optimizer
    status = _status(optimizer, loop.state)
    try:
        try:
            while not status.done and loop.round < max_rounds:
                loop = saver.with_memory(server.round(loop))
                saver.after_round(loop)
                status = _status(optimizer, loop.state)
                w = optimizer.point(loop.state)
                if stops_after(callback, loop.trace[-1], w, loop.state) and not status.done:
                    why = f"stopped by the callback after round {loop.round - 1}"
                    status = Status(Ending.STOPPED, why)
        except CannotGoOn as stop:
            status = stop.status
        except KeyboardInterrupt:  # in a round, a callback or a commit: what is done stays done
            status = Status(Ending.INTERRUPTED, f"interrupted in round {loop.round}")
        if not status.done:
            status = Status(Ending.BUDGET, f"stopped by the budget of {max_rounds} rounds")
        saver.save(loop)
    except StoreError as error:
        cut = Status(Ending.INTERRUPTED, f"after round {loop.round - 1}, {error}")
        error.result = _result(server, loop, cut, None)
        raise
    return loop, status


def _status(optimizer: Optimizer[Any], state: object) -> Status:
    found = optimizer.status(state)
    if not isinstance(found, Status):
        raise OptionError(
            f"{type(optimizer).__name__}.status must return a Status(name, message); got {found!r}"
        )
    return found


def _result(server: Server, loop: Progressed, status: Status, found: Certificate | None) -> Result:
    w, ending = np.array(server.optimizer.point(loop.state)), Ending(status.name)
    return Result(
        w, ending, status.message, loop.round, found, loop.trace, loop.excluded, loop.state
    )


def judged(status: Status, found: Certificate) -> Status:
    """How a run ended, in the light of its certificate: proof outranks what an optimizer says."""
    if status.done and Ending(status.name).follows_certificate:
        return Status(Level(found.level).ending, found.reason)
    return status


def _check_loop(
    max_rounds: int, checkpoint: object, checkpoint_every: int, resume: bool, certify: bool
) -> None:
    """Refuse a budget, a checkpoint or a flag that cannot work."""
    arguments.whole("max_rounds", max_rounds)
    arguments.whole("checkpoint_every", checkpoint_every, least=1)
    arguments.flag("certify", certify)
    if not isinstance(checkpoint, str | os.PathLike | Checkpoint | None):
        raise OptionError(
            f"checkpoint must be a file's path, a Checkpoint or None; got {checkpoint!r}"
        )
    if arguments.flag("resume", resume) and checkpoint is None:
        raise OptionError(
            "resume=True needs the checkpoint to go on from; got checkpoint=None. "
            "Pass checkpoint=, or leave resume out to begin anew"
        )


def _target(checkpoint: str | os.PathLike[str] | Checkpoint | None) -> Checkpoint | None:
    if checkpoint is None or isinstance(checkpoint, Checkpoint):
        return checkpoint
    return FileCheckpoint(checkpoint)


def _starting_point(w0: Vector | None, fleet: Fleet) -> Vector:
    problem = getattr(fleet, "problem", None)
    if w0 is None:
        w0 = getattr(problem, "start", None)
    if w0 is None:
        raise OptionError("minimize needs a starting point: pass w0, a vector of length d")
    return vector(w0, "w0", getattr(problem, "d", None))
