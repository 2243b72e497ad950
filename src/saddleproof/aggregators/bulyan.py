"""Bulyan (El Mhamdi, Guerraoui, Rouault, ICML 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import Estimate, Rule, quiet
from saddleproof.aggregators.engine.gram import distances, gram, grams
from saddleproof.aggregators.engine.row_blocks import Rows, to_numpy
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.weighted import estimate_of, points, require, vectors_of
from saddleproof.arrays import Array, namespace


@dataclass(frozen=True)
class Bulyan(Rule):
    """Krum chooses m - 2b rows one by one; coordinate by coordinate, the middle ones are averaged.

    1. theta = m - 2b times: the Krum winner among the remaining n rows (n - b - 2 nearest others,
       at least one) is moved to the selection.
    2. In each coordinate, the theta - 2b selected values nearest to their median are averaged.

    Step 2 is what a single huge coordinate cannot pass. Conventions: squared distances; ties of
    scores go to the row whose next neighbour is nearer, then to the smallest index; midpoint
    median; of equally near values the smaller one. Needs
    m >= 4b + 3. Inexactness: the rank bound, a proof about the honest median plus a standard error
    (`saddleproof.aggregators.inexactness`). Cost O(m^2 d + m^3).

    >>> Bulyan()(np.array([[1.0], [1.0], [1.0], [1.0], [2.0], [2.0], [90.0]]), b=1)
    array([1.])
    """

    def breakdown(self, m: int) -> int:
        """The largest b with m >= 4b + 3."""
        return (m - 3) // 4

    @quiet
    def __call__(self, messages: Array, b: int) -> Array:
        """The aggregate vector alone: (m, d) messages to (d,); see `Rule.__call__`."""
        x = vectors_of(messages)
        require(self, len(x), b, "m >= 4b + 3")
        return _bulyan(x, gram(x), b)[0]

    def estimates(self, stack: Array, b: int) -> Estimate:
        """Vectors, inexactness and kept for q query points at once: a (q, m, d) stack."""
        require(self, int(stack.shape[1]), b, "m >= 4b + 3")
        return super().estimates(stack, b)

    def _batch(self, stack: Array, b: int) -> Estimate:
        found = [_bulyan(x, K, b) for x, K in zip(points(stack), grams(stack).each(), strict=True)]
        kept = np.stack([entered for _, entered in found])
        return estimate_of(stack, [vector for vector, _ in found], kept, b)


def _bulyan(x: Array, gram: Gram, b: int) -> tuple[Array, NDArray[np.bool_]]:
    chosen = selection(gram, b)
    rows = Rows.of(x, chosen)
    pieces, entered = [], np.zeros(len(chosen), dtype=bool)
    for _, block in rows.blocks():
        mean, low, high = _around_median(block, len(chosen) - 2 * b)
        xp = namespace(block)
        pieces.append(mean)
        entered |= to_numpy(xp.any((block >= low) & (block <= high), axis=1))
    kept = np.zeros(len(x), dtype=bool)
    kept[chosen[entered]] = True
    return rows.joined(pieces), kept


def selection(gram: Gram, b: int) -> NDArray[np.intp]:
    """(m - 2b,) indices of the rows that Krum chooses one after the other."""
    m = len(gram)
    squared = distances(gram)
    np.fill_diagonal(squared, -1.0)  # in front of its row of sorted distances, and cut off there
    who = np.argsort(squared, axis=1, kind="stable")[:, 1:]
    near = np.take_along_axis(squared, who, axis=1)
    left = np.arange(m)
    chosen = []
    for n in range(m, 2 * b, -1):
        score = near[:, : max(n - b - 2, 1)].sum(axis=1)
        # Two rows that are each other's only neighbour always tie: the next ones decide.
        winner = min(np.flatnonzero(score == score.min()), key=lambda i: near[i].tolist())
        chosen.append(left[winner])
        others = np.arange(n) != winner
        still = who[others] != left[winner]
        who = who[others][still].reshape(n - 1, max(n - 2, 0))
        near = near[others][still].reshape(n - 1, max(n - 2, 0))
        left = left[others]
    return np.array(chosen)


def _around_median(block: Array, k: int) -> tuple[Array, Array, Array]:
    """Per coordinate: mean, least and largest of the k values nearest to the median.

    They are k neighbours in order, so just one of the ranks i, i + k, i + 2k, ... is among them:
    the one that is nearest to the median.
    """
    xp = namespace(block)
    ordered = xp.sort(block, axis=0)
    m = int(ordered.shape[0])
    median = (ordered[(m - 1) // 2, ...] + ordered[m // 2, ...]) / 2
    nearest = [ordered[i, ...] for i in range(k)]
    for i in range(k, m):
        old, new = nearest[i % k], ordered[i, ...]
        nearest[i % k] = xp.where(xp.abs(new - median) < xp.abs(old - median), new, old)
    kept = xp.stack(nearest)
    return xp.mean(kept, axis=0), xp.min(kept, axis=0), xp.max(kept, axis=0)
