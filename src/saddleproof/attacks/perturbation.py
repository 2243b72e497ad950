"""The directions in which Min-Max and Min-Sum leave the honest mean."""

from __future__ import annotations

from typing import Literal

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView

Perturbation = Literal["std", "unit", "sign"]


def perturbation_of(view: AttackView, name: Perturbation) -> Vector:
    """p of Shejwalkar and Houmansadr (2021), without its minus: (q, d).

    "std" is the honest standard deviation, "unit" the honest mean at length 1, "sign" its signs.
    Where p is 0 at a point, there is nowhere to go, and the attack sends the mean.
    """
    if name == "std":
        std: Vector = view.honest.std(axis=1)
        return std
    g = view.honest_mean
    if name == "sign":
        sign: Vector = np.sign(g)
        return sign
    length = np.linalg.norm(g, axis=1, keepdims=True)
    unit: Vector = np.divide(g, length, out=np.zeros_like(g), where=length > 0)
    return unit


def scaled_to(distance: Vector, p: Vector) -> Vector:
    """Factors (q, 1) that bring the rows p to these lengths, 0 where p is 0."""
    length = np.linalg.norm(p, axis=1)
    factors: Vector = np.divide(distance, length, out=np.zeros_like(length), where=length > 0)
    return factors[:, None]
