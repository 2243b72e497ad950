"""Robust gradient descent with its own step: the trajectory that rides in every batch.

Every round asks for the current point and the trial w - step * g_hat(w) side by side, so that the
step is judged by worker-wise differences: k = |AGG(g_i(w+) - g_i(w))| / |w+ - w| sees the curvature
along the step, not the noise that both points share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.optimizers.base import Reading
from saddleproof.optimizers.gradient_only.constants import (
    ACCEPT,
    GROW,
    GROW_BELOW,
    SHRINK_LEAST,
    SHRINK_MOST,
)
from saddleproof.optimizers.gradient_only.point_blocks import PointBlocks


@dataclass(frozen=True)
class Trajectory:
    """One robust gradient descent.

    Attributes:
        w: (d,) current point.
        gradient: (d,) aggregate at w.
        inexactness: how far `gradient` may be from the truth.
        step: eta of this trajectory.
        longest: the step that it may grow back to.
        accepted: whether the last trial was accepted.
    """

    w: Vector
    gradient: Vector
    inexactness: float
    step: float
    longest: float
    accepted: bool = True

    @property
    def pair(self) -> Vector:
        """(2, d): the current point and the trial."""
        return np.stack([self.w, self.w - self.step * self.gradient])


def advance(trajectory: Trajectory, reading: Reading, batch: PointBlocks, name: str) -> Trajectory:
    """The trajectory after the round in which `batch` held its pair as block `name`."""
    here, trial = batch.at(name)
    moved = batch.blocks[name][1] - trajectory.w
    length = float(np.linalg.norm(moved))
    found = reading.combination(np.stack([here, trial, trial - here]))
    bend = float(np.linalg.norm(found.vector[2])) / length if length > 0 else 0.0
    if trajectory.step * bend <= ACCEPT:
        step = trajectory.step
        if step * bend < GROW_BELOW:
            step = min(GROW * step, max(step, trajectory.longest))
        return replace(
            trajectory,
            w=batch.blocks[name][1],
            gradient=found.vector[1],
            inexactness=_bound(found.inexactness, 1),
            step=step,
            accepted=True,
        )
    # NaN (a trial that overflows) also ends here, with the hardest cut.
    wish = min(SHRINK_LEAST * trajectory.step, 1 / bend) if np.isfinite(bend) else 0.0
    return replace(
        trajectory,
        gradient=found.vector[0],
        inexactness=_bound(found.inexactness, 0),
        step=max(wish, SHRINK_MOST * trajectory.step),
        accepted=False,
    )


def _bound(inexactness: Vector | None, row: int) -> float:
    return float("inf") if inexactness is None else float(inexactness[row])
