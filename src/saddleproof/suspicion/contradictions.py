"""How far a worker's answers are from answers of one function.

For a smooth F_i with g = grad F_i(w) and H = grad^2 F_i(w), the changes D(t) = F_i(w + t v) -
F_i(w) at two lengths t < u give

    slope       (D(t) u/t - D(u) t/u) / (u - t)      =  <g, v>  + O(t u)
    curvature   2 (D(u)/u - D(t)/t) / (u - t)        =  v'H v   + O(u)

without each other. Slopes are compared with `Gradients`, curvatures with `Curvatures`, and those
with `LeastCurvature`: v'H v = theta_1 along the worker's own v, and l <= v'H v / |v|^2 along any v.
The gradients of one round at w, w + s and w + t are compared with each other: H is symmetric, so
<g(w + s) - g(w), t> = <g(w + t) - g(w), s> up to third derivatives.

Each function returns (m, p) residuals of the m workers in p comparisons, inf where an answer is
infinite, and (p,) spreads: how much the workers' own numbers differ there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.questions import Changes
from saddleproof.ranks import deviation

#: Two directions are one where |cos| is at least this.
SAME = 1 - 1e-12
#: Two steps are compared where |cos| is at most this: along one line H is symmetric anyway.
ACROSS = 0.99
#: The most steps of a round of gradients that are compared with each other, the shortest first.
STEPS = 8

#: Residuals and spreads; and what finds them from the answers now and those of before.
Compared = tuple[Vector, Vector]
Comparing = Callable[[Vector, Vector], Compared]


def slopes(question: Changes, changes: Vector, gradients: Vector, b: int) -> Compared:
    """Changes against gradients, a comparison a direction.

    Args:
        question: p directions, t lengths.
        changes: (m, p, t).
        gradients: (m, d) at the same point.
        b: the most liars.
    """
    expected = gradients @ question.directions.T
    t, u, low, high = _neighbours(question, changes)
    found = (low * (u / t) - high * (t / u)) / (u - t)
    return _steady(np.abs(found - expected[:, :, None])), _spread(expected, b)


def bends(question: Changes, changes: Vector, directions: Vector, ends: Vector, b: int) -> Compared:
    """Changes against curvatures, a comparison a direction that was asked for in both.

    Args:
        question: p directions, t lengths.
        changes: (m, p, t).
        directions: (r, d) of the curvatures.
        ends: (m, 2, r).
        b: the most liars.
    """
    mine, theirs, scale = _common(question.directions, directions)
    t, u, low, high = _neighbours(question, changes[:, mine])
    found = 2 * (high / u - low / t) / (u - t)
    ends = ends[:, :, theirs] * scale**2
    apart = np.maximum(ends[:, 0, :, None] - found, found - ends[:, 1, :, None])
    return _steady(np.maximum(apart, 0.0)), _spread(ends.mean(axis=1), b)


def extremes(least: Vector, directions: Vector, ends: Vector, b: int) -> Compared:
    """Lowest eigenvalues against curvatures: theta_1 along the worker's own direction, and l.

    Args:
        least: (m, 3 + d).
        directions: (r, d), r > 0.
        ends: (m, 2, r).
        b: the most liars.
    """
    ends = ends / np.linalg.norm(directions, axis=1) ** 2
    below = np.maximum(least[:, 0] - ends[:, 1].min(axis=1), 0.0)
    own = np.zeros(len(least))  # a direction that nobody was asked about contradicts nothing
    for i, answer in enumerate(least):
        for at in _common(answer[None, 3:], directions)[1]:
            low, high = ends[i, :, at]
            own[i] = max(low - answer[1], answer[1] - high, 0.0)
    typical = np.median(_spread(ends.mean(axis=1), b))
    return np.stack([own, below], axis=1), np.array([typical, typical])


def curls(points: Vector, stack: Vector, b: int) -> Compared:
    """Gradients of one round against each other, a comparison a pair of steps from one point.

    Args:
        points: (q, d).
        stack: (q, m, d).
        b: the most liars.
    """
    steps = points[1:] - points[0]
    lengths = np.linalg.norm(steps, axis=1)
    near = np.argsort(lengths, kind="stable")
    near = near[lengths[near] > 0][:STEPS]
    units = steps[near] / lengths[near, None]
    rises = (stack[1:][near] - stack[0]) / lengths[near, None, None]
    entries = np.einsum("smd,td->mst", rises, units)  # s'H t of every worker
    s, t = np.triu_indices(len(near), 1)
    across = np.abs((units @ units.T)[s, t]) <= ACROSS
    s, t = s[across], t[across]
    return np.abs(entries[:, s, t] - entries[:, t, s]), _spread(entries[:, s, t], b)


def _spread(values: Vector, b: int) -> Vector:
    """(p,) how much (m, p) numbers of the workers differ, which b liars cannot shrink."""
    known = np.where(np.isfinite(values), values, np.nan).T
    return deviation(known, np.nanmedian(known, axis=-1), b)


def _neighbours(question: Changes, changes: Vector) -> tuple[Vector, Vector, Vector, Vector]:
    """Every length t > 0, the next one u, and the changes there: (n,), (n,), (m, p, n) twice."""
    order = np.argsort(question.lengths, kind="stable")
    order = order[question.lengths[order] > 0]
    lengths, changes = question.lengths[order], changes[:, :, order]
    return lengths[:-1], lengths[1:], changes[:, :, :-1], changes[:, :, 1:]


def _steady(residuals: Vector) -> Vector:
    """(m, p) from (m, p, n): the least residual that two neighbouring lengths agree on.

    Short lengths drown in rounding, long ones in higher derivatives, and a kink of the loss may
    lie in between. A lie is seen at all of them.
    """
    if residuals.shape[-1] < 2:
        return np.empty((len(residuals), 0))
    known = np.where(np.isnan(residuals), np.inf, residuals)
    steady: Vector = np.maximum(known[..., :-1], known[..., 1:]).min(axis=-1)
    return steady


def _common(mine: Vector, theirs: Vector) -> tuple[NDArray[np.int64], NDArray[np.int64], Vector]:
    """Positions of equal directions, up to sign, in both, and |mine| / |theirs|."""
    one, other = np.linalg.norm(mine, axis=1), np.linalg.norm(theirs, axis=1)
    cosines = np.abs((mine / one[:, None]) @ (theirs / other[:, None]).T)
    i, j = np.nonzero(cosines >= SAME)
    return i, j, one[i] / other[j]
