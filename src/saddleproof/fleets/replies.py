"""The answers to the questions about a loss, from its values and its products with the Hessian.

One worker alone and all workers of a problem together run the same lines, and so give the same
bytes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.curvature import noise
from saddleproof.curvature.lanczos import Bound, least_eigenvalues
from saddleproof.curvature.noise import Products
from saddleproof.questions import Changes, Curvatures, LeastCurvature

#: Rounding errors of a value, in units of its last place.
ROUNDINGS = 16.0


def changes(values_at: Callable[[Vector], Vector], question: Changes) -> Vector:
    """F_i(w + t v) - F_i(w), rounded upwards, for all workers of `values_at`.

    The rounding of a value shows in two ways: in units of its last place, and in how much the
    value scatters when w moves by its own last place. A loss that subtracts large numbers hides
    the first and shows the second.

    Args:
        values_at: (q, d) points to (q, m) values.
        question: w, p directions and t lengths.

    Returns:
        (p, t, m); inf where an end overflows.
    """
    w = question.w
    neighbours = np.stack([w, np.nextafter(w, np.inf), np.nextafter(w, -np.inf)])
    here, above, below = np.asarray(values_at(neighbours), dtype=float)  # (m,) each
    ends = np.stack([values_at(question.along(k)) for k in range(question.shape[0])])  # (p, t, m)
    eps = np.array([noise.precision(x) for x in ends.reshape(-1, len(here)).T])
    scatter = np.maximum(np.abs(above - here), np.abs(below - here))
    slack = ROUNDINGS * (eps * (np.abs(here) + np.abs(ends)) + scatter)
    upper: Vector = ends - here + slack
    return np.where(np.isfinite(upper), upper, np.inf)


def start_of(question: LeastCurvature, n: int) -> Vector:
    """(n, d) starts, drawn after w is fixed; with a seed, the same one for all."""
    d = len(question.w)
    if question.seed is None:
        return np.random.default_rng().standard_normal((n, d))
    at = hashlib.blake2b(question.w.tobytes(), digest_size=16).digest()
    generator = np.random.default_rng([question.seed, int.from_bytes(at, "big")])
    return np.repeat(generator.standard_normal((1, d)), n, axis=0)


def curvatures(products: Products, question: Curvatures, n: int) -> Vector:
    """(n, 2, p) ends of v'H_i v."""
    ends = np.empty((n, *question.shape))
    for k, v in enumerate(question.directions):
        images, errors = products(np.repeat(v[None], n, axis=0))
        # One product a worker, and not one of a matrix: the bits must not depend on n.
        middle = np.array([np.einsum("i,i->", image, v) for image in images])
        slack = errors * np.linalg.norm(v)
        lost = ~(np.isfinite(middle) & np.isfinite(slack))
        ends[:, 0, k] = np.where(lost, -np.inf, middle - slack)
        ends[:, 1, k] = np.where(lost, np.inf, middle + slack)
    return ends


def least(products: Products, question: LeastCurvature, n: int) -> Vector:
    """(n, 3 + d) answers to `LeastCurvature`."""
    found = least_eigenvalues(
        products,
        start_of(question, n),
        steps=question.steps,
        delta=question.delta,
        deadline=time.monotonic() + question.seconds,
    )
    return np.stack([_packed(bound) for bound in found])


def _packed(bound: Bound) -> Vector:
    return np.concatenate([[bound.low, bound.ritz, bound.top], bound.vector])
