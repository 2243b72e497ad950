"""Pre-aggregation: mix the rows first, then apply any rule to the mixtures.

Every pre-aggregation of this library is a matrix A (m' x m) whose rows sum to one: y = A x. Shifts
of all rows pass through it, and the Gram matrix of the mixtures is A K A', so that a rule that
needs only K (`saddleproof.aggregators.weighted`) reads the messages twice in all, mixed or not.
Other rules get the mixtures themselves, an (m', d) stack.

The inexactness is the rank bound over the messages as they came: it holds for any vector, while a
mixture is no honest worker's message.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saddleproof import arguments
from saddleproof.aggregators import by_shares
from saddleproof.aggregators.algorithm2 import IterativeFiltering
from saddleproof.aggregators.base import Aggregator, Estimate, Rule, check_breakdown, quiet
from saddleproof.aggregators.engine.gram import combine, gram, grams, mixed
from saddleproof.aggregators.engine.row_blocks import to_numpy
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.trusted import refuse_trusted
from saddleproof.aggregators.weighted import WeightedRule, estimate_of, points, vectors_of
from saddleproof.arrays import Array, Vector

#: Where nobody looks at distances.
EMPTY = Gram(np.empty((0, 0)), 0, np.empty(0))


class Mixing(Rule):
    """What the pre-aggregations share; each adds `matrix`, and `mixtures` if m' is not m."""

    rule: Aggregator
    #: Whether `matrix` looks at the Gram matrix.
    by_distance: ClassVar[bool] = True

    def __post_init__(self) -> None:
        arguments.check_options(self)
        arguments.aggregator("rule", self.rule)
        refuse_trusted(self, self.rule)

    def matrix(self, messages: Array, gram: Gram, b: int) -> Vector:
        """(m', m) matrix A with rows of sum 1, from (m, d) messages and their (m, m) Gram."""
        raise NotImplementedError

    def weighed(self, messages: Array, gram: Gram, shares: Vector, b: int) -> tuple[Vector, Vector]:
        """`matrix` for rows that count by (m,) shares, and the (m',) shares of the mixtures."""
        raise NotImplementedError

    def mixtures(self, m: int) -> int:
        """m', the number of mixtures of m messages."""
        return m

    def breakdown(self, m: int) -> int:
        """The most liars among the mixtures that the inner rule holds, and fewer than half."""
        return min(self.rule.breakdown(self.mixtures(m)), (m - 1) // 2)

    @quiet
    def __call__(self, messages: Array, b: int) -> Array:
        """The aggregate vector alone: (m, d) messages to (d,); see `Rule.__call__`."""
        x = vectors_of(messages)
        b = check_breakdown(self, len(x), b)
        K = gram(x) if self._needs_gram else EMPTY
        A = self.matrix(x, K, b)
        if isinstance(self.rule, WeightedRule | IterativeFiltering) and self._needs_gram:
            return combine(x, self.rule.weights(mixed(K, A), b) @ A)
        return self.rule(combine(x, A), b)

    def shared(self, stack: Vector, shares: Vector, b: int) -> Estimate:
        """Messages that count by shares: see `saddleproof.aggregators.by_shares.TakesShares`."""
        vectors, kept = [], []
        for x in points(stack):
            A, inner = self.weighed(x, gram(x) if self.by_distance else EMPTY, shares, b)
            found = by_shares.shared(self.rule, combine(x, A)[None], inner, b)
            vectors.append(found.vector[0])
            kept.append((A[found.kept[0]] > 0.0).any(axis=0))
        return by_shares.estimate_of(stack, np.stack(vectors), np.stack(kept), shares, b)

    def spoiled(self, b: int) -> int:
        """The most rows whose say b liars can take: their own, as far as the inner rule goes."""
        return by_shares.spoiled(self.rule, b)

    def check_shares(self) -> None:
        """Raise `OptionError` where the inner rule counts all rows alike."""
        by_shares.check_shares(self.rule)

    def _batch(self, stack: Array, b: int) -> Estimate:
        x = points(stack)
        all_K = grams(stack).each() if self._needs_gram else [EMPTY] * len(x)
        found = [self._one(*given, b) for given in zip(x, all_K, strict=True)]
        kept = np.stack([entered for _, entered in found])
        return estimate_of(stack, [vector for vector, _ in found], kept, b)

    def _one(self, x: Array, K: Gram, b: int) -> tuple[Array, NDArray[np.bool_]]:
        """The vector, and the rows that entered a mixture that entered it."""
        A = self.matrix(x, K, b)
        if isinstance(self.rule, WeightedRule | IterativeFiltering) and self._needs_gram:
            weights = self.rule.weights(mixed(K, A), b) @ A
            return combine(x, weights), weights > 0.0
        inner = self.rule.estimate(combine(x, A), b)
        return inner.vector, (A[to_numpy(inner.kept)] > 0.0).any(axis=0)

    @property
    def _needs_gram(self) -> bool:
        return self.by_distance or isinstance(self.rule, WeightedRule)
