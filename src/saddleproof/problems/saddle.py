"""Problems with a known saddle point: where runs begin, and who judges where they end.

Everything here looks at the true pooled loss of all m workers. It serves benchmarks and tests; no
optimizer ever sees it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cached_property

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.problems.base import Problem

#: Draws of the data after which a problem gives up: more than chance explains.
_DRAWS = 100


class SaddleProblem(Problem):
    """A problem whose saddle is known.

    A member sets its data, calls `_place(saddle)`, and answers `values` and `_gradients` for
    every worker and `hessian` for their mean.

    Attributes:
        saddle: (d,), a strict saddle of the pooled loss F.
        start: (d,), the saddle plus 1e-3 N(0, I): where runs begin.
    """

    saddle: Vector
    start: Vector

    def __init__(self, *, d: int, workers: int, seed: int, **sizes: int) -> None:
        for what, size in {"workers": workers, "d": d, **sizes}.items():
            if size < 1:
                raise OptionError(f"{self.name} needs {what} >= 1; got {size}")
        if seed < 0:
            raise OptionError(f"seed must not be negative; got {seed}")
        self.d, self.m = d, workers
        # A stream of its own for every problem and seed: an optimizer that is seeded with the
        # same number draws other numbers.
        self._rng = np.random.default_rng([zlib.crc32(self.name.encode()), seed])

    def _place(self, saddle: Vector) -> None:
        self.saddle = saddle
        self.start = saddle + 1e-3 * self._rng.standard_normal(self.d)

    def _place_refined(self, draw: Callable[[], Vector]) -> None:
        """Draw data until there is a saddle where it is expected.

        Each call of `draw` draws data and answers where their saddle should be, w. They are
        kept when Newton's method from w ends at a strict saddle within |w| / 2.
        """
        for _ in range(_DRAWS):
            w = draw()
            refined = newton(self, w)
            near = np.linalg.norm(refined - w) < np.linalg.norm(w) / 2
            if near and is_saddle(self, refined):
                self._place(refined)
                return
        raise OptionError(
            f"{self.name}: none of {_DRAWS} draws of the data has its saddle; "
            "take more samples or more workers"
        )

    @cached_property
    def escape_direction(self) -> Vector:
        """Unit eigenvector of the lowest eigenvalue of the Hessian at the saddle: (d,)."""
        vector: Vector = np.linalg.eigh(self.hessian(self.saddle))[1][:, 0]
        return vector

    @cached_property
    def minimum(self) -> Vector:
        """The nearby minimum, (d,): the better end of descents from both sides of the saddle.

        L-BFGS from saddle +- .1 along `escape_direction`, polished by Newton's method.
        """
        sides = (self.saddle + t * self.escape_direction for t in (0.1, -0.1))
        return min((newton(self, descend(self, side)) for side in sides), key=self.value)

    @cached_property
    def curvature(self) -> float:
        """gamma: half of |lambda_min| of the Hessian at the saddle."""
        return abs(self._lambda_saddle) / 2

    @cached_property
    def smoothness(self) -> float:
        """L: 1.2 times the largest |eigenvalue| of the Hessian, saddle and minimum together."""
        ends = (self.saddle, self.minimum)
        return 1.2 * max(float(np.abs(np.linalg.eigvalsh(self.hessian(w))).max()) for w in ends)

    def excess(self, w: Vector) -> float:
        """(F(w) - F(minimum)) / (F(saddle) - F(minimum)): 1 at the saddle, 0 at the minimum."""
        return (self.value(w) - self._lowest) / (self.value(self.saddle) - self._lowest)

    def left_saddle(self, w: Vector) -> bool:
        """Whether a run that ended at w, (d,), left the saddle.

        Its Hessian's lowest eigenvalue is above half of the saddle's (which is negative), and it
        lost more than half of F(saddle) - F(minimum).
        """
        with np.errstate(over="ignore", invalid="ignore"):
            hessian = self.hessian(w)
            if not np.isfinite(hessian).all():
                return False
            above = lambda_min(hessian) > self._lambda_saddle / 2
            return bool(above and self.excess(w) < 0.5)

    @cached_property
    def _lambda_saddle(self) -> float:
        return lambda_min(self.hessian(self.saddle))

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


def is_saddle(problem: Problem, w: Vector) -> bool:
    """Whether w is a strict saddle of F: |grad F(w)| < 1e-8 and lambda_min < 0."""
    small = float(np.linalg.norm(problem.gradient(w))) < 1e-8
    return small and lambda_min(problem.hessian(w)) < 0


def lambda_min(hessian: Vector) -> float:
    """The lowest eigenvalue of a symmetric (d, d) matrix."""
    return float(np.linalg.eigvalsh(hessian)[0])
