"""Min-Sum (Shejwalkar, Houmansadr, NDSS 2021): no farther from all than one honest row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.attacks.perturbation import Perturbation, perturbation_of, scaled_to


@dataclass(frozen=True)
class MinSum:
    """Every member sends g - gamma p, g the honest mean, as far out as one honest row.

    gamma is the largest number for which

        sum_i |g - gamma p - x_i|^2 <= max_j sum_i |x_j - x_i|^2   over the honest rows x_i.

    The paper halves intervals. There is no need: sum_i |y - x_i|^2 = S + h |y - g|^2 for every y,
    S the sum at y = g, h the number of rows. So the lie stands exactly as far from g as the
    farthest honest row: gamma |p| = max_j |x_j - g|.

    Knows the honest rows. Cost O(h d) a point.

    Args:
        perturbation: p; "std" of the honest rows, "unit" g / |g|, or "sign" of g.
        compared_with: "farthest" is max_j, as the paper has it; "nearest" is min_j, which is what
            the authors' program computes.

    Raises:
        OptionError: another perturbation or comparison.
    """

    perturbation: Perturbation = "std"
    compared_with: Literal["farthest", "nearest"] = "farthest"

    def __post_init__(self) -> None:
        check_options(self)

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): the same row from each of the k members."""
        g = view.honest_mean
        distances = np.linalg.norm(view.honest - g[:, None, :], axis=2)  # (q, h)
        allowed = (distances.max if self.compared_with == "farthest" else distances.min)(axis=1)
        p = perturbation_of(view, self.perturbation)
        lie = g - scaled_to(allowed, p) * p
        return np.repeat(lie[:, None, :], len(view.members), axis=1)
