"""Neon2 + GD: negative curvature by Chebyshev polynomials (Allen-Zhu & Li 2018, Neon2^det).

    y_t, y_(t-1)     search.y, search.last
    delta (theirs)   curvature
    p                delta: the probability of missing
    L                1/step

    M(y) = -(1/L) (grad F(w + y) - grad F(w)) + (1 - 3 delta/(4L)) y
    y_0 = 0,  y_1 = xi,  y_(t+1) = 2 M(y_t) - y_(t-1),  s_t = M(y_t) - y_(t-1) = T_t(M) xi

where M is linear and T_t the Chebyshev polynomial of the first kind. T_t(M) is at most 1 on
curvature above -3 delta/4, where the eigenvalues of M lie in [-1, 1], and grows like
exp(t sqrt(delta/(2L))) at curvature -delta. This square root is the gain over the power method.

The recurrence was checked against a public zeroth-order port of Neon2^det, and against T_t itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.optimizers.baselines.curvature_search import CurvatureSearch, Leap, Search
from saddleproof.optimizers.randomness import sphere


@dataclass(frozen=True)
class Neon2(CurvatureSearch):
    """Gradient descent, and a Chebyshev iteration on gradient differences.

    A search ends with v = s_t/|s_t| once |s_t| >= r, which says v'Hv <= -delta/2, and
    w <- w +- (delta/rho) v by a fair coin lowers F by delta^3/(12 rho^2) in the mean. The search
    gives up after T rounds, which says H >= -delta with probability 1 - p. For quadratics, with

        K = max(10, 3 sqrt(L/delta)),   T = ceil(arccosh(K sqrt(d)/p) / arccosh(1 + delta/(4L))),
        r = delta/(16 rho T),           |xi| = r/K.

    K, T, r and |xi| are choices of this library, derived so that no power of d/p underflows.

    Args:
        step: see `CurvatureSearch`, for this and all options.

    Raises:
        OptionError: an option outside its range.

    Cost: one gradient of every worker a round of descent, two a round of search.
    Guarantee: exact gradients only; under attack see `CurvatureSearch`.

    Reference: Allen-Zhu, Li 2018, "Neon2: finding local minima via first-order oracles", NeurIPS,
    for the recurrence (Neon2^det).
    """

    @property
    def growth(self) -> float:
        """K = r/|xi|."""
        return max(10.0, 3 * math.sqrt(1 / (self.step * self.curvature)))

    def patience(self, d: int) -> int:
        """T, the rounds after which a search in d dimensions gives up.

        >>> [Neon2(step=1.0, curvature=gamma).patience(100) for gamma in (0.1, 0.02)]
        [38, 91]
        """
        growth = math.acosh(max(self.growth * math.sqrt(d) / self.delta, 1))
        return math.ceil(growth / math.acosh(1 + self.step * self.curvature / 4))

    def radius(self, d: int) -> float:
        """r, the length of s_t at which a direction counts as found."""
        return self.curvature / (16 * self.hessian_lipschitz * self.patience(d))

    def _begin(self, generator: np.random.Generator, d: int) -> Search:
        xi = self.radius(d) / self.growth * sphere(generator, 1, d)[0]
        return Search(y=xi, last=np.zeros(d), t=1)

    def _advance(self, now: Search, change: Vector) -> Search | Leap | None:
        y, d = now.y, len(now.y)
        M = -self.step * change + (1 - 0.75 * self.curvature * self.step) * y
        s = M - now.last  # T_t(M) xi
        length = float(np.linalg.norm(s))
        if length >= self.radius(d):
            return Leap(s / length, self.curvature / self.hessian_lipschitz, fair=True)
        if now.t >= self.patience(d):
            return None
        return replace(now, y=2 * M - now.last, last=y, t=now.t + 1)
