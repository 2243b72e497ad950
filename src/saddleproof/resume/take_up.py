"""Taking a run up again: under the same conditions, in a sound state, or refused by name.

A resume compares what the run was begun with (`fingerprint_of`) with what it is given now. Each
difference is a sentence of the error, unless the caller allows it. A run that goes on under an
allowed difference goes on from its *point*: the optimizer, the rule's memory and the fleet's begin
anew there, since what they learned is about other workers, another b or another loss. The trace
and the number of the round stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import saddleproof
from saddleproof.arrays import Vector
from saddleproof.checkpoint import Checkpoint, LedCheckpoint, Progressed
from saddleproof.errors import OptionError, StoreError
from saddleproof.fingerprint import KeepingFleet, conditions_of, described, digest
from saddleproof.questions import answered_by
from saddleproof.resume.sound import check
from saddleproof.server import Server

#: What `allow` calls a checkpoint that does not say what its run was begun with.
UNKNOWN = "fingerprint"


def fingerprint_of(server: Server, start: Vector, seed: int | None) -> dict[str, str]:
    """What a run is begun with, as name to short text.

    Budgets, timeouts, callbacks and the attack of an experiment are no part of it.
    """
    fleet = server.fleet
    return {
        "version": saddleproof.__version__,
        "d": str(len(start)),
        "dtype": str(start.dtype),
        "roster": json.dumps(fleet.workers),
        "b": str(server.b),
        "w0": digest(start),
        "seed": str(seed),
        "questions": ", ".join(sorted(kind.__name__ for kind in answered_by(fleet))),
        **described(server.aggregator, "aggregator"),
        **described(server.optimizer, "optimizer"),
        **conditions_of(fleet),
    }


def leading(
    checkpoint: Checkpoint | None, *, resume: bool
) -> AbstractContextManager[Checkpoint | None]:
    """The lease of a run, where its checkpoint has leases."""
    if isinstance(checkpoint, LedCheckpoint):
        return checkpoint.leading(resume=resume)
    return nullcontext(checkpoint)


@dataclass(frozen=True)
class Saver:
    """Writes a run's state, and the fleet's memory with it.

    Args:
        target: where to; None writes nothing.
        every: rounds between two checkpoints.
        fleet: who computes.
    """

    target: Checkpoint | None
    every: int
    fleet: Any

    def with_memory(self, loop: Progressed) -> Progressed:
        """The loop after a whole round, with what the fleet remembers then."""
        if self.target is None or not isinstance(self.fleet, KeepingFleet):
            return loop
        return replace(loop, fleet=self.fleet.kept())

    def after_round(self, loop: Progressed) -> None:
        """Save every so many rounds."""
        if loop.round % self.every == 0:
            self.save(loop)

    def save(self, loop: Progressed) -> None:
        """Save now."""
        if self.target is not None:
            self.target.save(loop)


def take_up(
    target: Checkpoint,
    fresh: Progressed,
    server: Server,
    *,
    allow: Iterable[str],
    seed: int | None,
    max_rounds: int,
) -> Progressed:
    """The run that `target` holds, to go on with; `fresh` where it holds none.

    Args:
        target: the checkpoint.
        fresh: the same run before its first round, with its fingerprint.
        server: what does not move.
        allow: names of the fingerprint that may differ.
        seed: for an optimizer that begins anew.
        max_rounds: budget since the run's beginning.

    Raises:
        StoreError: the checkpoint is damaged, its state is not sound, or it was begun under other
            conditions; a sentence for each.
        OptionError: `allow` names what nothing can differ in.
    """
    told = target.load(object, object)
    before = {} if told is None else told.fingerprint
    allowed = _names(allow, fresh.fingerprint | before)
    if told is None:
        return fresh
    differing = _differing(before, fresh.fingerprint)
    _refuse(told, differing, allowed)
    begins_anew = bool(differing) or not told.fingerprint
    kept = target.load(type(fresh.state), object if begins_anew else type(fresh.memory))
    if kept is None:
        raise StoreError("the checkpoint was removed while it was read")
    optimizer = server.optimizer
    check(kept, fresh, optimizer)
    if not begins_anew:
        memory = fresh.memory if kept.memory is None else kept.memory
        if isinstance(server.fleet, KeepingFleet):
            server.fleet.restore(kept.fleet)
        return replace(kept, state=optimizer.extend(kept.state, max_rounds), memory=memory)
    dtype = np.dtype(fresh.fingerprint["dtype"])
    point = np.array(optimizer.point(kept.state), dtype=dtype)
    state = optimizer.init(point, seed=seed, max_rounds=max(max_rounds - kept.round, 0))
    roster = server.fleet.workers
    excluded = {name: why for name, why in kept.excluded.items() if name in roster}
    return replace(fresh, round=kept.round, excluded=excluded, trace=kept.trace, state=state)


def _names(allow: Iterable[str], fingerprint: dict[str, str]) -> frozenset[str]:
    if not isinstance(allow, Iterable):
        raise OptionError(f"allow takes names, such as {{'b', 'roster'}}; got {allow!r}")
    names: tuple[Any, ...] = (allow,) if isinstance(allow, str) else tuple(allow)
    known = {UNKNOWN, *(name.partition(".")[0] for name in fingerprint)} - {"d"}
    for name in names:
        if not isinstance(name, str) or name.partition(".")[0] not in known:
            raise OptionError(
                f"allow names what may differ from the checkpoint; got {name!r}. Valid names: "
                f"{', '.join(sorted(known))}"
            )
    return frozenset(names)


def _differing(before: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    """Name to a sentence, for each condition that differs; an option only where its type agrees."""
    found: dict[str, str] = {}
    for name in sorted(before.keys() | now.keys()):
        was, has = before.get(name), now.get(name)
        if was == has or any(above in found for above in _above(name)):
            continue
        found[name] = _sentence(name, was, has)
    return found if before else {}


def _sentence(name: str, was: str | None, has: str | None) -> str:
    if name == "roster" and was is not None and has is not None:
        old, new = _roster(was), _roster(has)
        gone = [worker for worker in old if worker not in new]
        came = [worker for worker in new if worker not in old]
        moves = [f"{_some(gone)} left it"] * bool(gone) + [f"{_some(came)} joined it"] * bool(came)
        return f"roster: {' and '.join(moves) or 'its order changed'}"
    if was is None or has is None:
        return f"{name} {'was not there' if was is None else 'was ' + was} and is " + (
            "not there" if has is None else has
        )
    return f"{name} was {was} and is {has}"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _roster(text: str) -> list[str]:
    try:
        return [str(name) for name in json.loads(text)]
    except (ValueError, TypeError) as error:
        raise StoreError(f"the checkpoint's roster is no list of names: {text[:40]}") from error


def _above(name: str) -> list[str]:
    """The name, and what it is an option of."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts) + 1)]


def _refuse(told: Progressed, differing: dict[str, str], allowed: frozenset[str]) -> None:
    if not told.fingerprint and UNKNOWN not in allowed:
        raise StoreError(
            "the checkpoint does not say what its run was begun with: it was made by hand, or by "
            f"a version that did not write that down. Pass allow={{'{UNKNOWN}'}} to go on from its "
            "point under the conditions given now, or begin anew"
        )
    refused = {
        name: sentence
        for name, sentence in differing.items()
        if name == "d" or not allowed.intersection(_above(name))
    }
    if not refused:
        return
    tops = sorted({name.partition(".")[0] for name in refused})
    cure = (
        "A point of another length cannot be gone on from: begin anew"
        if "d" in tops
        else f"Pass the same, or allow={{{', '.join(map(repr, tops))}}} to go on from its point, "
        "or begin anew"
    )
    raise StoreError(
        f"the checkpoint was begun under other conditions: {'; '.join(refused.values())}. {cure}"
    )
