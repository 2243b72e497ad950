"""The answers that Definition 3 permits: within Delta of the true gradient."""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector


def inexact_answer(gradient: Vector, target: Vector, inexactness: float) -> Vector:
    """The answer of a Delta-inexact oracle that is nearest to `target`.

    Args:
        gradient: (..., d) true gradients, a row each.
        target: (..., d) what the adversary would answer without a limit.
        inexactness: Delta >= 0, the most that a row may differ from its gradient.

    Returns:
        (..., d).
    """
    error = target - gradient
    length = np.linalg.norm(error, axis=-1, keepdims=True)
    answer: Vector = gradient + error * np.minimum(1.0, inexactness / np.maximum(length, 1e-300))
    return answer


def norms(x: Vector) -> Vector:
    """2-norms over the last axis: (..., d) to (...)."""
    length: Vector = np.linalg.norm(x, axis=-1)
    return length
