"""Accelerated negative-curvature finding (Zhang & Li 2021), with gradient descent around it.

    x - x_t, y - x_t     search.last, search.y, both relative to w
    sqrt(rho epsilon)    curvature, gamma
    kappa = L/gamma,  L = 1/(4 eta),  theta = 1/(4 sqrt(kappa))
    r', T'               radius, patience
    delta_0              delta

    x+ = y - eta (grad F(w + y) - grad F(w)),   y+ = x+ + (1 - theta)(x+ - x),

then both back to |x+| = r', by one common scale: a power method with momentum.

The formulas are those of "Faster gradient-free methods for escaping saddle points" (ICLR 2023),
which restates the search for finite-difference gradients: Algorithm 3, Equation (7), Lemmas 7 and
8. Its Lemma 8 is Lemma 6 of Zhang and Li; their other numbers were not seen. Algorithm 3 scales x+
and y+ back to r' each by itself; the common scale of this library keeps the recurrence linear.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.optimizers.baselines.curvature_search import CurvatureSearch, Leap, Search
from saddleproof.optimizers.gradient_descent import check_positive
from saddleproof.optimizers.randomness import ball


@dataclass(frozen=True)
class AcceleratedCurvature(CurvatureSearch):
    """Gradient descent, and a power method with momentum where the gradient is small.

    After T' rounds e = x/|x| has e'He <= -gamma/4 with probability 1 - delta_0, if lambda_min <=
    -gamma (Lemma 7, for c = 32). One more round measures e'He. Above -gamma/4 the run ends;
    otherwise w <- w -+ gamma/(4 rho) e, down the gradient, which lowers F by gamma^3/(384 rho^2)
    or more (Lemma 8). The measurement is an addition of this library.

        theta = sqrt(gamma/L)/4,   T' = c sqrt(L/gamma) log(L sqrt(d)/(delta_0 gamma)).

    Args:
        step: eta = 1/(4L) > 0, kept as given. `CurvatureSearch` tells of the other options.
        radius: r' > 0, the distance at which gradients are asked for; small against gamma/rho.
            Equation (7) takes (delta_0 gamma^2/(32 rho)) sqrt(pi/(rho d)); 1e-4 is a choice of
            this library, above round-off.
        c: factor of T'; 32 in Equation (7). 4 is a choice of this library: momentum multiplies
            curvature -gamma by 1 + .39 sqrt(gamma/L) a round, so that 4 leaves a margin of one
            half on quadratics.

    Raises:
        OptionError: an option outside its range.

    Cost: one gradient of every worker a round of descent, two a round of search.
    Guarantee: exact gradients only; under attack see `CurvatureSearch`.

    Reference: Zhang, Li 2021, "Escape saddle points by a simple gradient-descent based
    algorithm", NeurIPS; numbers as in "Faster gradient-free methods for escaping saddle points",
    ICLR 2023, which restates the search.
    """

    radius: float = 1e-4
    c: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(radius=self.radius, c=self.c)

    @property
    def kappa(self) -> float:
        """L/gamma, with L = 1/(4 eta); at least 1."""
        return max(1.0, 1 / (4 * self.step * self.curvature))

    def patience(self, d: int) -> int:
        """T', the rounds of a search in d dimensions; one more measures.

        >>> AcceleratedCurvature(step=0.25, curvature=0.02).patience(100)
        261
        """
        root = math.sqrt(self.kappa)
        return math.ceil(self.c * root * math.log(self.kappa * math.sqrt(d) / self.delta))

    def _begin(self, generator: np.random.Generator, d: int) -> Search:
        start = self.radius * ball(generator, 1, d)[0]
        return Search(y=start, last=start)

    def _advance(self, now: Search, change: Vector) -> Search | Leap | None:
        T = self.patience(len(now.y))
        if now.t == T:  # now.y is r' e: measure
            e = now.y / np.linalg.norm(now.y)
            below = float(e @ change) <= -self.curvature / 4 * self.radius
            return Leap(e, self.curvature / (4 * self.hessian_lipschitz)) if below else None
        theta = 0.25 / math.sqrt(self.kappa)
        x = now.y - self.step * change
        y = x + (1 - theta) * (x - now.last)
        scale = self.radius / max(float(np.linalg.norm(x)), np.finfo(np.float64).tiny)
        if now.t == T - 1:
            y = x
        return replace(now, y=scale * y, last=scale * x, t=now.t + 1)
