"""F(y) - F(x) from gradients alone, one number per worker.

Worker i's own estimate of F_i(y) - F_i(x) is the line integral of its gradients,

    a_i = sum_k omega_k <g_i(x + c_k (y - x)), y - x>,

a scalar: its error is that of a one-dimensional median, not of a d-dimensional norm. The rule is
Gauss-Lobatto with five nodes, exact to degree seven; its end points are asked for anyway, so a
segment costs three points. Simpson's rule on three of the five nodes measures the quadrature
error: its distance from the finer rule is added to every claim (`allowance`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.optimizers.base import Reading
from saddleproof.ranks import Interval

#: Gauss-Lobatto on [0, 1]: nodes and weights (Abramowitz & Stegun, 25.4.32 and table 25.6).
NODES = np.array([0.0, (1 - np.sqrt(3 / 7)) / 2, 0.5, (1 + np.sqrt(3 / 7)) / 2, 1.0])
WEIGHTS = np.array([1 / 20, 49 / 180, 16 / 45, 49 / 180, 1 / 20])
#: Simpson's weights on the same nodes.
COARSE = np.array([1 / 6, 0.0, 2 / 3, 0.0, 1 / 6])


def interior(start: Vector, ends: Vector) -> Vector:
    """(3 p, d): the inner nodes of the p segments from `start` (d,) to each of `ends` (p, d)."""
    inner = NODES[1:-1, None] * (ends - start)[:, None, :]
    return (start + inner).reshape(-1, start.size)


@dataclass(frozen=True)
class Decrease:
    """F(end) - F(start) as the workers report it, one entry a segment.

    Attributes:
        raw: interval of the difference itself.
        centred: interval of the difference minus <g_i(start), end - start>: what curvature adds.
        allowance: (p,) quadrature error to add to either.
    """

    raw: Interval
    centred: Interval
    allowance: Vector


def decrease(
    reading: Reading, start: Vector, inner: Vector, ends: Vector, directions: Vector
) -> Decrease:
    """Integrate p segments.

    Args:
        reading: a round that holds all nodes.
        start: (q,) coefficients that select the common start.
        inner: (3 p, q) coefficients that select the inner nodes, in the order of `interior`.
        ends: (p, q) coefficients that select the ends.
        directions: (p, d), end minus start.
    """
    p, q = ends.shape
    nodes = np.concatenate(
        [np.broadcast_to(start, (p, 1, q)), inner.reshape(p, 3, q), ends[:, None, :]], axis=1
    )
    fine = np.einsum("k,pkq->pq", WEIGHTS, nodes)
    coarse = np.einsum("k,pkq->pq", COARSE, nodes)
    stacked = np.concatenate([fine, fine - start, fine - coarse])
    found = reading.contrast(stacked, np.tile(directions, (3, 1)))
    error = found[2 * p :]
    allowance = np.maximum(np.abs(error.low), np.abs(error.high))
    return Decrease(found[:p], found[p : 2 * p], allowance)
