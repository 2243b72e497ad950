"""What an optimizer may know of one round: admitted messages, and the rule over them.

The messages of a worker are combined before the rule sees them (`combination`, `per_worker`), or
become one number a worker, to be judged by ranks (`contrast`, `intervals`, `values`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import Aggregator, Estimate
from saddleproof.aggregators.memory import Recalled
from saddleproof.arrays import Vector
from saddleproof.border import answer, only_reads, read_only
from saddleproof.errors import OptionError
from saddleproof.ranks import Interval, interval


@dataclass(frozen=True)
class Verdicts:
    """Who was heard in a round, who was not, and why.

    Attributes:
        heard: names of the workers whose rows were used.
        charged: worker to reason, for those proved bad in this round.
        absent: worker to "late", "dead", or "not asked" in a round of a sample.
        strangers: sender to reason, for answers from outside the roster.
        overflowed: workers that answered NaN or Inf at a void point; not charged.
        refused: worker or sender to how many of its answers and connections the transport turned
            away since the round before. A refused answer is not evidence of lying.
    """

    heard: tuple[str, ...] = ()
    charged: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    strangers: dict[str, str] = field(default_factory=dict)
    overflowed: tuple[str, ...] = ()
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class MessageReading:
    """A `Reading` of admitted messages.

    Attributes:
        stack: (q, m, d) admitted rows, all finite; zero at void points.
        void: (q,), the points that overflow.
        aggregator, b: the rule, and the Byzantine budget that is left.
        verdicts: who was heard.
        losses: (q, m) admitted values, zero at void points; None where nobody was asked.
        recalled: what a rule with memory made of this round; None for any other.
    """

    stack: Vector
    void: NDArray[np.bool_]
    aggregator: Aggregator
    b: int
    verdicts: Verdicts
    losses: Vector | None = None
    recalled: Recalled | None = None

    @property
    def workers(self) -> tuple[str, ...]:
        """(m,) the names of the rows of `stack`."""
        return self.verdicts.heard

    @property
    def memory(self) -> Any:
        """For the next round; None where the rule has none."""
        return None if self.recalled is None else self.recalled.memory

    @cached_property
    def _all(self) -> Estimate:
        if self.recalled is None and not self.void.any():  # nothing to combine
            with np.errstate(over="ignore", invalid="ignore"):
                return estimates(self.aggregator, self.stack, self.b)
        return self.combination(np.eye(len(self.stack), dtype=self.stack.dtype))

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

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(q, m): the rows, in the order of `verdicts.heard`, that entered each aggregate."""
        return np.asarray(self._all.kept, dtype=bool)

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
            rule = self.aggregator if self.recalled is None else self.recalled.rule
            estimate = estimates(rule, np.nan_to_num(rows)[None], self.b)
        if self.void.any():
            return Estimate(np.full_like(estimate.vector, np.nan), None, estimate.kept)
        return estimate

    def combination(self, coefficients: Vector) -> Estimate:
        """See `Reading.combination`: (p, q) coefficients to p estimates."""
        q, m, d = self.stack.shape
        with np.errstate(over="ignore", invalid="ignore"):
            rows = (coefficients @ self.stack.reshape(q, m * d)).reshape(-1, m, d)
            if self.recalled is None:
                estimate = estimates(self.aggregator, rows, self.b)
            else:
                estimate = self.recalled.aggregated(rows, coefficients.sum(axis=1), self.b)
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
            below, above = interval(values - own, self.b), interval(values + own, self.b)
            slack = np.minimum(below.slack, above.slack)
            mid = interval(values, self.b).mid
        lost = (self._touches_void(coefficients) | self._touches_void(errors))[:, None]
        return _voided(Interval(below.low, mid, above.high, slack), lost)

    def _touches_void(self, coefficients: Vector) -> NDArray[np.bool_]:
        touched: NDArray[np.bool_] = ((coefficients != 0) & self.void).any(axis=1)
        return touched


def estimates(rule: Aggregator, stack: Vector, b: int) -> Estimate:
    """What a rule makes of a (q, m, d) stack, which is for reading; its answer is copied.

    Raises:
        OptionError: the rule wrote into the messages, or answered with another shape or with
            something else than real numbers.
    """
    q, m, d = stack.shape
    whose = f"{type(rule).__name__}.estimates"
    with only_reads(whose):
        found = rule.estimates(read_only(stack), b)
        if not isinstance(found, Estimate):
            raise OptionError(
                f"{type(rule).__name__}.estimates must return an Estimate of vector, inexactness "
                f"and kept; got {type(found).__name__}"
            )
    if not isinstance(found, Estimate):
        raise OptionError(f"{whose} must return an Estimate; got {type(found).__name__}")
    vector = answer(found.vector, (q, d), f"the vector of {whose}").astype(stack.dtype)
    vector.flags.writeable = False
    if np.shape(found.kept) != (q, m):
        raise OptionError(f"kept of {whose} must be ({q}, {m}); got shape {np.shape(found.kept)}")
    inexactness = found.inexactness
    if inexactness is not None:
        inexactness = np.array(answer(inexactness, (q,), f"the inexactness of {whose}"))
    return replace(found, vector=vector, inexactness=inexactness)


def _voided(found: Interval, void: NDArray[np.bool_]) -> Interval:
    """Nothing is known where the points are void, or where huge lies made an end NaN."""
    return Interval(
        np.where(void | np.isnan(found.low), -np.inf, found.low),
        np.where(void, np.nan, found.mid),
        np.where(void | np.isnan(found.high), np.inf, found.high),
        np.where(void | np.isnan(found.slack), 0.0, found.slack),
    )
