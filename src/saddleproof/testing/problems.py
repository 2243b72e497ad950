"""What every problem must do."""

from __future__ import annotations

from typing import Any

import numpy as np

from saddleproof import arguments
from saddleproof.testing.claims import holds, same


def check_problem(problem: Any, *, tolerance: float = 1e-5) -> None:
    """Assert that the gradients of `problem` are those of its value, and its landmarks are true.

    Args:
        problem: a `Problem`; `start`, or else `saddle`, is where its gradients are tried.
        tolerance: relative error that central differences of the value may show.

    Raises:
        AssertionError: names the claim that does not hold.
    """
    arguments.member("problem", "problem", problem)
    base = problem.start if problem.start is not None else problem.saddle
    holds(base is not None, "the suite needs a problem with a start or a saddle")
    d = len(base)
    rng = np.random.default_rng(0)
    points = base + 0.1 * rng.standard_normal((3, d))
    gradients = problem.gradients(points)
    holds(gradients.shape == (3, problem.m, d), "gradients must be (q, m, d)")
    holds(gradients.dtype == np.float64, "gradients must be float64")
    alone = np.concatenate([problem.gradients(p[None]) for p in points])
    same(gradients, alone, "query points must not influence each other")
    for w, gradient in zip(points, gradients.mean(axis=1), strict=True):
        u = rng.standard_normal(d)
        h = 1e-5 * (1 + np.linalg.norm(w)) / np.linalg.norm(u)
        slope = (problem.value(w + h * u) - problem.value(w - h * u)) / (2 * h)
        same(gradient @ u, slope, "the mean gradient must be the slope of the value", tolerance)
    if problem.saddle is not None:
        _check_saddle(problem, tolerance)


def _check_saddle(problem: Any, tolerance: float) -> None:
    saddle = problem.saddle
    slope = np.linalg.norm(problem.gradients(saddle[None])[0].mean(axis=0))
    holds(slope <= tolerance, f"|gradient| at the saddle is {slope:.3g}")
    e = getattr(problem, "escape_direction", None)
    if e is not None:
        h = 1e-4 / np.linalg.norm(e)
        low, mid, high = (problem.value(saddle + s * h * e) for s in (-1, 0, 1))
        holds(low + high < 2 * mid, "the value must curve down along the escape direction")
