"""What a question costs a worker: for deadlines, and for the limits that a worker sets."""

from __future__ import annotations

from typing import assert_never

from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature, Question


def cost_of(question: Question) -> tuple[int, int]:
    """About what a question costs a worker: passes over its data, and numbers that it holds.

    A product by differences is four gradients, and every gradient is a pass.

    >>> import numpy as np
    >>> from saddleproof.questions import LeastCurvature
    >>> cost_of(LeastCurvature(np.zeros(1000), steps=60))
    (240, 60000)
    """
    if isinstance(question, Gradients):
        return len(question.points), question.points.size
    d = len(question.w)
    if isinstance(question, Changes):
        p, t = question.shape
        return 3 + p * t, (p + max(t, 3)) * d  # the ends of one direction at a time
    if isinstance(question, Curvatures):
        return 4 * len(question.directions), question.directions.size
    if isinstance(question, LeastCurvature):
        k = min(question.steps, d)
        return 4 * k, k * d
    assert_never(question)
