"""GradAGG, Definition 3: from m messages, b of them perhaps lies, to one vector.

An aggregator is a frozen dataclass of options without hidden state. `estimate` serves one query
point; `estimates` serves a batch of them, and is what the oracle calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

import numpy as np

from saddleproof import arguments
from saddleproof.aggregators.engine.row_blocks import detached, is_traced
from saddleproof.arrays import Array, as_stack, namespace
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.ranks import inflatable

BEYOND_A_THIRD = (
    "b={b} of m={m} is a third or more: the ranks that bound the error are then the liars' to set"
)

P = ParamSpec("P")
R = TypeVar("R")

#: For 64 and for 32 bits: numbers from the first to the second power of two are multiplied by the
#: third before they are squared.
SCALES = {
    64: ((-math.inf, -300, 600), (480, math.inf, -600)),
    32: ((-math.inf, -75, 100), (-75, -20, 50), (50, math.inf, -70)),
}


def quiet(function: Callable[P, R]) -> Callable[P, R]:
    """A function of rows that NumPy neither warns about nor stops, whatever the caller has set.

    What overflows, underflows or is NaN on the way is a lie or is nothing, and is dealt with.
    """

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    return inner


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

    @quiet
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

    @quiet
    def estimate(self, messages: Array, b: int) -> Estimate:
        """Vector, inexactness and kept for one query point: (m, d) messages; see `__call__`."""
        batch = self.estimates(as_stack(messages)[None, ...], b)
        inexactness = None if batch.inexactness is None else scalar(batch.inexactness[0])
        return Estimate(batch.vector[0, ...], inexactness, batch.kept[0, ...], batch.reason)

    @quiet
    def estimates(self, stack: Array, b: int) -> Estimate:
        """Vectors, inexactness and kept for q query points at once: a (q, m, d) stack."""
        m = int(stack.shape[1])
        b = check_breakdown(self, m, b)
        estimate = self._batch(stack, b)
        if estimate.inexactness is None and inflatable(m, b):
            return replace(estimate, reason=BEYOND_A_THIRD.format(b=b, m=m))
        return estimate

    def breakdown(self, m: int) -> int:
        """The most Byzantine rows that m messages can hold."""
        raise NotImplementedError(f"{type(self).__name__} lacks breakdown(m), the largest b")

    def _batch(self, stack: Array, b: int) -> Estimate:
        raise NotImplementedError(
            f"{type(self).__name__} lacks _batch(stack, b): a (q, m, d) stack to an Estimate"
        )


def check_breakdown(rule: Aggregator | Rule, m: int, b: int) -> int:
    """b as an int.

    Raises:
        OptionError: b is no whole number, or `rule` is no rule.
        BreakdownError: b is negative, or more than rule.breakdown(m).
    """
    if not isinstance(rule, Rule):
        arguments.aggregator("aggregator", rule)
    b = arguments.liars(b, m)
    most = rule.breakdown(m)
    if not arguments.is_real(most):
        raise OptionError(
            f"{type(rule).__name__}.breakdown({m}) must be a number of workers; got {most!r}"
        )
    if not b <= most:
        raise BreakdownError(
            f"{type(rule).__name__} holds at most {most} Byzantine rows of {m}; "
            f"got b={b}. Lower b, or bring more workers"
        )
    return b


def scalar(x: Array) -> Any:
    """One number of any library as a float; as it is inside a transformation of JAX."""
    return x if is_traced(x) else float(detached(x))


def norms(x: Array) -> Array:
    """2-norm over the last axis, of numbers of any size; 16 bits become 32.

    What is very large or very small is scaled by a power of two first (as in Blue, ACM TOMS 4(1),
    1978), and nothing else is: a scale of all numbers changes no bit.
    """
    xp = namespace(x)
    if xp.finfo(x.dtype).bits == 16:
        x = xp.astype(x, xp.float32)
    if not x.shape[-1]:
        return xp.sum(x, axis=-1)
    largest = xp.max(xp.abs(x), axis=-1, keepdims=True)
    factor = xp.ones_like(largest)
    for first, last, power in SCALES[xp.finfo(x.dtype).bits]:
        within = (largest >= 2.0**first) & (largest < 2.0**last)
        factor = xp.where(within, 2.0**power, factor)
    return xp.linalg.vector_norm(x * factor, axis=-1) / factor[..., 0]
