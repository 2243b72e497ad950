"""What a failed escape suggests about its anchor. None of it is a proof.

Growth. `EscapeSearch.visible`, gamma_T: what is flatter does not show in the rounds of one escape.

Drift. Descent goes on while the escape runs, so the point that is returned lies a distance x from
the anchor. The survey saw the Hessian move by the share NONLINEAR of the reference curvature over
its radius; as much per length is added for x.

Noise. Workers whose Hessians differ by Delta_H let a coalition hide the direction from a start at
radius p as long as its share is below Delta_H p / gamma. Of n pairs of starts, all are hidden with
probability at most delta when gamma >= Delta_H sqrt(d) / x, x = Phi^-1((1 + delta^(1/n)) / 2), for
a share that is normal with variance 1/d.

The larger of growth and noise, plus drift, is the curvature bound of the evidence: a saddle
steeper than that would have been left with probability 1 - delta, *if* Delta_H is valid and the
quadratic model holds over the model's radius. It is evidence, not proof;
`saddleproof.certificate` looks for the proof.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.optimizers.base import Evidence, Status
from saddleproof.optimizers.gradient_only.constants import (
    DELTA,
    LEVELS,
    NONLINEAR,
    TOLERANCE,
)
from saddleproof.optimizers.gradient_only.escape import EscapeSearch
from saddleproof.words import Ending

ASSUMPTIONS = (
    "at most b workers lied, the same ones in the whole round",
    "honest Hessians differ by no more than the probed spread",
    "the loss is close to quadratic within the probed radius",
)


def curvature_bound(escape: EscapeSearch, w: Vector) -> float:
    """The curvature bound of the evidence at w, (d,); see the head of this file."""
    x = NormalDist().inv_cdf((1 + DELTA ** (1 / len(LEVELS))) / 2)
    hidden = escape.model.spread * np.sqrt(escape.anchor.size) / x
    model = escape.model
    drift = NONLINEAR * model.curvature * np.linalg.norm(w - escape.anchor) / model.radius
    return float(max(escape.visible, hidden) + drift)


def resolved(escape: EscapeSearch) -> bool:
    """Whether the noise was low enough for "no escape" to mean anything."""
    noisy = escape.model.spread > TOLERANCE * escape.model.curvature
    return not noisy and not escape.any_curved


def judge(escape: EscapeSearch, w: Vector, asked: float | None) -> tuple[Status, Evidence]:
    """Status and evidence for the end of a descent from the anchor of a failed escape.

    Args:
        escape: the escape, resolved.
        w: (d,) the point that is returned.
        asked: the curvature tolerance that the user asked for; unless given, TOLERANCE times the
            anchor's reference curvature.
    """
    tolerance = TOLERANCE * escape.model.curvature if asked is None else asked
    bound = curvature_bound(escape, w)
    evidence = Evidence(
        escapes_failed=len(escape.points),
        curvature_bound=bound,
        confidence=1 - DELTA,
        tolerance=tolerance,
        assumptions=ASSUMPTIONS,
        numbers={"hessian_spread": escape.model.spread},
    )
    enough = "" if bound <= tolerance else f"; asked: {-tolerance:.3g}"
    message = (
        f"{len(escape.points)} starts found no way down, which is no proof; curvature below "
        f"{-bound:.3g} would likely have shown{enough}"
    )
    return Status(Ending.NO_ESCAPE_FOUND, message), evidence
