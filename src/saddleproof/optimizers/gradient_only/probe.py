"""What a ladder of radii tells about a point, in one round, from worker-wise differences.

Every number here comes from g_i(w + p) - g_i(w), the same worker at two points of fixed data: the
noise that both share cancels exactly, and what is left is the heterogeneity of the Hessians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.optimizers.base import Reading
from saddleproof.optimizers.gradient_only.constants import (
    FLOOR,
    LADDER,
    NONLINEAR,
    RADIUS_RUNGS,
    STEP_RUNGS,
    TINY,
)
from saddleproof.optimizers.gradient_only.point_blocks import PointBlocks
from saddleproof.optimizers.gradient_only.trajectory import Trajectory


def radii(path: Trajectory) -> Vector:
    """(12,) radii around the trajectory's point: step * Delta_hat on the ladder."""
    base = max(path.step * path.inexactness, FLOOR * (1 + float(np.linalg.norm(path.w))))
    return base * LADDER ** np.array(RADIUS_RUNGS, dtype=float)


def ladder(path: Trajectory, directions: Vector) -> Vector:
    """(n * 12, d): the point plus every radius along each of (n, d) unit directions."""
    steps = radii(path)[None, :, None] * directions[:, None, :]
    return (path.w + steps).reshape(-1, path.w.size)


def trial_steps(step: float) -> Vector:
    """(13,) steps around `step` on the ladder."""
    return step * LADDER ** np.array(STEP_RUNGS, dtype=float)


def find_step(reading: Reading, batch: PointBlocks, path: Trajectory) -> float:
    """The first step, from one round with blocks "here", "steps" and "ladder".

    The inverse of the largest curvature met: |H u| close by, and that along -g_hat over the
    leading run of trial steps which are themselves short enough (k * eta <= 1).
    """
    around = batch.minus("ladder", "here")
    lengths = np.linalg.norm(batch.blocks["ladder"] - path.w, axis=1)
    reference = _reference(reading.combination(around).vector, lengths)
    if reference == 0:
        # A flat function has no curvature to refer to; any step is as good as the given one.
        return path.step
    steps = trial_steps(path.step)
    lengths = np.linalg.norm(batch.blocks["steps"] - path.w, axis=1)
    bends = np.linalg.norm(reading.combination(batch.minus("steps", "here")).vector, axis=1)
    along = bends / np.maximum(lengths, TINY)
    fits = along * steps <= 1
    run = along[: len(steps) if fits.all() else int(np.argmin(fits))]
    return 1 / max(reference, float(run.max(initial=0.0)))


def _reference(differences: Vector, lengths: Vector) -> float:
    """Typical |H u|: the median over the three smallest radii; (n, d) differences, (n,) lengths."""
    nearest = np.argsort(lengths, kind="stable")[:3]
    bends = np.linalg.norm(differences[nearest], axis=1) / lengths[nearest]
    return float(np.median(np.nan_to_num(bends)))


@dataclass(frozen=True)
class LocalModel:
    """What one round tells about the anchor of an escape.

    Attributes:
        curvature: the reference curvature, |H u| for a random u close by.
        radius: the largest radius up to which the quadratic model holds.
        spread: Delta_H, the inexactness of a Hessian-vector product, per unit length.
    """

    curvature: float
    radius: float
    spread: float


def survey(
    reading: Reading, batch: PointBlocks, path: Trajectory, directions: Vector
) -> LocalModel:
    """Read the ladder around an anchor.

    Args:
        reading: a round.
        batch: its points, with blocks "anchor" and "ladder".
        path: the trajectory that stood at the anchor when the round was asked.
        directions: (n, d) unit directions of the ladder.
    """
    reach = radii(path)
    found = reading.combination(batch.minus("ladder", "anchor"))
    differences = found.vector.reshape(len(directions), len(reach), -1)
    products = differences / reach[:, None]  # H u, one row a radius
    curvature = float(np.median(np.linalg.norm(products[:, :2], axis=2)))
    drift = np.linalg.norm(products - products[:, :1], axis=2)
    holds = (drift <= NONLINEAR * curvature).all(axis=0)
    last = len(reach) - 1 if holds.all() else max(int(np.argmin(holds)) - 1, 0)
    spread = np.inf
    if found.inexactness is not None:
        spreads = found.inexactness.reshape(len(directions), -1) / reach
        spread = float(spreads[:, : last + 1].max())
    return LocalModel(curvature, float(reach[last]), spread)
