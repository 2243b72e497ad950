"""Functions with known smoothness L, Hessian-Lipschitz constant rho and lowest value.

A landscape is a problem with one worker.
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector


class Landscape:
    """F with its gradient and Hessian; w of shape (..., d).

    Attributes:
        d: dimension.
        smoothness: L of F in the region that the iterates reach.
        hessian_lipschitz: rho of F in that region.
        saddle: (d,) the origin.
        start: (d,) where runs begin.
        lowest: F*.
    """

    m = 1
    d: int
    smoothness: float
    hessian_lipschitz: float
    start: Vector
    lowest: float

    @property
    def saddle(self) -> Vector:
        """(d,): the origin."""
        return np.zeros(self.d)

    @property
    def escape_direction(self) -> Vector:
        """(d,): the first axis."""
        axis: Vector = np.eye(self.d)[0]
        return axis

    @property
    def excess(self) -> float:
        """F_0 - F*."""
        return float(self.value(self.start)) - self.lowest

    def value(self, w: Vector) -> Vector:
        """(..., d) to (...)."""
        raise NotImplementedError

    def gradient(self, w: Vector) -> Vector:
        """(..., d) to (..., d)."""
        raise NotImplementedError

    def lambda_min(self, w: Vector) -> float:
        """The lowest eigenvalue of the Hessian at w, (d,)."""
        raise NotImplementedError

    def gradients(self, points: Vector) -> Vector:
        """(q, d) to (q, 1, d), for the fleet."""
        gradients: Vector = self.gradient(points)[:, None, :]
        return gradients


class QuadraticWithWaves(Landscape):
    """w'Hw / 2 + .1 sum_k cos(<c_k, w>) with random H and c_k.

    `smoothness` and `hessian_lipschitz` are upper bounds.

    Args:
        rng: draws H and the three c_k.
        d: dimension.
        shift: the spectrum of H is moved down by this.
    """

    def __init__(self, rng: np.random.Generator, d: int, *, shift: float = 0.0) -> None:
        A = rng.standard_normal((d, d))
        self.d, self.H = d, (A + A.T) / 2 - shift * np.eye(d)
        self.C, self.a = rng.standard_normal((3, d)), 0.1
        lengths = np.linalg.norm(self.C, axis=1)
        self.smoothness = float(
            np.abs(np.linalg.eigvalsh(self.H)).max() + self.a * lengths @ lengths
        )
        self.hessian_lipschitz = float(self.a * (lengths**3).sum())

    def value(self, w: Vector) -> Vector:
        """(..., d) to (...)."""
        value: Vector = ((w @ self.H) * w).sum(-1) / 2 + self.a * np.cos(w @ self.C.T).sum(-1)
        return value

    def gradient(self, w: Vector) -> Vector:
        """(..., d) to (..., d)."""
        gradient: Vector = w @ self.H - self.a * np.sin(w @ self.C.T) @ self.C
        return gradient


class HalfSquare(Landscape):
    """||w||^2 / 2: L = 1, and equality in Lemma 1."""

    def __init__(self, d: int) -> None:
        self.d, self.smoothness, self.hessian_lipschitz = d, 1.0, 0.0

    def value(self, w: Vector) -> Vector:
        """(..., d) to (...)."""
        value: Vector = (w * w).sum(-1) / 2
        return value

    def gradient(self, w: Vector) -> Vector:
        """(..., d) to (..., d)."""
        return w


class DoubleWell(Landscape):
    """Example 2 with a quartic term: -gamma w_1^2 / 2 + gamma w_1^4 / 4 + sum_k w_k^2 / 2, k > 1.

    It has a saddle at 0 and minima at distance 1. L and rho hold in the ball of radius 1.2.
    """

    def __init__(self, gamma: float = 0.5, d: int = 2) -> None:
        self.gamma, self.d = gamma, d
        self.smoothness = max(1.0, gamma * (3 * 1.2**2 - 1))
        self.hessian_lipschitz = 6 * gamma * 1.2
        self.start, self.lowest = np.zeros(d), -gamma / 4

    def value(self, w: Vector) -> Vector:
        """(..., d) to (...)."""
        u = w[..., 0] ** 2
        value: Vector = self.gamma * (u**2 / 4 - u / 2) + (w[..., 1:] ** 2).sum(-1) / 2
        return value

    def gradient(self, w: Vector) -> Vector:
        """(..., d) to (..., d)."""
        gradient = w.copy()
        gradient[..., 0] = self.gamma * (w[..., 0] ** 3 - w[..., 0])
        return gradient

    def lambda_min(self, w: Vector) -> float:
        """The Hessian is diagonal."""
        along = self.gamma * (3 * float(w[0]) ** 2 - 1)
        return min(along, 1.0) if self.d > 1 else along


class CubicWell(Landscape):
    """-gamma w_1^2 / 2 + rho |w_1|^3 / 6 + w_2^2 / 2: the shallowest well for this gamma and rho.

    F* = -(2/3) gamma^3 / rho^2, at w_1 = 2 gamma / rho; L = 1 for |w_1| <= 1 / rho.
    """

    d = 2
    smoothness = 1.0

    def __init__(self, gamma: float, rho: float) -> None:
        self.gamma, self.hessian_lipschitz = gamma, rho
        self.start, self.lowest = np.zeros(2), -2 / 3 * gamma**3 / rho**2

    def value(self, w: Vector) -> Vector:
        """(..., 2) to (...)."""
        u = np.abs(w[..., 0])
        value: Vector = (
            self.hessian_lipschitz * u**3 / 6 - self.gamma * u**2 / 2 + w[..., 1] ** 2 / 2
        )
        return value

    def gradient(self, w: Vector) -> Vector:
        """(..., 2) to (..., 2)."""
        gradient = w.copy()
        u = w[..., 0]
        gradient[..., 0] = self.hessian_lipschitz * u * np.abs(u) / 2 - self.gamma * u
        return gradient

    def lambda_min(self, w: Vector) -> float:
        """The Hessian is diagonal."""
        return min(1.0, self.hessian_lipschitz * abs(float(w[0])) - self.gamma)


class LongSlope(Landscape):
    """A long slope, (s / c) log cosh(c w), d = 1: |F'| -> s, with L <= 1 and rho = 1.

    |F'''| is at most s c^2 4 / (3 sqrt(3)), which is 1 by the choice of c.

    Args:
        slope: s, in (0, 3/4].
        excess: F_0 - F* at the start of runs.
    """

    d = 1
    smoothness = 1.0
    hessian_lipschitz = 1.0
    lowest = 0.0

    def __init__(self, slope: float, excess: float = 1.0) -> None:
        self.s = slope
        self.c = (3 * np.sqrt(3) / (4 * slope)) ** 0.5
        self.start = np.array([excess / slope + np.log(2) / self.c])

    def value(self, w: Vector) -> Vector:
        """(..., 1) to (...)."""
        u = self.c * np.abs(w[..., 0])
        value: Vector = self.s / self.c * (u + np.log1p(np.exp(-2 * u)) - np.log(2))
        return value

    def gradient(self, w: Vector) -> Vector:
        """(..., 1) to (..., 1)."""
        gradient: Vector = self.s * np.tanh(self.c * w)
        return gradient

    def lambda_min(self, w: Vector) -> float:
        """F''."""
        return float(self.s * self.c / np.cosh(self.c * w[0]) ** 2)
