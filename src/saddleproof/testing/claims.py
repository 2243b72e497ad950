"""What the suites say things with, and the small saddle on which they try members."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from saddleproof.arrays import Vector


def holds(condition: object, claim: str) -> None:
    """Raise AssertionError(claim) unless the condition is true; `python -O` does not silence it."""
    if not condition:
        raise AssertionError(claim)


def same(found: Any, expected: Any, claim: str, tolerance: float = 1e-9) -> None:
    """Assert that two arrays agree to a relative and absolute tolerance."""
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=claim)


def refuses(call: Callable[[], object], error: type[Exception], what: str) -> None:
    """Assert that the call raises this very error."""
    try:
        call()
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{what}: {error.__name__} expected; got {other!r}") from other
    raise AssertionError(f"{what} must raise {error.__name__}")


def equal(one: Any, other: Any) -> bool:
    """Whether two payloads are the same, NaN for NaN."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return bool(one == other)


class QuarticSaddle:
    """A small saddle for the suites: F(w) = w'Hw/2 + |w|^4/4, H = diag(-1, 1, ..., 1).

    Worker i adds <xi_i, w>, with the xi_i of mean zero, so that the saddle is at 0 exactly and
    the minima are at +-e_1. All workers share one Hessian.
    """

    def __init__(self, m: int = 11, d: int = 4, noise: float = 0.01) -> None:
        self.m, self.d = m, d
        self.saddle = np.zeros(d)
        self.escape_direction = np.eye(d)[0]
        self.smoothness = 2.0
        self.start = np.full(d, 1e-3)
        tilts = noise * np.random.default_rng(0).standard_normal((m, d))
        self._tilts = tilts - tilts.mean(axis=0)

    def values(self, w: Vector) -> Vector:
        """F_i(w): (d,) to (m,)."""
        curvature = np.where(np.arange(self.d) == 0, -1.0, 1.0)
        found: Vector = curvature @ w**2 / 2 + (w @ w) ** 2 / 4 + self._tilts @ w
        return found

    def gradients(self, points: Vector) -> Vector:
        """(q, d) points to (q, m, d)."""
        curvature = np.where(np.arange(self.d) == 0, -1.0, 1.0)
        common = curvature * points + (points**2).sum(axis=1, keepdims=True) * points
        found: Vector = common[:, None, :] + self._tilts
        return found

    def values_at(self, points: Vector) -> Vector:
        """F_i at every point: (q, d) to (q, m)."""
        return np.stack([self.values(w) for w in points])

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """H_i(w) v: (d,) and (m, p, d) to (m, p, d)."""
        curvature = np.where(np.arange(self.d) == 0, -1.0, 1.0) + w @ w
        found: Vector = curvature * vectors + 2 * (vectors @ w)[..., None] * w
        return found
