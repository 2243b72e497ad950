"""Who computes: a fixed roster of workers that answer gradients at query points.

A fleet sends q points to m workers and hands back what came, unjudged. Admission (shape, dtype,
finiteness) and aggregation happen in `saddleproof.oracle`, on the server's side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from saddleproof.arrays import Array
from saddleproof.questions import Question

OK, LATE, DEAD, MALFORMED = "ok", "late", "dead", "malformed"


@dataclass(frozen=True)
class Messages:
    """The answers of one round.

    Attributes:
        values: for gradients (q, m, d) in roster order; or a sequence of m answers in roster
            order, each an array of the question's shape, None, or whatever the worker sent.
        status: per worker "ok", "late", "dead" or "malformed" (what the transport saw), or another
            word for why it was not heard, such as "not asked".
        notes: worker or sender name to what was wrong, for the trace.
        losses: (q, m) values F_i of the workers' losses, or a sequence of m (q,) answers; None
            where they were not announced, or the fleet has none.
        refused: worker or sender to how many of its answers and connections the transport turned
            away since the round before. No proof of anything; what is one is malformed too.
    """

    values: Array | Sequence[Any]
    status: tuple[str, ...]
    notes: Mapping[str, str] = field(default_factory=dict)
    losses: Array | Sequence[Any] | None = None
    refused: Mapping[str, int] = field(default_factory=dict)

    @property
    def answers(self) -> list[Any]:
        """One answer a worker, in roster order."""
        if isinstance(self.values, np.ndarray) and self.values.ndim == 3:
            return [self.values[:, i, :] for i in range(self.values.shape[1])]
        return list(self.values)

    @property
    def loss_answers(self) -> list[Any] | None:
        """One (q,) answer a worker, in roster order; None when no worker was asked."""
        if isinstance(self.losses, np.ndarray) and self.losses.ndim == 2:
            return [self.losses[:, i] for i in range(self.losses.shape[1])]
        return None if self.losses is None else list(self.losses)


@dataclass(frozen=True)
class Announcement:
    """What the server makes public before the first round; the paper's adversary knows it all.

    Attributes:
        aggregate: the rule in use, (q, m, d) and b to (q, d) vectors.
        b: the number of Byzantine workers that the server allows for.
        optimizer: the optimizer's options (its random numbers stay with the server).
    """

    aggregate: Any
    b: int
    optimizer: Any = None

    @property
    def losses(self) -> bool:
        """Whether workers shall also send their loss F_i at every query point."""
        return bool(getattr(self.optimizer, "needs_values", False))


@runtime_checkable
class Fleet(Protocol):
    """Workers behind a transport. Identity comes from the transport, never from a payload."""

    workers: tuple[str, ...]

    def announce(self, announcement: Announcement) -> None:
        """Hear the public rules of the run; honest fleets need only `losses` of them."""

    def round(self, points: Array, *, round_id: int, timeout: float | None = None) -> Messages:
        """Gradients of all workers at (q, d) points: one broadcast and one gather."""

    def close(self) -> None:
        """Release what the fleet holds; closing twice is harmless."""


@runtime_checkable
class AnsweringFleet(Fleet, Protocol):
    """A fleet whose workers answer more than gradients.

    Attributes:
        questions: the kinds that they answer, see `saddleproof.questions`.
    """

    questions: Sequence[type]

    def ask(self, question: Question, *, round_id: int, timeout: float | None = None) -> Messages:
        """All workers' answers to one question: one broadcast and one gather."""


@runtime_checkable
class ExcludingFleet(Fleet, Protocol):
    """A fleet that need not ask those who were proved bad, nor wait for them."""

    def exclude(self, excluded: Mapping[str, str]) -> None:
        """Take the seats of workers: name to how it was proved bad; twice is as good as once."""


def collect(
    workers: tuple[str, ...],
    answers: Iterable[tuple[str, Any]],
    *,
    absent: Mapping[str, str] | None = None,
) -> Messages:
    """Sort (sender, payload) pairs from any transport into `Messages`.

    A second vote makes the worker "malformed": both its votes are void. A sender that is not on
    the roster is noted and dropped. Workers without an answer are "late" unless `absent` says
    otherwise.
    """
    values: dict[str, Any] = {}
    status = {name: (absent or {}).get(name, LATE) for name in workers}
    notes: dict[str, str] = {}
    for name, payload in answers:
        if name not in status:
            notes[name] = "not on the roster"
        elif name in values:
            status[name], notes[name] = MALFORMED, "second vote"
        else:
            values[name], status[name] = payload, OK
    return Messages(
        values=[values.get(name) for name in workers],
        status=tuple(status[name] for name in workers),
        notes=notes,
    )
