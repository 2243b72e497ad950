"""Hessians from gradients of one function: a step for every direction, and an error that is seen.

    H v  =  (g(w + h v) - g(w - h v)) / 2h  +  O(h^2)

**The step.** One step for all coordinates is wrong for some of them: at a parameter of size 1e6 the
usual h = eps^(1/3) |w| is 6, and a well of size 1 beside it is stepped over. So the first step
along v is the longest that moves no coordinate k by more than eps^(1/3) max(1, |w_k|). Coordinates
whose moves are lost beside w_k are multiplied apart, with a step of their own.

**The error.** Every quotient is taken at h and at h / 4. Its own curvature makes the first wrong
by 16 times as much as the second, rounding makes the second wrong by 4 times as much as the first,
so that twice their distance bounds the error of the first either way. The noise of the gradient
(`saddleproof.curvature.noise`) over h is added, so that no agreement by chance counts. Where the
two disagree by more than AGREE of their size, h is cut to h / 16 and the pair is taken again; the
pair that agrees best is kept.

A function that has a structure below h and none at h and h / 4 deceives every difference. So does
arithmetic that hides its rounding at all steps. What follows from differences rests on neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.curvature import noise

#: (q, d) points to (q, d) gradients of one function.
Gradient = Callable[[Vector], Vector]
#: Relative disagreement of two quotients at which a smaller step is no longer tried.
AGREE = 1e-6
#: From one pair of steps to the next, and the most pairs of one search.
CUT, RUNGS = 1 / 16, 16
#: The noise of a gradient counts this many times.
NOISES = 8.0
#: A move at h / 4 of fewer last places of w_k than this is no move.
PLACES = 64.0
#: Directions of random signs whose products show the size of H, and how many times it counts.
SIGNS, SIZES = 2, 3.0
_EPS = float(np.finfo(float).eps)


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


class Differences:
    """Products H v of one function at one point, by central differences of its gradient.

    What one product learns of a good step is where the next one begins.

    Args:
        gradient: of the function.
        w: (d,) the point.

    Cost: 24 gradients or more to begin with; 4 a product, and 4 for every smaller step tried.
    """

    def __init__(self, gradient: Gradient, w: Vector) -> None:
        self.gradient, self.w = gradient, np.asarray(w, dtype=float)
        self.noise, self.eps = noise.of_gradient(gradient, self.w)
        self.share = 1.0
        self.size = np.inf
        signs = [np.sign(noise.line_through(len(w), k)) for k in range(SIGNS)]
        # About the Frobenius norm of H.
        self.size = SIZES * max(norm(self.product(sign).vector) for sign in signs)

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def product(self, v: Vector) -> Product:
        """H v."""
        length = norm(v)
        if not 0 < length < np.inf:
            return Product(np.zeros_like(self.w), 0.0 if length == 0 else np.inf, 1.0)
        found, missing = self._search(v / length, self.share)
        vector, error, left = found.vector, found.error, norm(missing)
        while left > _EPS and left * self.size > error:  # moves that were lost beside w
            more, missing = self._search(missing, 1.0)
            vector, error = vector + more.vector, error + more.error
            if not norm(missing) < left:
                error = np.inf
            left = norm(missing)
        if np.isfinite(self.size):
            error += left * self.size
        if not np.isfinite(error):
            return Product(np.zeros_like(self.w), np.inf, 1.0)
        self.share = found.step
        if np.isfinite(self.size):
            self.size = max(self.size, SIZES * norm(vector))
        return Product(vector * length, error * length, found.step)

    def products(self, vectors: Vector) -> tuple[Vector, Vector]:
        """(1, d) vectors to (1, d) products and (1,) errors."""
        found = self.product(vectors[0])
        return found.vector[None], np.array([found.error])

    def _search(self, v: Vector, share: float) -> tuple[Product, Vector]:
        """H times the part of v that moves w, and the part of v that does not."""
        w, length = self.w, norm(v)
        unit = v / length
        start = first_step(w, unit, self.eps)
        best, missing = Product(np.full_like(w, np.nan), np.inf, share), np.zeros_like(w)
        for _ in range(RUNGS):
            h = share * start
            moves = np.where(h / 4 * np.abs(unit) < PLACES * np.spacing(np.abs(w)), 0.0, h * unit)
            if not moves.any():
                break
            points = w + np.multiply.outer([1.0, -1.0, 0.25, -0.25], moves)
            g = self.gradient(points)
            far, near = (g[0] - g[1]) / (2 * h), (g[2] - g[3]) / (h / 2)
            floor = NOISES * (self.noise + _EPS * norm(np.abs(g).max(axis=0))) / h
            error = (2 * norm(far - near) + floor) * length
            worse = error > best.error / CUT
            if error < best.error:
                best = Product(far * length, error, share)
                missing = (unit - (points[0] - points[1]) / (2 * h)) * length
            if worse or error <= (AGREE * norm(far) + 4 * floor) * length:
                break
            share *= CUT
        return best, missing


def product(gradient: Gradient, w: Vector, v: Vector) -> Product:
    """H v by central differences; `Differences` where more than one is wanted."""
    return Differences(gradient, w).product(v)


def first_step(w: Vector, v: Vector, eps: float) -> float:
    """The longest h with h |v_k| <= eps^(1/3) max(1, |w_k|) in every coordinate k."""
    with np.errstate(divide="ignore"):
        room = np.maximum(1.0, np.abs(w)) / np.abs(v)
    return float(eps ** (1 / 3) * room.min())


def norm(x: Vector) -> float:
    """The 2-norm of a vector, where squares would overflow or vanish too."""
    largest = float(np.abs(x).max(initial=0.0))
    if not 0 < largest < np.inf:
        return largest
    return largest * float(np.linalg.norm(x / largest))


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
    by = Differences(gradient, w)
    columns = [by.product(e) for e in np.eye(len(w))]
    return symmetrised(np.stack([c.vector for c in columns]), np.array([c.error for c in columns]))


def symmetrised(columns: Vector, errors: Vector) -> tuple[Vector, float]:
    """The symmetric part of (d, d) columns of a Hessian, and a bound of the 2-norm of its error."""
    symmetric = columns / 2 + columns.T / 2
    if not np.isfinite(symmetric).all() or not np.isfinite(errors).all():
        return np.zeros_like(columns), np.inf
    skew = float(np.linalg.norm(columns - symmetric, 2))
    return symmetric, float(np.linalg.norm(errors)) + skew
