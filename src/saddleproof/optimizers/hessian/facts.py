"""What follows about Hessians from the workers' gradients around a point: facts, for a claim.

Every number of a worker comes from its own gradients, with an error of its own
(`saddleproof.curvature.stencils`), so that `saddleproof.claims` may bound the honest mean by it.
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.claims import CurvatureFacts
from saddleproof.curvature.stencils import Measured


def measured_facts(found: Measured) -> CurvatureFacts:
    """From one Hessian a worker; the direction is the lowest of the entrywise median."""
    matrices, errors = found.matrices, found.errors
    values = np.asarray(np.linalg.eigvalsh(matrices), dtype=float)
    v = np.linalg.eigh(np.median(matrices, axis=0))[1][:, :1].T
    along = np.einsum("pi,mij,pj->pm", v, matrices, v) + errors
    return CurvatureFacts(
        lows=np.where(np.isfinite(errors), values[:, 0] - errors, -np.inf),
        tops=values[:, -1],
        highs=along,
        directions=v,
        workers=found.workers,
        matrices=matrices,
        errors=errors,
        products=4 * matrices.shape[1],
    )


def rated_facts(
    v: Vector, rated: tuple[Vector, Vector], workers: tuple[str, ...], size: float, products: int
) -> CurvatureFacts:
    """From v'H_i v along one unit direction: it can prove a saddle, never a minimum.

    Args:
        v: (d,).
        rated: (m,) values and (m,) bounds of their errors.
        workers: (m,) names.
        size: the largest curvature that was seen.
        products: gradients that a worker was asked for.
    """
    m = len(workers)
    return CurvatureFacts(
        lows=np.full(m, -np.inf),
        tops=np.full(m, size),
        highs=(rated[0] + rated[1])[None],
        directions=v[None],
        workers=workers,
        matrices=np.empty((0, 0, 0)),
        errors=np.empty(0),
        products=products,
    )
