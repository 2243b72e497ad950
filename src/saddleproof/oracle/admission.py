"""From the messages of one round to what an optimizer may know of it (GradAGG, Definition 3).

What happens to a message:

    wrong shape, wrong dtype, NaN, Inf, second vote   proved bad: dropped, named, charged to b
                                                      (b and m fall by one, for good)
    late or dead                                      unknown: dropped, m falls by one, b stays
    sender not on the roster                          dropped and named; b stays, since it was
                                                      never one of the m
    too few rows left for the rule                    TooFewWorkers: the run stops, nothing lost

A query point at which *more than b* workers answer NaN or Inf is void: at least one of them is
honest, so it is the point that overflows, and nobody is charged for it. Its gradient reads NaN
and its inexactness inf.

A rule with memory is, in each round, the ordinary rule that its memory chose
(`saddleproof.aggregators.memory`); the memory for the next round comes back with the reading.

Where workers also send losses, a loss is judged as one more coordinate of the gradient beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import Aggregator
from saddleproof.aggregators.memory import RememberingRule
from saddleproof.arrays import Vector
from saddleproof.border import read_only
from saddleproof.errors import BreakdownError
from saddleproof.fleets.base import MALFORMED, OK, Messages
from saddleproof.oracle.answers import AnswerReading
from saddleproof.oracle.gradients import MessageReading, Verdicts
from saddleproof.questions import Changes, Question


class TooFewWorkers(BreakdownError):
    """So few honest rows may be left that the rule means nothing."""


def read(
    messages: Messages,
    aggregator: Aggregator,
    b: int,
    *,
    points: Vector,
    workers: tuple[str, ...],
    excluded: Collection[str] = (),
    memory: object = None,
) -> MessageReading:
    """Admit the messages of one round and make them readable.

    Args:
        messages: what the fleet handed over.
        aggregator: the rule.
        b: the most Byzantine workers among `workers`, those in `excluded` included.
        points: (q, d) query points that were sent; they fix the shape and dtype of an answer.
        workers: the roster.
        excluded: workers proved bad in earlier rounds; they are not heard again.
        memory: what a rule with memory remembers; without it the rule answers as in a first
            round, and learns nothing.

    Raises:
        TooFewWorkers: more workers were proved bad than b allows for, or fewer rows are left
            than the rule needs. Names the workers.
    """
    q, d = points.shape
    losses = messages.loss_answers
    rows: dict[str, Vector] = {}
    charged: dict[str, str] = {}
    absent: dict[str, str] = {}
    for name, value, loss, status in zip(
        workers,
        messages.answers,
        messages.answers if losses is None else losses,
        messages.status,
        strict=True,
    ):
        if name in excluded:
            continue
        if status == MALFORMED:
            charged[name] = messages.notes.get(name, "malformed")
        elif status != OK:
            absent[name] = status
        elif flaw := _flaw(value, (q, d), points.dtype):
            charged[name] = flaw
        elif losses is not None and (flaw := _flaw(loss, (q,), points.dtype)):
            charged[name] = f"loss: {flaw}"
        else:
            rows[name] = np.asarray(value)  # a subclass could bring its own arithmetic
            if losses is not None:
                rows[name] = np.column_stack([rows[name], loss])
    budget = b - len(excluded) - len(charged)
    stack = np.stack(list(rows.values()), axis=1) if rows else np.empty((q, 0, d + 1), points.dtype)
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(stack).all(axis=2))  # (q, m)
    void: NDArray[np.bool_] = np.sum(~finite, axis=1) > max(budget, 0)
    poisoned: NDArray[np.bool_] = np.asarray(~finite[~void].all(axis=0))
    for name, bad in zip(tuple(rows), poisoned, strict=True):
        if bad:
            charged[name] = "NaN or Inf"
            del rows[name]
    overflowed = tuple(np.array(list(rows), dtype=object)[~finite[void][:, ~poisoned].all(axis=0)])
    # Selecting copies all messages; mostly there is nothing to leave out.
    stack = stack[:, ~poisoned, :] if poisoned.any() else stack
    stack[void] = 0.0
    strangers = {name: why for name, why in messages.notes.items() if name not in workers}
    verdicts = Verdicts(
        tuple(rows), charged, absent, strangers, overflowed, refused=dict(messages.refused)
    )
    budget = b - len(excluded) - len(charged)
    _check_budget(aggregator, budget, b, verdicts, excluded, messages.notes)
    stack.flags.writeable = False  # rules and optimizers read it
    admitted = None if losses is None else stack[:, :, d]
    reading = MessageReading(stack[:, :, :d], void, aggregator, budget, verdicts, admitted)
    return reading if memory is None else _recall(reading, memory, points)


def admit(
    messages: Messages,
    question: Question,
    aggregator: Aggregator,
    b: int,
    *,
    workers: tuple[str, ...],
    excluded: Collection[str] = (),
) -> AnswerReading:
    """Admit the answers to a question about the workers' own losses.

    A wrong shape, a wrong dtype and NaN are proofs of a bad worker, as among gradients. An infinite
    answer is not: a bound that a worker cannot give, or a loss that overflows far away.

    Args:
        messages: what the fleet handed over.
        question: what was asked; it fixes the shape and dtype of an answer.
        aggregator: the rule of the run; a round of numbers needs as many workers as it does.
        b: the most Byzantine workers among `workers`, those in `excluded` included.
        workers: the roster.
        excluded: workers proved bad in earlier rounds; they are not heard again.

    Raises:
        TooFewWorkers: more workers were proved bad than b allows for, or fewer rows are left
            than the rule needs.
    """
    rows: dict[str, Vector] = {}
    charged: dict[str, str] = {}
    absent: dict[str, str] = {}
    for name, value, status in zip(workers, messages.answers, messages.status, strict=True):
        if name in excluded:
            continue
        if status == MALFORMED:
            charged[name] = messages.notes.get(name, "malformed")
        elif status != OK:
            absent[name] = status
        elif flaw := _flaw(value, question.shape, question.dtype) or _unreadable(value, question):
            charged[name] = flaw
        else:
            rows[name] = np.asarray(value)
    strangers = {name: why for name, why in messages.notes.items() if name not in workers}
    verdicts = Verdicts(tuple(rows), charged, absent, strangers, refused=dict(messages.refused))
    budget = b - len(excluded) - len(charged)
    _check_budget(aggregator, budget, b, verdicts, excluded, messages.notes)
    return AnswerReading(question, read_only(np.stack(list(rows.values()))), budget, verdicts)


def _unreadable(value: Vector, question: Question) -> str | None:
    if np.isnan(value).any():
        return "NaN"
    if isinstance(question, Changes) and np.isneginf(value).any():
        return "a loss that falls by infinity"
    return None


def _recall(reading: MessageReading, memory: object, points: Vector) -> MessageReading:
    """The reading, by the rule that this round's memory chooses."""
    if not isinstance(reading.aggregator, RememberingRule):
        return reading
    try:
        recalled = reading.aggregator.recall(
            memory, reading.stack, reading.b, workers=reading.verdicts.heard, points=points
        )
    except BreakdownError as error:
        raise TooFewWorkers(str(error)) from error
    return replace(reading, recalled=recalled)


