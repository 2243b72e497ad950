"""Where an adversary holds gradient descent: Propositions 3 and 4 (Yin et al. 2019, Appendix A).

Example 1 has d = 1 and the functions F1(w) = (w - 1)^2 and F2(w) = (w^2 - 1)^2 / 4; Example 2 has
d = 2 and F(w) = w_1^2 / 2 - lambda w_2^2 / 2 in a ball around its saddle. The oracle is
Delta-inexact, and its error is the adversary's choice.
"""

from __future__ import annotations

import math
from typing import Literal

from saddleproof.errors import OptionError
from saddleproof.theory.arguments import not_negative, positive

#: The steepest slope of F2 between its minima, |w - w^3| at w = 1 / sqrt(3).
STEEPEST = 2 / (3 * math.sqrt(3))


def stuck_probability(
    inexactness: float,
    curvature: float,
    radius: float,
    shape: Literal["ball", "sphere"] = "ball",
) -> float:
    """How likely a random start near the saddle of Example 2 never leaves the ball: Prop. 4 (ii).

    With t = Delta / (lambda r), and 1 where t >= 1,

        ball     (2 / pi) (arcsin t + t sqrt(1 - t^2)),
        sphere   (2 / pi) arcsin t                                  (Remark after Prop. 4)

    which is the share of the shape in the slab |w_2| <= Delta / lambda: there the adversary
    cancels the second coordinate of the gradient, and outside nothing holds the iterate.

    Args:
        inexactness: Delta, >= 0.
        curvature: lambda > 0.
        radius: r > 0 of the ball.
        shape: where starts are drawn from uniformly: the disc, or the circle around it.

    Raises:
        OptionError: a value outside its range, or an unknown shape.

    >>> round(stuck_probability(0.5, curvature=1.0, radius=1.0), 4)
    0.609
    >>> round(stuck_probability(0.5, curvature=1.0, radius=1.0, shape="sphere"), 4)
    0.3333
    """
    not_negative(inexactness=inexactness)
    positive(curvature=curvature, radius=radius)
    t = min(1.0, inexactness / (curvature * radius))
    if shape == "ball":
        return 2 / math.pi * (math.asin(t) + t * math.sqrt(1 - t**2))
    if shape == "sphere":
        return 2 / math.pi * math.asin(t)
    raise OptionError(f'shape must be "ball" or "sphere"; got {shape!r}')


def convex_gap(inexactness: float) -> float:
    """How far above its minimum the adversary holds F1, at most: Proposition 3 (i).

        F1(w) - F1(1)  <=  Delta^2 / 4

    from any start, in the limit, for every step up to 1/2: where 2 |w - 1| > Delta the step goes
    the right way. The paper states O(Delta), which this is for Delta <= 1/2.

    Args:
        inexactness: Delta, >= 0.

    >>> convex_gap(0.5)
    0.0625
    """
    not_negative(inexactness=inexactness)
    return inexactness**2 / 4


def double_well_reach(inexactness: float) -> float:
    """How far from the saddle of F2 the best adversary holds the iterate: w*.

        w* - w*^3 = Delta,   w* = (2 / sqrt(3)) sin(arcsin(Delta / STEEPEST) / 3)

    for Delta < STEEPEST = 2 / (3 sqrt(3)) = .385; infinity from there on, since no slope between
    the minima exceeds the adversary's budget and it brings the iterate back from anywhere.

    Args:
        inexactness: Delta, >= 0.

    >>> round(double_well_reach(0.375), 12)
    0.5
    """
    not_negative(inexactness=inexactness)
    if inexactness >= STEEPEST:
        return math.inf
    return 2 / math.sqrt(3) * math.sin(math.asin(inexactness / STEEPEST) / 3)


def double_well_stuck_probability(
    inexactness: float, radius: float, adversary: Literal["proof", "best"] = "proof"
) -> float:
    """How likely gradient descent on F2 ends 9/64 or more above the minimum: Proposition 3 (ii).

        min(1, Delta / r)   the strategy of the proof: a zero where |w| <= Delta,
        min(1, w* / r)      the best strategy, with w* of `double_well_reach`

    from a start uniform in [-r, r]. The best one needs steps of at most 1 / L, with L the
    smoothness of F2 where the iterates are, so that none jumps over the slope.

    Args:
        inexactness: Delta, in [0, 1/2].
        radius: r > 0.
        adversary: "proof" or "best".

    Raises:
        OptionError: a value outside its range, or an unknown adversary.

    >>> double_well_stuck_probability(0.2, radius=0.5)
    0.4
    >>> round(double_well_stuck_probability(0.2, radius=0.5, adversary="best"), 4)
    0.4183
    """
    not_negative(inexactness=inexactness)
    positive(radius=radius)
    if inexactness > 0.5:
        raise OptionError(f"Proposition 3 needs Delta <= 1/2; got {inexactness}")
    if adversary not in ("proof", "best"):
        raise OptionError(f'adversary must be "proof" or "best"; got {adversary!r}')
    reach = inexactness if adversary == "proof" else double_well_reach(inexactness)
    return min(1.0, reach / radius)
