"""Problems whose minimum is known, so that it can be said how far a run came.

Everything here looks at the true pooled loss of all m workers. It serves benchmarks and tests; no
optimizer ever sees it.
"""

from __future__ import annotations

import zlib
from functools import cached_property

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.problems.base import Problem


class KnownProblem(Problem):
    """A problem with a known minimum below its start.

    A member sets its data and `start`, and answers `values_at`, `_gradients` and `products` for
    every worker and `hessian` for their mean.

    Attributes:
        start: (d,), where runs begin.
    """

    start: Vector

    def __init__(self, *, d: int, workers: int, seed: int, **sizes: int) -> None:
        for what, size in {"workers": workers, "d": d, **sizes}.items():
            arguments.whole(f"{self.name}: {what}", size, least=1)
        self.d, self.m = int(d), int(workers)
        seed = arguments.seed_number(seed)
        # A stream of its own for every problem and seed: an optimizer that is seeded with the
        # same number draws other numbers.
        self._rng = np.random.default_rng([zlib.crc32(self.name.encode()), seed])

    def values(self, w: Vector) -> Vector:
        """F_i(w), every worker's own loss: (d,) to (m,)."""
        values: Vector = self.values_at(w[None])[0]
        return values

    @property
    def origin(self) -> Vector:
        """(d,), the point at which `excess` is 1."""
        return self.start

    @cached_property
    def minimum(self) -> Vector:
        """The minimum below the start, (d,): L-BFGS, polished by Newton's method."""
        return newton(self, descend(self, self.start))

    @cached_property
    def smoothness(self) -> float:
        """L: 1.2 times the largest |eigenvalue| of the Hessian, origin and minimum together."""
        ends = (self.origin, self.minimum)
        return 1.2 * max(float(np.abs(np.linalg.eigvalsh(self.hessian(w))).max()) for w in ends)

    def excess(self, w: Vector) -> float:
        """(F(w) - F(minimum)) / (F(origin) - F(minimum)): 1 at the origin, 0 at the minimum."""
        return (self.value(w) - self._lowest) / (self.value(self.origin) - self._lowest)

    @cached_property
    def _lowest(self) -> float:
        return self.value(self.minimum)


def descend(problem: Problem, w: Vector, basis: Vector | None = None) -> Vector:
    """A local minimum of F below w, (d,), by L-BFGS.

    Args:
        problem: F.
        w: (d,) where the descent begins.
        basis: (k, d) orthonormal rows; the descent then stays in the plane w + span(basis).
    """
    from scipy.optimize import minimize

    B = np.eye(problem.d) if basis is None else basis
    found = minimize(
        lambda u: problem.value(w + u @ B),
        np.zeros(len(B)),
        jac=lambda u: B @ problem.gradient(w + u @ B),
        method="L-BFGS-B",
        options={"gtol": 1e-9, "ftol": 1e-15, "maxiter": 5000, "maxfun": 20000},
    )
    end: Vector = w + found.x @ B
    return end


def newton(problem: Problem, w: Vector, steps: int = 50) -> Vector:
    """A critical point of F near w: Newton's method on grad F = 0, while it makes progress.

    Least-norm steps, since losses with a symmetry have singular Hessians at their critical
    points. The first step that does not lower |grad F| ends the search.
    """
    g = problem.gradient(w)
    for _ in range(steps):
        ahead = w - np.linalg.lstsq(problem.hessian(w), g, rcond=1e-10)[0]
        g_ahead = problem.gradient(ahead)
        if not np.linalg.norm(g_ahead) < np.linalg.norm(g):
            break
        w, g = ahead, g_ahead
    return w
