"""Rules whose answer is a weighted sum of rows, with weights that distances alone decide.

Such a rule is one function from the Gram matrix to weights, `weights(K, b)`; everything else is
the same for all of them: one pass over the messages for K (`saddleproof.aggregators.engine.gram`),
m-sized work, one pass for sum_i w_i x_i. They are rotation-equivariant.

What bounds the error of a coordinate-wise rule bounds theirs: the rank bound of
`saddleproof.aggregators.inexactness` holds for any vector, whoever made it. It is computed by
`estimate`, at the price of a sort; calling the rule gives the vector alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof import arguments
from saddleproof.aggregators.base import Estimate, Rule, quiet
from saddleproof.aggregators.engine.gram import combine, combined, gram, grams
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.inexactness import stack_inexactness
from saddleproof.arrays import Array, Vector, as_stack, namespace
from saddleproof.errors import BreakdownError


class WeightedRule(Rule):
    """What the rules of this kind share; a rule adds `weights` and `breakdown`."""

    @property
    def needs(self) -> str:
        """What m and b must satisfy, as the error says it."""
        return "m > 2b"

    def weights(self, gram: Gram, b: int) -> Vector:
        """The Gram matrix of m messages to (m,) weights, not negative, of sum 1.

        They must not depend on the unit that the matrix is in (`engine/units.py`).
        """
        raise NotImplementedError

    @quiet
    def __call__(self, messages: Array, b: int) -> Array:
        """The aggregate vector alone: (m, d) messages to (d,); see `Rule.__call__`."""
        x = vectors_of(messages)
        require(self, len(x), b, self.needs)
        return combine(x, self.weights(gram(x), b))

    def estimates(self, stack: Array, b: int) -> Estimate:
        """Vectors, inexactness and kept for q query points at once: a (q, m, d) stack."""
        require(self, int(stack.shape[1]), b, self.needs)
        return super().estimates(stack, b)

    def _batch(self, stack: Array, b: int) -> Estimate:
        return weighted_sums(stack, [self.weights(K, b) for K in grams(stack).each()], b)


def weighted_sums(stack: Array, weights: list[Vector], b: int) -> Estimate:
    """The estimate whose vectors are sum_i w_i x_i: a (q, m, d) stack, and q times (m,)."""
    w = np.stack(weights)
    return estimate_of(stack, combined(stack, w), w > 0.0, b)


def estimate_of(stack: Array, vectors: list[Array], kept: NDArray[np.bool_], b: int) -> Estimate:
    """q vectors (d,) and (q, m) kept as one estimate, with the rank bound of their error."""
    xp = namespace(stack)
    vector = xp.stack(vectors)
    return Estimate(vector, stack_inexactness(stack, vector, b), like(kept, stack))


def vectors_of(messages: Array) -> Array:
    """An (m, d) stack, or a list of m vectors of one kind as it is: neither pass needs a stack."""
    if not isinstance(messages, list | tuple) or not messages:
        return as_stack(messages)
    kinds = {(getattr(v, "shape", None), getattr(v, "dtype", None), type(v)) for v in messages}
    if len(kinds) > 1 or getattr(messages[0], "ndim", 0) != 1:
        return as_stack(messages)
    as_stack([messages[0][:1]])  # refuses what is not floating point
    return messages


def points(stack: Array) -> list[Array]:
    """The (m, d) messages of each of q query points."""
    return [stack[k, ...] for k in range(int(stack.shape[0]))]


def like(mask: NDArray[np.bool_], stack: Array) -> Any:
    """A NumPy mask as an array of the stack's library and device."""
    if isinstance(stack, np.ndarray):
        return mask
    from array_api_compat import device

    return namespace(stack).asarray(mask, device=device(stack))


def require(rule: Rule, m: int, b: int, needs: str) -> None:
    """Raise `BreakdownError`, naming the condition, unless 0 <= b <= rule.breakdown(m)."""
    if arguments.liars(b, m) > rule.breakdown(m):
        raise BreakdownError(
            f"{type(rule).__name__} needs {needs}; got m={m}, b={b}. Lower b, or bring more workers"
        )
