"""Quartic saddles with tilted workers: the paper's Examples 1 and 2 (Appendix A) with walls.

    F_i(w) = w'A_i w / 2 + (gamma/4) (e'w)^4 + <xi_i, w>

The pooled A has one negative eigenvalue, -gamma, with eigenvector e, so that F has its saddle at
0 and its minima at +-e. Worker i's data tilt its loss by xi_i ~ N(0, I/n), centred over the
workers: the pooled gradient at 0 is 0 exactly, no worker's is, and that is what liars hide in.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.problems.saddle import SaddleProblem


class TiltedQuartic(SaddleProblem):
    """F_i as above; members differ in spectrum, rotation and what their workers disagree about.

    Args:
        spectrum: (d,) eigenvalues of the pooled A, the first one -gamma and alone negative.
        rotate: turn the eigenvectors by a random orthogonal matrix; else they are the axes.
        spread: A_i = A plus centred symmetric noise, entries of deviation spread / sqrt(n).
        n: samples a worker.
    """

    def __init__(
        self,
        spectrum: Vector,
        *,
        workers: int,
        seed: int,
        n: int,
        rotate: bool = False,
        spread: float = 0.0,
    ) -> None:
        d = len(spectrum)
        super().__init__(d=d, workers=workers, seed=seed, n=n)
        self.gamma = -float(spectrum[0])
        basis = _random_rotation(self._rng, d) if rotate else np.eye(d)
        self.e = basis[:, 0]  # (d,)
        self.A = (basis * spectrum @ basis.T)[None]  # (1, d, d), or (m, d, d) where they differ
        self.tilts = _centred(self._rng.standard_normal((workers, d)) / np.sqrt(n))  # (m, d)
        if spread > 0:
            noise = spread / np.sqrt(n) * self._rng.standard_normal((workers, d, d))
            lower = np.tril(noise)
            self.A = self.A + _centred(lower + np.tril(noise, -1).transpose(0, 2, 1))
        self._place(np.zeros(d))

    def values_at(self, points: Vector) -> Vector:
        """F_i at every point: (q, d) to (q, m)."""
        q, d = points.shape
        linear = (points @ self._wide).reshape(q, -1, d)  # (q, m or 1, d)
        square = (linear * points[:, None, :]).sum(axis=2)
        wall = self.gamma / 4 * (points @ self.e) ** 4
        values: Vector = square / 2 + wall[:, None] + points @ self.tilts.T
        return values

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """A_i v + 3 gamma (e'w)^2 (e'v) e: (d,) and (m, p, d) to (m, p, d)."""
        wall = 3 * self.gamma * (self.e @ w) ** 2 * (vectors @ self.e)  # (m, p)
        products: Vector = vectors @ self.A + wall[..., None] * self.e
        return products

    def hessian(self, w: Vector) -> Vector:
        """A + 3 gamma (e'w)^2 ee': (d,) to (d, d)."""
        wall = 3 * self.gamma * (self.e @ w) ** 2 * np.outer(self.e, self.e)
        hessian: Vector = self.A.mean(axis=0) + wall
        return hessian

    def _gradients(self, points: Vector) -> Vector:
        """A_i w + gamma (e'w)^3 e + xi_i."""
        q, d = points.shape
        wall = self.gamma * np.outer((points @ self.e) ** 3, self.e)  # (q, d)
        linear = (points @ self._wide).reshape(q, -1, d)  # (q, m or 1, d)
        gradients: Vector = linear + wall[:, None, :] + self.tilts
        return gradients

    @cached_property
    def _wide(self) -> Vector:
        """The A_i side by side: (d, m d), or (d, d) where all workers share one."""
        return np.hstack(list(self.A))


class Example1(TiltedQuartic):
    """F(w) = (w^2 - 1)^2 / 4 up to a constant, d = 1: Example 1 of the paper.

    Args:
        workers: m.
        seed: of the data; seeds give independent problems.
        n: samples a worker; tilts are N(0, 1/n).
    """

    name = "example1"

    def __init__(self, *, workers: int = 20, seed: int = 0, n: int = 400) -> None:
        super().__init__(np.array([-1.0]), workers=workers, seed=seed, n=n)

    def values_at(self, points: Vector) -> Vector:
        """(w^2 - 1)^2 / 4 + xi_i w: (q, 1) to (q, m)."""
        return super().values_at(points) + 0.25


class Example2(TiltedQuartic):
    """h = (-gamma, 1), gamma = 1/2: Example 2 of the paper with a quartic wall, d = 2.

    Args:
        workers: m.
        seed: of the data; seeds give independent problems.
        n: samples a worker; tilts are N(0, I/n).
    """

    name = "example2"

    def __init__(self, *, workers: int = 20, seed: int = 0, n: int = 2000) -> None:
        super().__init__(np.array([-0.5, 1.0]), workers=workers, seed=seed, n=n)


class RotatedQuartic(TiltedQuartic):
    """Example 2 in d dimensions: one negative direction, gamma = 1/2, that no axis is along.

    Args:
        workers: m.
        seed: of the rotation and the data.
        n: samples a worker; tilts are N(0, I/n).
        d: dimension; the other eigenvalues are evenly spaced in [.3, 1].
    """

    name = "rotated_quartic"

    def __init__(self, *, workers: int = 20, seed: int = 0, n: int = 40000, d: int = 50) -> None:
        d = arguments.whole(f"{self.name}: d", d, least=1)
        spectrum = np.append(-0.5, np.linspace(0.3, 1.0, d - 1))
        super().__init__(spectrum, workers=workers, seed=seed, n=n, rotate=True)


class UnequalHessians(TiltedQuartic):
    """Weak curvature, -.15 against 1, and workers whose Hessians disagree, d = 10.

    Args:
        workers: m.
        seed: of the rotation and the data.
        n: samples a worker; tilts are N(0, I/n), Hessian noise has deviation .5/sqrt(n).
    """

    name = "unequal_hessians"

    def __init__(self, *, workers: int = 20, seed: int = 0, n: int = 4000) -> None:
        spectrum = np.append(-0.15, np.linspace(0.3, 1.0, 9))
        super().__init__(spectrum, workers=workers, seed=seed, n=n, rotate=True, spread=0.5)


def _random_rotation(rng: np.random.Generator, d: int) -> Vector:
    """A uniformly random orthogonal matrix: QR of a Gaussian one, signs fixed."""
    Q, R = np.linalg.qr(rng.standard_normal((d, d)))
    rotation: Vector = Q * np.sign(np.diag(R))
    return rotation


def _centred(per_worker: Vector) -> Vector:
    """Minus its mean over the workers, so that the pooled loss is exact."""
    centred: Vector = per_worker - per_worker.mean(axis=0)
    return centred
