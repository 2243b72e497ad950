"""A rule in which workers count by their rows, as far as b liars allow.

Nobody can check how many rows a worker holds: a stated count is the worker's own word. So weights
are capped (`saddleproof.aggregators.shares.capped`): whichever b workers lie, and whatever counts
they state, they hold less than 1/3 of the mass (1/2 where b >= m/3).

The mean, the median and the trimmed mean take shares, and what mixes before it aggregates does:
`NearestNeighborMixing`, `Bucketing` and `Clipping` around them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from saddleproof.aggregators import shares as masses
from saddleproof.aggregators.base import Aggregator, Estimate, Rule
from saddleproof.aggregators.draco import Seats
from saddleproof.aggregators.mean import Mean
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.memory import Recalled, Remembering, positions
from saddleproof.aggregators.trimmed_mean import TrimmedMean
from saddleproof.arrays import Array, Vector
from saddleproof.errors import OptionError

#: What takes shares by itself.
PLAIN = (Mean, Median, TrimmedMean)


@runtime_checkable
class TakesShares(Protocol):
    """A rule that can count its rows unequally."""

    def shared(self, stack: Vector, shares: Vector, b: int) -> Estimate:
        """(q, m, d) messages and (m,) shares of sum 1 to q estimates."""

    def spoiled(self, b: int) -> int:
        """The most rows whose say b liars can take."""

    def check_shares(self) -> None:
        """Raise `OptionError` where an inner rule takes no shares."""


def check_shares(rule: object) -> None:
    """Refuse a rule that counts all rows alike.

    Raises:
        OptionError: names the rule, and those that take weights.
    """
    if isinstance(rule, TakesShares):
        rule.check_shares()
    elif type(rule) not in PLAIN:
        raise OptionError(
            f"{type(rule).__name__} counts all workers alike and takes no weights. Take "
            "TrimmedMean(), Median(), Mean(), or NearestNeighborMixing, Bucketing or Clipping "
            "around one of them; or leave weights out"
        )


def spoiled(rule: object, b: int) -> int:
    """The most rows whose say b liars can take."""
    return rule.spoiled(b) if isinstance(rule, TakesShares) else b


def shared(rule: Aggregator, stack: Vector, shares: Vector, b: int) -> Estimate:
    """What a rule makes of (q, m, d) messages that count by (m,) shares.

    Raises:
        OptionError: the rule takes no shares, or the messages are not NumPy's.
    """
    check_shares(rule)
    if not isinstance(stack, np.ndarray):
        raise OptionError(
            f"weights are for messages in NumPy arrays; got {type(stack).__name__}. Convert them"
        )
    if isinstance(rule, TakesShares):
        return rule.shared(stack, shares, b)
    if isinstance(rule, Median):
        vector, kept = masses.median(stack, shares)
    else:
        cut = masses.heaviest(shares, b) if isinstance(rule, TrimmedMean) else 0.0
        vector, kept = masses.trimmed(stack, shares, cut)
    return estimate_of(stack, vector, kept, shares, b)


def estimate_of(stack: Vector, vector: Vector, kept: object, shares: Vector, b: int) -> Estimate:
    """An estimate with the rank bound by masses."""
    bound = masses.inexactness(stack, vector, shares, b)
    why = "" if bound is not None else f"b={b} workers may hold a third of the weight or more"
    return Estimate(vector, bound, kept, why)


@dataclass(frozen=True)
class ByShares(Remembering):
    """A rule whose workers count by given weights, capped anew for the workers heard in a round.

    Weights are known by the workers' places on the roster, so this is a rule with a memory, the
    roster, in which nothing is learned. Called without names, with as many rows as there are
    weights, it takes the rows for the whole roster; with fewer, all rows count alike. Messages are
    NumPy's. Cost O(m d log m) and a few copies of the messages, beside the rule's own mixing.

    Args:
        rule: what counts by shares: `TrimmedMean()`, `Median()`, `Mean()`, or
            `NearestNeighborMixing`, `Bucketing` or `Clipping` around one of them.
        weights: one positive number a worker, in the order of the roster.

    Raises:
        OptionError: a rule that takes no shares; weights that are not positive and finite.

    >>> rule = ByShares(TrimmedMean(), (80.0, 10.0, 10.0, 10.0, 10.0))
    >>> rule(np.array([[1e9], [1.0], [1.0], [2.0], [2.0]]), b=1).round(3)
    array([2.])
    """

    rule: Aggregator
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        check_shares(self.rule)
        w = np.asarray(self.weights, dtype=float)
        if w.ndim != 1 or not len(w) or not (np.isfinite(w) & (w > 0)).all():
            raise OptionError(f"weights must be positive and finite; got {self.weights!r:.60}")
        object.__setattr__(self, "weights", tuple(float(x) for x in w))

    def breakdown(self, m: int) -> int:
        """The rule's own."""
        return self.rule.breakdown(m)

    def begin(self, workers: tuple[str, ...], d: int) -> Seats:
        """The roster.

        Raises:
            OptionError: there is not one weight a worker.
        """
        if len(workers) != len(self.weights):
            raise OptionError(f"weights must be one a worker, {len(workers)}; got {self.weights}")
        return Seats(workers)

    def recall(
        self, memory: Seats, stack: Vector, b: int, *, workers: tuple[str, ...], points: Vector
    ) -> Recalled:
        """The rule with the shares of the workers that were heard."""
        heard = np.array(self.weights)[positions(memory.workers, workers)]
        return Recalled(self._with(heard, b), memory)

    def _batch(self, stack: Array, b: int) -> Estimate:
        m = int(stack.shape[1])
        given = np.array(self.weights) if m == len(self.weights) else np.ones(m)
        return self._with(given, b).estimates(stack, b)

    def _with(self, weights: Vector, b: int) -> WithShares:
        rule = self.rule
        counted = rule.counted(len(weights), b) if isinstance(rule, InSample) else b
        return WithShares(rule, masses.capped(weights, counted, spoiled(rule, counted)))


