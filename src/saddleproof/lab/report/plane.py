"""The plane through a saddle in which a run is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Vector


@dataclass(frozen=True)
class Plane:
    """The saddle's escape direction, and across it the way to the minimum.

    Saddle and minimum both lie in it. Where the minimum lies straight along the escape direction,
    the second axis is the next eigenvector of the saddle's Hessian.

    Attributes:
        problem: has `value(w)`, the pooled loss.
        origin: (d,) the saddle.
        axes: (2, d) orthonormal rows.
        minimum: (2,) its coordinates.
    """

    problem: Any
    origin: Vector
    axes: Vector
    minimum: Vector

    @classmethod
    def of(cls, problem: Any) -> Plane | None:
        """The plane of a problem; None where its saddle is not known, or d = 1."""
        saddle = getattr(problem, "saddle", None)
        if saddle is None or len(saddle) < 2:
            return None
        along = problem.escape_direction
        way = problem.minimum - saddle
        across = way - (way @ along) * along
        if np.linalg.norm(across) < 1e-3 * np.linalg.norm(way):
            across = np.linalg.eigh(problem.hessian(saddle))[1][:, 1]
        axes = np.stack([along, across / np.linalg.norm(across)])
        return cls(problem, saddle, axes, axes @ way)

    def project(self, points: Vector) -> Vector:
        """(T, d) points as (T, 2) coordinates."""
        coordinates: Vector = (points - self.origin) @ self.axes.T
        return coordinates

    def grid(self, tracks: Vector, steps: int = 101) -> tuple[Vector, Vector, Vector]:
        """Coordinates x and y, (steps,), around the (T, 2) tracks, and the loss, (steps, steps).

        Symmetric along the escape direction, so that both ways out can be seen. A run that
        diverged does not set the scale.
        """
        far = 1.5 * float(np.linalg.norm(self.minimum))
        near = tracks[np.linalg.norm(tracks, axis=1) < far]
        seen = np.vstack([near, self.minimum, np.zeros(2)])
        reach = 1.35 * float(np.abs(seen[:, 0]).max())
        low, high = seen[:, 1].min(), seen[:, 1].max()
        middle, half = (low + high) / 2, max((high - low) / 2 + 0.3 * reach, 0.6 * reach)
        x, y = np.linspace(-reach, reach, steps), np.linspace(middle - half, middle + half, steps)
        loss = [[self.problem.value(self.origin + (a, b) @ self.axes) for a in x] for b in y]
        return x, y, np.array(loss)


def bottoms(x: Vector, y: Vector, loss: Vector) -> list[tuple[float, float]]:
    """Bottoms of the wells of `loss`: grid points below all eight neighbours, then a parabola.

    Args:
        x: (k,), evenly spaced.
        y: (l,), evenly spaced.
        loss: (l, k).

    >>> x = np.linspace(-2, 2, 5)
    >>> bottoms(x, x, x[:, None] ** 2 + (x - 0.8) ** 2)
    [(0.8, 0.0)]
    """
    inner = loss[1:-1, 1:-1]
    lowest = np.ones_like(inner, dtype=bool)
    rows, columns = loss.shape
    for i in range(3):
        for j in range(3):
            if (i, j) != (1, 1):
                lowest &= inner < loss[i : rows - 2 + i, j : columns - 2 + j]
    at = [(i + 1, j + 1) for i, j in zip(*np.nonzero(lowest), strict=True)]
    return [
        (_vertex(x, loss[i, :], j), _vertex(y, loss[:, j], i))
        for i, j in sorted(at, key=lambda ij: float(loss[ij]))
    ]


def _vertex(x: Vector, values: Vector, k: int) -> float:
    """Lowest point of the parabola through three neighbours."""
    left, middle, right = values[k - 1 : k + 2]
    shift = 0.5 * (left - right) / (left - 2 * middle + right)
    return round(float(x[k] + shift * (x[1] - x[0])), 12)
