"""Products with the true Hessians of some workers, for the judge alone.

Certificates have products and differences of their own, in `saddleproof.curvature`. The judge uses
none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from saddleproof.arrays import Vector

#: Most Lanczos steps.
STEPS = 120
_EPS = float(np.finfo(float).eps)


def own(problem: Any, w: Vector, vectors: Vector, workers: Sequence[int]) -> tuple[Vector, Vector]:
    """H_i v by the problem's own products: (p, d) to (h, p, d), and errors (h, p)."""
    every = np.repeat(vectors[None], problem.m, axis=0)
    found = np.asarray(problem.products(w, every)[list(workers)])
    return found, np.zeros(found.shape[:2])


def differences(
    problem: Any, w: Vector, vectors: Vector, workers: Sequence[int]
) -> tuple[Vector, Vector]:
    """H_i v by central differences of the true gradients, and bounds of the errors' 2-norms.

    The step along v moves no coordinate k by more than eps^(1/3) max(1, |w_k|). The quotient is
    taken at h and at h / 4, and twice the distance of the two bounds the error of the first. What
    two quotients may hide of the rounding of gradients, the judge adds: it is below 1e-9 of them.
    """
    with np.errstate(divide="ignore"):
        h = _EPS ** (1 / 3) * (np.maximum(1.0, np.abs(w)) / np.abs(vectors)).min(axis=1)
    h = np.where(np.isfinite(h), h, 1.0)[:, None]  # (p, 1)
    g = np.stack(
        [problem.gradients(w + s * h * vectors)[:, list(workers)] for s in (1, -1, 0.25, -0.25)]
    ).swapaxes(1, 2)  # (4, h, p, d)
    far, near = (g[0] - g[1]) / (2 * h), (g[2] - g[3]) / (h / 2)
    return far, 2 * np.linalg.norm(far - near, axis=-1)


def lowest(
    apply: Callable[[Vector], tuple[Vector, Vector]], d: int
) -> tuple[Vector, Vector, Vector, Vector, float]:
    """The lowest Ritz value of a symmetric matrix after `STEPS` steps of Lanczos, or d.

    Args:
        apply: (1, d) a vector to (1, d) its product and (1,) the product's error.
        d: size.

    Returns:
        (k, d) the products, (k,) their errors, (k,) the Ritz values in ascending order, and of the
        lowest one the (d,) vector and the residual. It ends at a product that overflows, with no
        value that means anything.
    """
    basis, image = np.zeros((min(STEPS, d), d)), np.zeros((min(STEPS, d), d))
    errors = np.zeros(len(basis))
    v = np.random.default_rng(0).standard_normal(d)
    k = 0
    while k < len(basis):
        for _ in range(2):
            v = v - basis[:k].T @ (basis[:k] @ v)
        length = float(np.linalg.norm(v))
        if not length > 1e-12 * (1 + float(np.abs(image).max())):
            break
        basis[k] = v / length
        (v,), errors[k : k + 1] = apply(basis[k][None])
        image[k] = v
        k += 1
        if not np.isfinite(v).all():
            return image[:k], errors[:k], np.zeros(k), v, np.inf
    small = basis[:k] @ image[:k].T
    values, vectors = np.linalg.eigh((small + small.T) / 2)
    ritz = vectors[:, 0] @ basis[:k]
    residual = float(np.linalg.norm(vectors[:, 0] @ image[:k] - values[0] * ritz))
    return image[:k], errors[:k], values, ritz, residual
