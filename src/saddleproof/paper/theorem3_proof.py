"""The counts in the proof of Theorem 3 (Appendix B): equations (12), (21), (23)-(25).

x and y are `scales` of the schedule.
"""

from __future__ import annotations

import math

from saddleproof.paper.arguments import at_most, not_negative, positive
from saddleproof.schedule.theorem3 import scales


def theorem3_width(d: int, inexactness: float, hessian_lipschitz: float) -> float:
    """The width of the stuck region in Theorem 3: mu = Delta^(3/5) d^(-1/5) / sqrt(rho), (12)."""
    positive(d=d, inexactness=inexactness, hessian_lipschitz=hessian_lipschitz)
    return math.pow(inexactness, 0.6) / (math.pow(d, 0.2) * math.sqrt(hessian_lipschitz))


def theorem3_escape_decrease(
    d: int, inexactness: float, smoothness: float, hessian_lipschitz: float
) -> float:
    """The least decrease of F in a successful escape of Theorem 3, (21).

    48 (rho^(-1/2) + L / rho) (Delta^(6/5) d^(3/5) + Delta^(7/5) d^(7/10))
    """
    x, y = scales(d, inexactness)
    positive(smoothness=smoothness, hessian_lipschitz=hessian_lipschitz)
    slope = math.sqrt(hessian_lipschitz) + smoothness
    return 48 * slope / hessian_lipschitz * x**2 * (x + y)


def most_escapes(
    d: int, inexactness: float, smoothness: float, hessian_lipschitz: float, excess: float
) -> float:
    """The most saddle points that a run of Theorem 3 leaves, (23).

    rho (F_0 - F*) / (48 L (Delta^(6/5) d^(3/5) + Delta^(7/5) d^(7/10)))
    """
    x, y = scales(d, inexactness)
    positive(smoothness=smoothness, hessian_lipschitz=hessian_lipschitz, excess=excess)
    return hessian_lipschitz * excess / (48 * smoothness * x**2 * (x + y))


def effective_iterations(inexactness: float, smoothness: float, excess: float) -> float:
    """The most iterations that lower F: 2 (F_0 - F*) L / (3 Delta^2), (25)."""
    positive(inexactness=inexactness, smoothness=smoothness, excess=excess)
    return 2 * excess * smoothness / (3 * inexactness**2)


def failure_bound(saddles: float, Q: float, stuck: float = 0.5) -> float:
    """Most probability that one of the escapes fails: the union bound before equation (24).

        saddles * stuck^Q

    Args:
        saddles: escapes that the run may need, >= 0.
        Q: perturbation rounds of an escape, >= 1.
        stuck: probability that one round is stuck, in [0, 1].

    >>> failure_bound(saddles=4, Q=3)
    0.5
    """
    not_negative(saddles=saddles)
    positive(Q=Q)
    at_most(1, stuck=stuck)
    return saddles * math.pow(stuck, Q)
