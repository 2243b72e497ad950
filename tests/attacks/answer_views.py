"""What the tests of answers share."""

from __future__ import annotations

import numpy as np
import pytest

from saddleproof.questions import Changes, Curvatures, LeastCurvature, Question

D, M, MEMBERS = 6, 11, (0, 4, 9)
RNG = np.random.default_rng(0)
DIRECTIONS = RNG.standard_normal((3, D))


QUESTIONS: tuple[Question, ...] = (
    Changes(np.zeros(D), DIRECTIONS, np.array([0.5, 1.0, 2.0])),
    Curvatures(np.zeros(D), DIRECTIONS),
    LeastCurvature(np.zeros(D)),
)


EVERY = pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: type(q).__name__)
