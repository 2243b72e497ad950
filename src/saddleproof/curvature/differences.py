"""Hessians from gradients of one function: a step for every direction, and an error that is seen.

    H v  =  (g(w + h v) - g(w - h v)) / 2h  +  O(h^2)

**The step.** One step for all coordinates is wrong for some of them: at a parameter of size 1e6 the
usual h = eps^(1/3) |w| is 6, and a well of size 1 beside it is stepped over. So the first step
along v is the longest that moves no coordinate k by more than eps^(1/3) max(1, |w_k|).

**The error.** Every quotient is taken at h and at h / 4. Its own curvature makes the first wrong
by 16 times as much as the second, rounding makes the second wrong by 4 times as much as the first,
so that twice their distance bounds the error of the first either way. Where the two disagree by
more than AGREE of their size, h is cut to h / 16 and the pair is taken again; the pair that agrees
best is kept. So a well of any size is seen, as long as the arithmetic can resolve it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector

#: (q, d) points to (q, d) gradients of one function.
Gradient = Callable[[Vector], Vector]
#: Relative disagreement of two quotients at which a smaller step is no longer tried.
AGREE = 1e-6
#: From one pair of steps to the next, and the most pairs of one search.
CUT, RUNGS = 1 / 16, 16
#: Rounding errors of a computed gradient, in units of its last place.
ROUNDINGS = 16.0


@dataclass(frozen=True)
class Product:
    """H v, and how wrong it may be.

    Attributes:
        vector: (d,).
        error: bound of the 2-norm of what is wrong with it; inf where it overflows.
        step: h, as a share of the first step.
    """

    vector: Vector
    error: float
    step: float


def precision(numbers: Vector) -> float:
    """eps of what computed these numbers: numbers that all fit a float32 come from one.

    A worker may compute in float32 and send float64.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        short = bool(numbers.any()) and bool((numbers == numbers.astype(np.float32)).all())
    return float(np.finfo(np.float32 if short else np.float64).eps)


def first_step(w: Vector, v: Vector, eps: float) -> float:
    """The longest h with h |v_k| <= eps^(1/3) max(1, |w_k|) in every coordinate k."""
    with np.errstate(divide="ignore"):
        room = np.maximum(1.0, np.abs(w)) / np.abs(v)
    return float(eps ** (1 / 3) * room.min())


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def product(gradient: Gradient, w: Vector, v: Vector, share: float = 1.0) -> Product:
    """H v by central differences.

    Args:
        gradient: of the function.
        w: (d,) the point.
        v: (d,) any vector.
        share: where the search for the step begins, as a share of the first step; the `step` of
            the last product, where many are asked for at one point.

    Cost: 4 gradients; 4 more for every smaller step that is tried.
    """
    length = float(np.linalg.norm(v))
    if not 0 < length < np.inf:
        return Product(np.zeros_like(w), 0.0 if length == 0 else np.inf, share)
    unit = v / length
    eps = precision(gradient(w[None])[0]) if share == 1.0 else float(np.finfo(float).eps)
    start = first_step(w, unit, eps)
    best = Product(np.full_like(w, np.nan), np.inf, share)
    for _ in range(RUNGS):
        h = share * start
        steps = np.array([h, -h, h / 4, -h / 4])
        points = w + steps[:, None] * unit
        g = gradient(points)
        spans = [_span(points[0], points[1], unit), _span(points[2], points[3], unit)]
        if not all(spans):  # the step is lost beside w
            break
        far, near = (g[0] - g[1]) / spans[0], (g[2] - g[3]) / spans[1]
        noise = ROUNDINGS * float(np.finfo(float).eps) * float(np.abs(g).max()) / h
        error = 2 * float(np.linalg.norm(far - near)) + noise
        worse = error * length > best.error / CUT
        if error * length < best.error:
            best = Product(far * length, error * length, share)
        if worse or error <= AGREE * float(np.linalg.norm(far)) + 4 * noise:
            break
        share *= CUT
    return best if np.isfinite(best.error) else Product(np.zeros_like(w), np.inf, 1.0)


def _span(ahead: Vector, behind: Vector, unit: Vector) -> float:
    """How far two points on a line with direction `unit` are apart, as rounding left them."""
    return float((ahead - behind) @ unit)


def hessian(gradient: Gradient, w: Vector) -> tuple[Vector, float]:
    """(d, d) symmetric Hessian of one function, and a bound of the 2-norm of its error.

    Every column has a step of its own. What two columns say of one entry differs by their errors,
    so half of the asymmetry is counted too.

    Cost: 4 d gradients or more.

    >>> A, w = np.array([[2.0, 1.0], [1.0, -1.0]]), np.array([1.0, 1e6])
    >>> found, error = hessian(lambda points: points @ A, w)
    >>> bool(np.abs(found - A).max() < 1e-3), bool(error < 1e-2)
    (True, True)
    """
    columns = [product(gradient, w, e) for e in np.eye(len(w))]
    return symmetrised(np.stack([c.vector for c in columns]), np.array([c.error for c in columns]))


def symmetrised(columns: Vector, errors: Vector) -> tuple[Vector, float]:
    """The symmetric part of (d, d) columns of a Hessian, and a bound of the 2-norm of its error."""
    symmetric = columns / 2 + columns.T / 2
    if not np.isfinite(symmetric).all() or not np.isfinite(errors).all():
        return np.zeros_like(columns), np.inf
    skew = float(np.linalg.norm(columns - symmetric, 2))
    return symmetric, float(np.linalg.norm(errors)) + skew
