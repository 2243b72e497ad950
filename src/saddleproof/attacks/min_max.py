"""Min-Max (Shejwalkar, Houmansadr, NDSS 2021): as far as two honest rows are apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.attacks.perturbation import Perturbation, perturbation_of


@dataclass(frozen=True)
class MinMax:
    """Every member sends g - gamma p, g the honest mean, as far out as two honest rows are apart.

    gamma is the largest number for which

        max_i |g - gamma p - x_i| <= D := max_{i,j} |x_i - x_j|   over the honest rows x_i.

    The paper halves intervals. There is no need: with a_i = g - x_i, each i is the quadratic
    |p|^2 gamma^2 - 2 <p, a_i> gamma + |a_i|^2 <= D^2, true at 0 because g is a mean of rows no two
    of which are farther apart than D. So gamma is the smallest of their upper roots.

    Knows the honest rows. Cost O(h^2 d) a point, h honest rows.

    Args:
        perturbation: p; "std" of the honest rows, "unit" g / |g|, or "sign" of g.

    Raises:
        OptionError: another perturbation.
    """

    perturbation: Perturbation = "std"

    def __post_init__(self) -> None:
        check_options(self)

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): the same row from each of the k members."""
        x, g = view.honest, view.honest_mean
        p = perturbation_of(view, self.perturbation)
        length = np.linalg.norm(p, axis=1, keepdims=True)  # (q, 1)
        u = np.divide(p, length, out=np.zeros_like(p), where=length > 0)
        a = g[:, None, :] - x
        along = (a @ u[:, :, None])[:, :, 0]  # (q, h)
        room = _diameter(x)[:, None] ** 2 - (a**2).sum(axis=2)
        way = along + np.sqrt(along**2 + np.maximum(room, 0))
        lie = g - way.min(axis=1, keepdims=True) * u  # the length of gamma p
        return np.repeat(lie[:, None, :], len(view.members), axis=1)


def _diameter(x: Vector) -> Vector:
    """The largest distance of two rows, row by row to spare memory: (q, h, d) to (q,)."""
    farthest = [np.linalg.norm(x - x[:, i : i + 1], axis=2).max(axis=1) for i in range(x.shape[1])]
    widest: Vector = np.max(farthest, axis=0)
    return widest
