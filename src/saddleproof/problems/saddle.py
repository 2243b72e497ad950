"""Problems with a known saddle point: where runs begin, and who judges where they end.

Everything here looks at the true pooled loss of all m workers. It serves benchmarks and tests; no
optimizer ever sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.problems.base import Problem
from saddleproof.problems.known import KnownProblem, descend, newton

#: Draws of the data after which a problem gives up: more than chance explains.
_DRAWS = 100


class SaddleProblem(KnownProblem):
    """A problem whose saddle is known.

    A member sets its data, calls `_place(saddle)`, and answers `values_at`, `_gradients` and
    `products` for every worker and `hessian` for their mean.

    Attributes:
        saddle: (d,), a strict saddle of the pooled loss F.
        start: (d,), the saddle plus 1e-3 N(0, I): where runs begin.
    """

    saddle: Vector
    start: Vector

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

    @property
    def origin(self) -> Vector:
        """The saddle: (F(w) - F(minimum)) / (F(saddle) - F(minimum)) is 1 there."""
        return self.saddle

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


def is_saddle(problem: Problem, w: Vector) -> bool:
    """Whether w is a strict saddle of F: |grad F(w)| < 1e-8 and lambda_min < 0."""
    small = float(np.linalg.norm(problem.gradient(w))) < 1e-8
    return small and lambda_min(problem.hessian(w)) < 0


def lambda_min(hessian: Vector) -> float:
    """The lowest eigenvalue of a symmetric (d, d) matrix."""
    return float(np.linalg.eigvalsh(hessian)[0])
