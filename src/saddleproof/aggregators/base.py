"""GradAGG, Definition 3: from m messages, b of them perhaps lies, to one vector.

An aggregator is a frozen dataclass of options without hidden state. `estimate` serves one query
point; `estimates` serves a batch of them, and is what the oracle calls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from saddleproof.arrays import Array, as_stack, namespace
from saddleproof.errors import BreakdownError
from saddleproof.ranks import inflatable

BEYOND_A_THIRD = (
    "b={b} of m={m} is a third or more: the ranks that bound the error are then the liars' to set"
)


@dataclass(frozen=True)
class Estimate:
    """What a rule makes of the messages.

    Attributes:
        vector: (d,), or (q, d) for a batch. Same library, dtype and device as the messages.
        inexactness: how far `vector` may be from the honest workers' location, in the 2-norm;
            a float, or (q,) for a batch. None where nothing sound is known.
        kept: (m,), or (q, m), boolean: the rows that entered the vector, in one coordinate at
            least. A row that is left out round after round is a reason for suspicion.
        reason: why `inexactness` is None; empty otherwise.
    """

    vector: Array
    inexactness: Array | None
    kept: Array
    reason: str = ""


@runtime_checkable
class Aggregator(Protocol):
    """A robust aggregation rule (GradAGG, Definition 3)."""

    def estimate(self, messages: Array, b: int) -> Estimate:
        """(m, d) messages, at most b of them Byzantine, to vector, inexactness and kept."""

    def estimates(self, stack: Array, b: int) -> Estimate:
        """The same for a batch: (q, m, d) messages to (q, d), (q,) and (q, m)."""

    def __call__(self, messages: Array, b: int) -> Array:
        """(m, d) messages to the (d,) vector alone."""

    def breakdown(self, m: int) -> int:
        """The most Byzantine rows that m messages can hold."""


class Rule:
    """What all rules of this library share; a rule adds `_batch` and `breakdown`."""

    def __call__(self, messages: Array, b: int) -> Array:
        """The aggregate vector alone: (m, d) messages to (d,).

        Args:
            messages: (m, d) array of any supported library, or a list of m vectors.
            b: the most Byzantine rows among them, 0 <= b <= breakdown(m).

        Raises:
            BreakdownError: b is negative or more than m rows can hold.
            OptionError: the messages are no (m, d) stack of floating-point vectors.
        """
        return self.estimate(messages, b).vector

    def estimate(self, messages: Array, b: int) -> Estimate:
        """Vector, inexactness and kept for one query point: (m, d) messages; see `__call__`."""
        batch = self.estimates(as_stack(messages)[None, ...], b)
        inexactness = None if batch.inexactness is None else float(batch.inexactness[0])
        return Estimate(batch.vector[0, ...], inexactness, batch.kept[0, ...], batch.reason)

    def estimates(self, stack: Array, b: int) -> Estimate:
        """Vectors, inexactness and kept for q query points at once: a (q, m, d) stack."""
        m = int(stack.shape[1])
        check_breakdown(self, m, b)
        estimate = self._batch(stack, b)
        if estimate.inexactness is None and inflatable(m, b):
            return replace(estimate, reason=BEYOND_A_THIRD.format(b=b, m=m))
        return estimate

    def breakdown(self, m: int) -> int:
        """The most Byzantine rows that m messages can hold."""
        raise NotImplementedError

    def _batch(self, stack: Array, b: int) -> Estimate:
        raise NotImplementedError


def check_breakdown(rule: Aggregator | Rule, m: int, b: int) -> None:
    """Raise `BreakdownError` unless 0 <= b <= rule.breakdown(m)."""
    if not 0 <= b <= rule.breakdown(m):
        raise BreakdownError(
            f"{type(rule).__name__} holds at most {rule.breakdown(m)} Byzantine rows of {m}; "
            f"got b={b}. Lower b, or bring more workers"
        )


def norms(x: Array) -> Array:
    """2-norm over the last axis."""
    return namespace(x).linalg.vector_norm(x, axis=-1)
