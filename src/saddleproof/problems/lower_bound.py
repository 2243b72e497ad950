"""Proposition 1's family, on which no optimizer of aggregates can succeed.

    F_i(w) = Delta^(3/2) sin(w / sqrt(Delta) + s) + xi_i w,    |xi_i| = Delta,  d = 1

Yin, Chen, Ramchandran and Bartlett 2019, Proposition 1 and Appendix D: |F'| <= Delta everywhere, so
that a Delta-inexact oracle may answer 0 to every question; what an optimizer returns then cannot
depend on s, and for some s it is no second-order point: |F'| > Delta / 2 and
F'' < -sqrt(Delta) / 2. `theory.hardest` names that s.

The workers tilt to either side in turn, so that six liars of twenty can answer 0 through the median
at every point. Who goes by aggregates is held wherever it starts, and the default, which asks each
worker whether its loss fell, finds them divided by their tilts: it ends unresolved and claims
nothing. Differences of a worker's own gradients do not contain its tilt. Who takes a Hessian from
them (`HessianPGD`, and every certificate) is outside the proposition, and sees the saddle.
"""

from __future__ import annotations

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.problems.saddle import SaddleProblem


class LowerBound(SaddleProblem):
    """One phase of the sine family, d = 1, starting at the top of a wave.

    Args:
        workers: m; the tilts of an odd number are shifted to mean 0.
        seed: of the phase s and the start.
        inexactness: Delta, in (0, 1].

    Raises:
        OptionError: Delta outside (0, 1].
    """

    name = "lower_bound"

    def __init__(self, *, workers: int = 20, seed: int = 0, inexactness: float = 0.1) -> None:
        super().__init__(d=1, workers=workers, seed=seed)
        if not 0 < arguments.real(f"{self.name}: inexactness", inexactness) <= 1:
            raise OptionError(f"{self.name} needs an inexactness in (0, 1]; got {inexactness}")
        self.inexactness = inexactness
        self.phase = float(self._rng.uniform(0, 2 * np.pi))
        tilts = inexactness * np.resize([1.0, -1.0], workers)
        self.tilts = tilts - tilts.mean()  # (m,)
        self._wave = np.sqrt(inexactness)
        self._place(np.array([(np.pi / 2 - self.phase) * self._wave]))

    def values_at(self, points: Vector) -> Vector:
        """Delta^(3/2) sin(w / sqrt(Delta) + s) + xi_i w: (q, 1) to (q, m)."""
        values: Vector = self._wave**3 * np.sin(self._angle(points)) + self.tilts * points
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """-sqrt(Delta) sin(w / sqrt(Delta) + s) v: (1,) and (m, p, 1) to (m, p, 1)."""
        products: Vector = -self._wave * np.sin(self._angle(w)) * vectors
        return products

    def hessian(self, w: Vector) -> Vector:
        """-sqrt(Delta) sin(w / sqrt(Delta) + s): (1,) to (1, 1)."""
        hessian: Vector = -self._wave * np.sin(self._angle(w))[:, None]
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """Delta cos(w / sqrt(Delta) + s) + xi_i."""
        slope = self.inexactness * np.cos(self._angle(points))  # (q, 1)
        gradients: Vector = slope[:, None, :] + self.tilts[:, None]
        return gradients

    def _angle(self, w: Vector) -> Vector:
        angle: Vector = w / self._wave + self.phase
        return angle