@dataclass(frozen=True, eq=False)
class WithShares(Rule):
    """The rule of one round, its rows and their shares fixed.

    Args:
        rule: what counts by shares.
        shares: (m,) of sum 1.
    """

    rule: Aggregator
    shares: Vector

    def breakdown(self, m: int) -> int:
        """The rule's own."""
        return self.rule.breakdown(m)

    def estimates(self, stack: Array, b: int) -> Estimate:
        """Vectors, inexactness and kept for q query points at once: a (q, m, d) stack."""
        return shared(self.rule, stack, self.shares, b)


@dataclass(frozen=True)
class InSample(Rule):
    """A rule for rounds that ask some of the workers, of whom fewer than b of all are feared.

    With more rows than `size` it is `rule`.

    Args:
        rule: what aggregates; none with a memory.
        size: workers that a round asks.
        b: the most liars among them, by the caller's word.
    """

    rule: Aggregator
    size: int
    b: int

    def __post_init__(self) -> None:
        if isinstance(self.rule, Remembering):
            raise OptionError(
                f"{type(self.rule).__name__} remembers, and a sample with a b of its own takes no "
                "rule with a memory. Leave out b of the sample, or take TrimmedMean()"
            )

    def counted(self, m: int, b: int) -> int:
        """The most liars among m rows."""
        return min(b, self.b) if m <= self.size else b

    def breakdown(self, m: int) -> int:
        """In a sample as many as there are anywhere, if the rule holds those that are feared."""
        own = self.rule.breakdown(m)
        return 2**31 if m <= self.size and own >= self.b else own

    def estimates(self, stack: Array, b: int) -> Estimate:
        """Vectors, inexactness and kept for q query points at once: a (q, m, d) stack."""
        return self.rule.estimates(stack, self.counted(int(stack.shape[1]), b))

    def shared(self, stack: Vector, shares: Vector, b: int) -> Estimate:
        """See `TakesShares.shared`."""
        return shared(self.rule, stack, shares, self.counted(stack.shape[1], b))

    def spoiled(self, b: int) -> int:
        """See `TakesShares.spoiled`."""
        return spoiled(self.rule, b)

    def check_shares(self) -> None:
        """See `TakesShares.check_shares`."""
        check_shares(self.rule)
