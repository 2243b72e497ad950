"""Neon + GD: negative curvature from noise (Xu, Jin, Yang 2018).

    u_tau            search.y
    gamma            curvature
    eta = 1/L        step

    u_(tau+1) = u_tau - eta (grad F(w + u_tau) - grad F(w)):   the power method on I - eta H.

The idea, negative curvature from noise by gradients alone, is that of Xu, Jin and Yang. The test
is this library's: as in Neon2, the growth of |u| decides. From |u_0| = r only curvature below zero
makes |u| >= GROWTH r, and curvature below -gamma does so in T steps, with probability 1 - delta.
The search asks for no values of F, so liars cannot bend any. All constants are choices of this
library, derived for quadratics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.optimizers.baselines.curvature_search import CurvatureSearch, Leap, Search
from saddleproof.optimizers.gradient_descent import check_positive
from saddleproof.optimizers.randomness import sphere

#: |u| / |u_0| at which a direction counts as found.
GROWTH = 1000.0


@dataclass(frozen=True)
class Neon(CurvatureSearch):
    """Gradient descent, and the power method on gradient differences where the gradient is small.

    A search starts from u_0 on the sphere of `radius` and ends at |u| >= 1000 |u_0| with
    v = u/|u| and a = -v'Hv, measured on the way; then w <- w - (a/rho) sign(<g_hat, v>) v, which
    lowers F by at least a^3/(3 rho^2). The search gives up after

        T = ceil(log(1000 sqrt(d) / delta) / log(1 + eta gamma))  rounds.

    Args:
        step: see `CurvatureSearch`, for this and all options but `radius`.
        radius: |u_0| > 0; 1000 times it must be small against gamma/rho.

    Raises:
        OptionError: an option outside its range.

    Cost: one gradient of every worker a round of descent, two a round of search.
    Guarantee: exact gradients only; under attack see `CurvatureSearch`.

    Reference: Xu, Jin, Yang 2018, "First-order stochastic algorithms for escaping from saddle
    points in almost linear time", NeurIPS, for the idea (NEON).
    """

    radius: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(radius=self.radius)

    def patience(self, d: int) -> int:
        """T, the rounds after which a search in d dimensions gives up.

        >>> [Neon(step=1.0, curvature=gamma).patience(100) for gamma in (0.1, 0.02)]
        [129, 617]
        """
        growth = GROWTH * math.sqrt(d) / self.delta
        return math.ceil(math.log(growth) / math.log1p(self.step * self.curvature))

    def _begin(self, generator: np.random.Generator, d: int) -> Search:
        u = self.radius * sphere(generator, 1, d)[0]
        return Search(y=u, last=np.zeros(d))

    def _advance(self, now: Search, change: Vector) -> Search | Leap | None:
        u = now.y
        length = float(np.linalg.norm(u))
        if length >= GROWTH * self.radius:
            a = -float(u @ change) / length**2  # -v'Hv
            return Leap(u / length, a / self.hessian_lipschitz) if a > 0 else None
        if now.t >= self.patience(len(u)):
            return None
        return replace(now, y=u - self.step * change, t=now.t + 1)
