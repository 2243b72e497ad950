"""A schedule with usable constants, and without a theorem."""

from __future__ import annotations

import math

from saddleproof.schedule.base import Schedule, positive

#: Perturbation radius over sqrt(d) Delta / gamma: an escape round is stuck with probability .20.
RADII = 4.0
#: Rounds of an escape over the time of linear growth from Delta / gamma to R.
PATIENCE = 1.2


def HeuristicSchedule(  # noqa: N802
    d: int,
    inexactness: float,
    curvature: float,
    step: float,
    *,
    delta: float = 0.05,
    r: float | None = None,
    R: float | None = None,
    Q: int | None = None,
    T_th: int | None = None,
) -> Schedule:
    """Algorithm 1 with constants that can be used; a heuristic, no theorem.

    With s = Delta/gamma, the half-width of the slab in which an adversary can hold the iterate,

        epsilon = 3 Delta,   r = 4 sqrt(d) s,   R = 1.5 r + 2 eta T_th Delta,
        T_th = ceil(1.2 log(4 R / s) / log(1 + eta gamma)),
        Q = ceil(log delta / log erf(1 / (c sqrt 2))),   c = r / (sqrt(d) s),

    with R and T_th by fixed point. R exceeds the displacement that the adversary alone can cause
    in a round, so there is no false escape. R must also stay below the distance to the next
    minimum, which is not known in general; with a larger R the saddle is returned. No length
    changes when F is multiplied by a constant.

    Args:
        d: dimension, >= 1.
        inexactness: Delta, finite and > 0.
        curvature: gamma > 0, the negative curvature to notice.
        step: eta > 0.
        delta: probability that all Q rounds are stuck at curvature gamma, in (0, 1).
        r: perturbation radius instead of the formula's.
        R: escape distance instead of the formula's.
        Q: perturbation rounds instead of the formula's.
        T_th: steps of a round instead of the formula's.

    Raises:
        OptionError: a value outside its range.

    >>> schedule = HeuristicSchedule(d=4, inexactness=0.01, curvature=0.5, step=1.0)
    >>> schedule.r, schedule.Q, schedule.T_th
    (0.16, 2, 14)
    """
    positive(d=d, inexactness=inexactness, curvature=curvature, step=step)
    s = inexactness / curvature
    r = RADII * math.sqrt(d) * s if r is None else r
    T, fixed = 1 if T_th is None else T_th, None
    while fixed != T:
        fixed = T
        far = 1.5 * r + 2 * step * T * inexactness if R is None else R
        if T_th is None:  # T only grows, and by ever less: the loop ends
            growth = math.log(4 * far / s) / math.log1p(step * curvature)
            T = max(1, math.ceil(PATIENCE * growth))
    if Q is None:
        stuck = math.erf(math.sqrt(d / 2) * s / r)  # a direction's component is about N(0, 1/d)
        Q = max(1, math.ceil(math.log(delta) / math.log(stuck)))
    return Schedule(step, 3 * inexactness, r, far, Q, T, curvature, delta)
