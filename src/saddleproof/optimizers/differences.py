"""A worker's own Hessian, from its gradients around a point."""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.optimizers.curvature import narrow, stencil


def around(w: Vector) -> Vector:
    """(2d + 1, d): w, then w + h e_k, then w - h e_k, with h = narrow(w)."""
    return np.concatenate([w[None, :], stencil(w, np.eye(len(w)), narrow(w))])


def hessian(gradients: Vector, w: Vector) -> Vector:
    """(d, d), symmetric: from (2d + 1, d) gradients of one function `around` w.

        H e_k = (g(w + h e_k) - g(w - h e_k)) / (2h) + O(h^2)

    >>> A, w = np.array([[2.0, 1.0], [1.0, -1.0]]), np.ones(2)
    >>> np.allclose(hessian(around(w) @ A, w), A)
    True
    """
    d = len(w)
    columns = (gradients[1 : d + 1] - gradients[d + 1 :]) / (2 * narrow(w))
    symmetric: Vector = (columns + columns.T) / 2
    return symmetric
