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

Where workers also send losses, a loss is judged as one more coordinate of the gradient beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import Aggregator, Estimate
from saddleproof.arrays import Vector
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import MALFORMED, OK, Messages
from saddleproof.ranks import Interval, interval


class TooFewWorkers(BreakdownError):
    """So few honest rows may be left that the rule means nothing."""


@dataclass(frozen=True)
class Verdicts:
    """Who was heard in a round, who was not, and why.

    Attributes:
        heard: names of the workers whose rows were used.
        charged: worker to reason, for those proved bad in this round.
        absent: worker to "late" or "dead".
        strangers: sender to reason, for answers from outside the roster.
        overflowed: workers that answered NaN or Inf at a void point; not charged.
    """

    heard: tuple[str, ...] = ()
    charged: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    strangers: dict[str, str] = field(default_factory=dict)
    overflowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class MessageReading:
    """A `Reading` of admitted messages.

    Attributes:
        stack: (q, m, d) admitted rows, all finite; zero at void points.
        void: (q,), the points that overflow.
        aggregator, b: the rule, and the Byzantine budget that is left.
        verdicts: who was heard.
        losses: (q, m) admitted values, zero at void points; None where nobody was asked.
    """

    stack: Vector
    void: NDArray[np.bool_]
    aggregator: Aggregator
    b: int
    verdicts: Verdicts
    losses: Vector | None = None

    @cached_property
    def _all(self) -> Estimate:
        return self.combination(np.eye(len(self.stack)))

    @property
    def gradient(self) -> Vector:
        """(q, d): GradAGG at every query point."""
        vector: Vector = self._all.vector
        return vector

    @property
    def inexactness(self) -> Vector:
        """(q,): how far each row of `gradient` may be from the truth; inf where unknown."""
        known: Vector | None = self._all.inexactness
        return np.full(len(self.stack), np.inf) if known is None else known

    @cached_property
    def values(self) -> Interval:
        """See `Reading.values`: F at every query point, fields (q,)."""
        if self.losses is None:
            raise OptionError(
                "the workers sent no losses: the optimizer needs `needs_values = True`, and the "
                "problem a `values`"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            found = interval(self.losses, self.b)
        return _voided(found, self.void)

    def per_worker(self, function: Callable[[Vector], Vector]) -> Estimate:
        """See `Reading.per_worker`: one estimate, vector (1, p); NaN when a point is void."""
        m = self.stack.shape[1]
        with np.errstate(all="ignore"):
            # A liar's messages may overflow here; as a huge finite row it is one more outlier.
            rows = np.stack([function(self.stack[:, i]) for i in range(m)])
            estimate = self.aggregator.estimates(np.nan_to_num(rows)[None], self.b)
        if self.void.any():
            return Estimate(np.full_like(estimate.vector, np.nan), None, estimate.kept)
        return estimate

    def combination(self, coefficients: Vector) -> Estimate:
        """See `Reading.combination`: (p, q) coefficients to p estimates."""
        q, m, d = self.stack.shape
        with np.errstate(over="ignore", invalid="ignore"):
            rows = (coefficients @ self.stack.reshape(q, m * d)).reshape(-1, m, d)
            estimate = self.aggregator.estimates(rows, self.b)
        void = self._touches_void(coefficients)
        if not void.any():
            return estimate
        vector = np.where(void[:, None], np.nan, estimate.vector)
        inexactness = estimate.inexactness
        if inexactness is not None:
            inexactness = np.where(void, np.inf, inexactness)
        return Estimate(vector, inexactness, estimate.kept)

    def contrast(self, coefficients: Vector, directions: Vector) -> Interval:
        """See `Reading.contrast`: (p, q) coefficients and (p, d) directions to p intervals."""
        with np.errstate(over="ignore", invalid="ignore"):
            projected = np.einsum("qmd,pd->pqm", self.stack, directions, optimize=True)
            found = interval(np.einsum("pq,pqm->pm", coefficients, projected), self.b)
        return _voided(found, self._touches_void(coefficients))

    def intervals(self, coefficients: Vector, errors: Vector) -> Interval:
        """See `Reading.intervals`: (p, q) coefficients and errors to p times d intervals."""
        rows = self.stack.reshape(len(self.stack), -1)
        shape = (len(coefficients), *self.stack.shape[1:])
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.moveaxis((coefficients @ rows).reshape(shape), 1, -1)
            own = np.moveaxis(np.abs(errors @ rows).reshape(shape), 1, -1)
            low, high = interval(values - own, self.b).low, interval(values + own, self.b).high
            mid = interval(values, self.b).mid
        lost = (self._touches_void(coefficients) | self._touches_void(errors))[:, None]
        return Interval(
            np.where(lost | np.isnan(low), -np.inf, low),
            np.where(lost, np.nan, mid),
            np.where(lost | np.isnan(high), np.inf, high),
        )

    def _touches_void(self, coefficients: Vector) -> NDArray[np.bool_]:
        touched: NDArray[np.bool_] = ((coefficients != 0) & self.void).any(axis=1)
        return touched


def _voided(found: Interval, void: NDArray[np.bool_]) -> Interval:
    """Nothing is known where the points are void."""
    return Interval(
        np.where(void, -np.inf, found.low),
        np.where(void, np.nan, found.mid),
        np.where(void, np.inf, found.high),
    )


def read(
    messages: Messages,
    aggregator: Aggregator,
    b: int,
    *,
    points: Vector,
    workers: tuple[str, ...],
    excluded: Collection[str] = (),
) -> MessageReading:
    """Admit the messages of one round and make them readable.

    Args:
        messages: what the fleet handed over.
        aggregator: the rule.
        b: the most Byzantine workers among `workers`, those in `excluded` included.
        points: (q, d) query points that were sent; they fix the shape and dtype of an answer.
        workers: the roster.
        excluded: workers proved bad in earlier rounds; they are not heard again.

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
    stack = stack[:, ~poisoned, :]
    stack[void] = 0.0
    strangers = {name: why for name, why in messages.notes.items() if name not in workers}
    verdicts = Verdicts(tuple(rows), charged, absent, strangers, overflowed)
    budget = b - len(excluded) - len(charged)
    _check_budget(aggregator, budget, b, verdicts, excluded)
    admitted = None if losses is None else stack[:, :, d]
    return MessageReading(stack[:, :, :d], void, aggregator, budget, verdicts, admitted)


def _flaw(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str | None:
    if not isinstance(value, np.ndarray):
        return f"no array but {type(value).__name__}"
    if value.shape != shape:
        return f"wrong shape {value.shape}, not {shape}"
    if value.dtype != dtype:
        return f"wrong dtype {value.dtype}, not {dtype}"
    return None


def _check_budget(
    aggregator: Aggregator, budget: int, b: int, verdicts: Verdicts, excluded: Collection[str]
) -> None:
    bad = [*excluded, *(f"{name} ({why})" for name, why in verdicts.charged.items())]
    if budget < 0:
        raise TooFewWorkers(
            f"{len(bad)} workers were proved bad, but only b={b} were allowed for: "
            f"{', '.join(bad)}. Raise b, or replace them"
        )
    m = len(verdicts.heard)
    if m == 0 or budget > aggregator.breakdown(m):
        gone = [*bad, *(f"{name} ({why})" for name, why in verdicts.absent.items())]
        raise TooFewWorkers(
            f"{m} usable messages cannot hold b={budget} Byzantine ones for "
            f"{type(aggregator).__name__}; missing: {', '.join(gone) or 'none'}"
        )