def _flaw(value: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str | None:
    if not isinstance(value, np.ndarray):
        return f"no array but {type(value).__name__}"
    if np.ma.is_masked(value):
        return "masked entries"
    if value.shape != shape:
        return f"wrong shape {value.shape}, not {shape}"
    if value.dtype != dtype:
        return f"wrong dtype {value.dtype}, not {dtype}"
    return None


def _check_budget(
    aggregator: Aggregator,
    budget: int,
    b: int,
    verdicts: Verdicts,
    excluded: Collection[str],
    notes: Mapping[str, str],
) -> None:
    bad = [*excluded, *(f"{name} ({why})" for name, why in verdicts.charged.items())]
    if budget < 0:
        raise TooFewWorkers(
            f"{len(bad)} workers were proved bad, but only b={b} were allowed for: "
            f"{', '.join(bad)}. Raise b, or replace them"
        )
    m = len(verdicts.heard)
    if m == 0 or budget > aggregator.breakdown(m):
        told = {name: f": {notes[name]}" if name in notes else "" for name in verdicts.absent}
        gone = [*bad, *(f"{name} ({why}{told[name]})" for name, why in verdicts.absent.items())]
        raise TooFewWorkers(
            f"{m} usable messages cannot hold b={budget} Byzantine ones for "
            f"{type(aggregator).__name__}; missing: {', '.join(gone) or 'none'}"
        )
