"""Gradients around a point, and the Hessian that their central differences give."""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector


def stencil(w: Vector, h: float) -> Vector:
    """(2d + 1, d): w, then w + h e_k, then w - h e_k."""
    steps = h * np.eye(len(w))
    return np.concatenate([w[None, :], w + steps, w - steps])


def hessian(gradients: Vector, h: float) -> Vector:
    """(d, d), symmetric: from (2d + 1, d) gradients of one function at a `stencil`.

        H e_k = (g(w + h e_k) - g(w - h e_k)) / (2h) + O(h^2)

    >>> A = np.array([[2.0, 1.0], [1.0, -1.0]])
    >>> np.allclose(hessian(stencil(np.ones(2), 0.1) @ A, 0.1), A)
    True
    """
    d = gradients.shape[1]
    columns = (gradients[1 : d + 1] - gradients[d + 1 :]) / (2 * h)
    symmetric: Vector = (columns + columns.T) / 2
    return symmetric


def spacing(w: Vector) -> float:
    """h = eps^(1/3) max(1, |w|_inf): where round-off and the O(h^2) are of one size."""
    h: float = float(np.finfo(np.float64).eps) ** (1 / 3) * max(1.0, float(np.abs(w).max()))
    return h
