"""SMEA, smallest maximum eigenvalue averaging (Allouah, Guerraoui, Gupta, Pinot, Stephan 2023)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.aggregators.engine.subsets import kept, left_out
from saddleproof.aggregators.engine.units import Gram, lengths
from saddleproof.aggregators.weighted import WeightedRule
from saddleproof.arrays import Vector

#: Most numbers in the matrices of all sets; it admits m = 20 with any b, and m = 100 with b = 2.
NUMBERS = 2**26
#: In the place of a length of zero.
TINY = 1e-300


@dataclass(frozen=True)
class SMEA(WeightedRule):
    """The mean of the m - b rows whose largest variance in any direction is least.

    S = argmin over |S| = m - b of the largest eigenvalue of
        (1/|S|) sum_{i in S} (x_i - mu_S)(x_i - mu_S)';   the answer is mu_S, the mean of S.

    Ties go to the first set by index. The eigenvalues are exact in float64, from the m x m matrix
    of inner products, where ByzFL 0.0.11 steps by the power method. Inexactness: the rank bound of
    `saddleproof.aggregators.inexactness`. Cost O(m^2 d), and a search of all sets, for most of them
    without an eigenvalue; with more than 2^26 numbers in their matrices it is refused (m = 20 is
    within, whatever b; m = 100 with b = 2).

    Source: "On the Privacy-Robustness-Utility Trilemma in Distributed Learning", ICML 2023, as
    ByzFL's manual states it.

    Raises:
        OptionError: in use, where there are too many sets.

    >>> SMEA()(np.array([[0.0], [1.0], [2.0], [9.0]]), b=1)
    array([1.])
    """

    def breakdown(self, m: int) -> int:
        """(m - 1)//2, fewer than half."""
        return (m - 1) // 2

    def weights(self, gram: Gram, b: int) -> Vector:
        """1/(m - b) at the rows of S."""
        m = len(gram)
        placed = gram.placed
        K = np.where(placed & placed[:, None], gram.matrix, 0.0)
        best, least = np.arange(m - b), np.inf
        for block in kept(left_out("SMEA", m, b, NUMBERS // (m - b) ** 2), m):
            sets = block[placed[block].all(axis=1)]
            scatter = _centred(K[sets[:, :, None], sets[:, None, :]])
            # A set cannot be the best where a lower bound of its eigenvalue is above the least.
            bound = _rayleigh(scatter)
            if len(sets) and least == np.inf:
                least = _largest(scatter[bound.argmin()][None])[0] * (1 + 1e-9)
            near = bound <= least
            if near.any():
                values = _largest(scatter[near])
                if (lowest := float(values.min())) < least:
                    best, least = sets[near][int(values.argmin())], lowest
        found = np.zeros(m)
        found[best] = 1.0 / (m - b)
        return found


def _centred(grams: Vector) -> Vector:
    """(n, k, k) matrices of inner products about the mean of their own k rows."""
    level = grams.mean(axis=2, keepdims=True)
    found: Vector = grams - level - level.swapaxes(1, 2) + level.mean(axis=1, keepdims=True)
    return found


def _largest(matrices: Vector) -> Vector:
    """(n,) largest eigenvalues of (n, k, k) symmetric matrices."""
    found: Vector = np.asarray(np.linalg.eigvalsh(matrices)[:, -1], dtype=np.float64)
    return found


def _rayleigh(matrices: Vector, steps: int = 3) -> Vector:
    """(n,) lower bounds of the largest eigenvalues, by a few steps of the power method."""
    longest = np.diagonal(matrices, axis1=1, axis2=2).argmax(axis=1)
    v: Vector = matrices[np.arange(len(matrices)), longest]
    bound: Vector = np.zeros(len(matrices))
    for _ in range(steps):
        unit: Vector = v / np.maximum(lengths(v)[:, None], TINY)
        v = (matrices @ unit[:, :, None])[:, :, 0]
        bound = (v * unit).sum(axis=1) * (1 - 1e-9)
    return bound
