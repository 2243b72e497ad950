"""The level of a point, from what the workers said of it: the strongest that holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.claims.facts import CurvatureFacts, GradientFacts
from saddleproof.claims.record import Bracket, Certificate, failed
from saddleproof.ranks import inflatable
from saddleproof.words import Level

#: Default eps_H, as a share of the largest curvature of the honest median worker.
RELATIVE = 0.02
#: Default eps_g over Delta_hat (Yin et al. 2019, Theorem 3).
PROMISED = 4.0
#: Least eps_g, as a share of the same curvature: a Newton step of this length is no news.
SHORT = 1e-5

ALWAYS = "at most b of the workers that were heard lie, and the others answer about their own loss"
LOSS = (
    "F is the mean loss of the honest workers that were heard in every round; a bias that all of "
    "them share is in it"
)
SMOOTH = "every honest F_i is twice differentiable at the point"
EXACT = (
    "honest workers compute as exactly as their numbers show; differences of their gradients miss "
    "no structure within the steps"
)
DENIAL = "b >= m/3: no liar can forge a bound, but liars can deny every bound, by quiet answers too"


@dataclass(frozen=True)
class Demands:
    """What is asked of a point.

    Attributes:
        tolerance: eps_H; None takes 0.02 times the largest curvature of the honest median worker.
        gradient_tolerance: eps_g; None takes 4 Delta_hat, which Theorem 3 of the paper promises, or
            the typical distance of one honest worker's gradient from the rest where that is more.
    """

    tolerance: float | None = None
    gradient_tolerance: float | None = None


def conclude(
    gradient: GradientFacts,
    curvature: CurvatureFacts,
    b: int,
    demands: Demands,
    *,
    rounds: int = 0,
    assumptions: tuple[str, ...] = (ALWAYS, LOSS, SMOOTH, EXACT),
    numbers: dict[str, float] | None = None,
) -> Certificate:
    """The certificate of a point.

    Args:
        gradient: what the workers said of their gradients.
        curvature: what they said of their Hessians.
        b: the most Byzantine among the workers that were heard.
        demands: the tolerances.
        rounds: what it cost.
        assumptions: what the facts rest on.
        numbers: further figures.
    """
    # Gradient and Hessian of one F: of those that were heard about both.
    gradient, curvature = gradient.among(curvature.workers, b), curvature.among(gradient.workers)
    if not b < curvature.m:
        heard = f"{curvature.m} workers were heard in every round, and {b} of them may lie"
        return failed(heard, rounds)
    size = curvature.size(b)
    tolerance = RELATIVE * size if demands.tolerance is None else demands.tolerance
    small = demands.gradient_tolerance
    if small is None:
        promised = PROMISED * gradient.inexactness
        small = max(gradient.distance, SHORT * size, promised if promised < np.inf else 0.0)
    low, method = curvature.low(b)
    high, along = curvature.high(b)
    if -np.inf < low < -tolerance and high >= 0:
        low, method = curvature.tightest(b)
    denied = inflatable(curvature.m, b)
    most_low, _, most_along = curvature.majority(b)
    best = along if high < 0 or denied else most_along
    most_high = curvature.majority_along(best, b)
    named, named_gradient = _conditional(gradient, curvature, b, tolerance, small)
    frontier = curvature.frontier(tolerance)
    vacuous = 0 < size <= tolerance
    flat = size <= 0
    minimum = not (high < 0 or curvature.suspect(b) or vacuous or flat)
    if low > high:
        level, reason = (
            Level.OPEN,
            (
                f"the bounds contradict each other, lambda_min >= {low:.4g} and <= {high:.4g}: "
                "more than b workers lie, or the workers compute more coarsely than they say"
            ),
        )
    elif high < 0:
        level, reason = (
            Level.SADDLE,
            (
                f"negative curvature is proved, lambda_min <= {high:.4g}, and below zero for up to "
                f"{curvature.high_frontier()} liars of {curvature.m}"
            ),
        )
    elif minimum and low >= -tolerance and gradient.bound <= small:
        level, reason = (
            Level.PROVED,
            (
                f"||grad F|| <= {gradient.bound:.4g} and lambda_min >= {low:.4g}, whoever the at "
                f"most {b} liars are"
            ),
        )
    elif minimum and named is not None and named_gradient <= small:
        level, reason = (
            Level.CONDITIONAL,
            (
                f"||grad F|| <= {named_gradient:.4g} and lambda_min >= {named.low:.4g}, if "
                f"{', '.join(named.without)} {'is' if len(named.without) == 1 else 'are'} among "
                "the liars"
            ),
        )
    elif minimum and not denied and low < -tolerance <= most_low:
        level, reason = (
            Level.MAJORITY,
            (
                f"in every direction more than half of the honest workers have curvature >= "
                f"{most_low:.4g}; of their mean, lambda_min >= {low:.4g} is all that is proved"
            ),
        )
    else:
        level = Level.OPEN
        reason = _open(gradient, curvature, b, (low, tolerance, small), vacuous=vacuous, flat=flat)
    return Certificate(
        level,
        reason,
        gradient_norm=gradient.norm,
        inexactness=gradient.inexactness,
        gradient_bound=gradient.bound,
        gradient_tolerance=small,
        curvature=Bracket(low, high, method, max(frontier, b if low >= -tolerance else -1)),
        conditional=None if named is None or not named.without else named,
        majority=None
        if denied
        else Bracket(most_low, most_high, "ranks", curvature.majority_frontier(tolerance)),
        tolerance=tolerance,
        size=size,
        workers=curvature.m,
        b=b,
        risk=curvature.risk,
        products=curvature.products,
        assumptions=(*assumptions, *((DENIAL,) if denied else ())),
        numbers=numbers or {},
        rounds=rounds,
        v=curvature.directions[best] if best >= 0 else None,
    )


def _conditional(
    gradient: GradientFacts, curvature: CurvatureFacts, b: int, tolerance: float, small: float
) -> tuple[Bracket | None, float]:
    """The bracket if a few named workers lie, and the bound of the gradient if they do."""
    k = curvature.needed(b, tolerance)
    if k is None:
        return None, np.inf
    names = curvature.farthest(k)
    more = names
    while gradient.bound_without(more) > small and len(more) < b:
        more = (*more, gradient.farthest(more))
    if gradient.bound_without(more) <= small:
        names = more
    low, method = curvature.low(b, k)
    high = curvature.high(b)[0]
    bound = gradient.bound if not names else gradient.bound_without(names)
    return Bracket(low, high, method, -1, tuple(sorted(names, key=_number))), bound


def _number(name: str) -> tuple[str, int, str]:
    """worker-2 comes before worker-10."""
    head, _, tail = name.rpartition("-")
    return (head, int(tail), "") if tail.isdigit() else (name, 0, name)


def _open(
    gradient: GradientFacts,
    curvature: CurvatureFacts,
    b: int,
    ends: tuple[float, float, float],
    *,
    vacuous: bool,
    flat: bool,
) -> str:
    low, tolerance, small = ends
    if not len(curvature.directions) and not np.isfinite(curvature.lows).any():
        return (
            f"nothing is known of the Hessian; ||grad F|| <= {gradient.bound:.4g} "
            f"(asked: {small:.4g})"
        )
    if vacuous:
        return (
            f"the tolerance {tolerance:.4g} is no smaller than the largest curvature "
            f"{curvature.size(b):.4g}, so that it asks for nothing; lambda_min >= {low:.4g}"
        )
    if flat:
        return (
            f"the answers show no positive curvature at all, and a flat point is no minimum; "
            f"lambda_min >= {low:.4g}"
        )
    if curvature.suspect(b):
        _, high, _ = curvature.majority(b)
        return (
            f"more than half of the honest workers have curvature <= {high:.4g} along one "
            f"direction, which is no proof about their mean; lambda_min >= {low:.4g}"
        )
    if low >= -tolerance:
        return (
            f"lambda_min >= {low:.4g} is proved, but of the gradient no more than ||grad F|| <= "
            f"{gradient.bound:.4g} (asked: {small:.4g})"
        )
    return f"lambda_min >= {low:.4g} is all that is proved (asked: {-tolerance:.4g})"
