"""What failed perturbation rounds say about the curvature where they began.

An adversary with inexactness Delta can hold the iterate in a slab of half-width s = Delta/gamma
about a saddle of curvature -gamma. A perturbation of length r in a random direction has a
component of about N(0, r^2/d) along the escape direction, so it falls into the slab with
probability about erf(sqrt(d) s / (r sqrt 2)). Rounds that all fail speak against every gamma at
which that is unlikely. This is evidence, never a proof.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from saddleproof.optimizers.base import Evidence

ASSUMPTIONS = (
    "the inexactness read from the messages is at least the true one",
    "F is quadratic over the perturbation radius",
)


def failed_escapes(
    inexactness: float,
    d: int,
    radii: Sequence[float],
    *,
    planned: float | None,
    delta: float,
    assumptions: tuple[str, ...] = (),
) -> Evidence:
    """The evidence of one failed escape: a round for each radius.

    Args:
        inexactness: Delta at the point, >= 0.
        d: dimension.
        radii: lengths of the perturbations, > 0.
        planned: the curvature that the length of a round was planned for, if any; weaker
            curvature may have been growing still when the round ended, and is not claimed.
        delta: admitted probability of being wrong, in (0, 1).
        assumptions: what else the bound rests on.
    """
    resolved = resolved_curvature(inexactness, d, radii, delta)
    return Evidence(
        escapes_failed=len(radii),
        curvature_bound=max(resolved, planned or 0.0),
        confidence=1 - delta,
        tolerance=planned,
        assumptions=(*ASSUMPTIONS, *assumptions),
        numbers={"inexactness": inexactness, "largest radius": max(radii)},
    )


def resolved_curvature(inexactness: float, d: int, radii: Sequence[float], delta: float) -> float:
    """The smallest gamma at which all rounds are stuck with probability at most delta.

        prod_k erf(sqrt(d) Delta / (gamma r_k sqrt 2)) = delta;

    for Q equal radii gamma = Delta sqrt(d) / (r x), x = Phi^-1((1 + delta^(1/Q)) / 2).

    Args:
        inexactness: Delta >= 0.
        d: dimension.
        radii: lengths of the perturbations, > 0.
        delta: in (0, 1).

    One radius, half of the rounds stuck: gamma = Delta / (r Phi^-1(.75)).

    >>> round(resolved_curvature(0.6745, 1, [1.0], delta=0.5), 3)
    1.0
    """
    width = math.sqrt(d) * inexactness
    x = NormalDist().inv_cdf((1 + delta ** (1 / len(radii))) / 2)
    # Were all radii the largest, or all the smallest: the answer lies between.
    low, high = width / (max(radii) * x), width / (min(radii) * x)
    for _ in range(60 if low < high else 0):
        gamma = (low + high) / 2
        stuck = math.prod(math.erf(width / (gamma * r * math.sqrt(2))) for r in radii)
        low, high = (low, gamma) if stuck <= delta else (gamma, high)
    return high
