"""The library's Algorithm 1 on a landscape, against an oracle of given inexactness (Definition 3).

The landscape is the only worker of the fleet, and `InexactOracle` attacks its messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import saddleproof as sp
from saddleproof.arrays import Vector
from saddleproof.attacks.inexact_oracle import Style
from saddleproof.paper.experiments.landscapes import Landscape
from saddleproof.schedule import Schedule


def algorithm1(
    landscape: Landscape,
    schedule: Schedule,
    *,
    budget: float = 0.0,
    style: Style | None = None,
    seed: int = 0,
    max_rounds: int = 1000,
    start: Vector | None = None,
    callback: Callable[[Any], bool | None] | None = None,
) -> sp.Result:
    """`ByzantinePGD` on a landscape, with gradients that are wrong by at most `budget`.

    Args:
        landscape: F.
        schedule: of Algorithm 1.
        budget: Delta of the oracle, >= 0.
        style: how the oracle errs, see `InexactOracle`; None gives exact gradients.
        seed: of the server's perturbations.
        max_rounds: most parallel iterations.
        start: (d,), the landscape's own unless given.
        callback: see `minimize`.
    """
    fleet: Any = sp.LocalFleet(landscape)
    if style is not None and budget > 0:
        fleet = sp.Coalition(fleet, sp.attacks.InexactOracle(budget, style), members=[0])
    return sp.minimize(
        fleet,
        sp.ByzantinePGD(schedule),
        aggregator=sp.Mean(),
        b=0,
        w0=landscape.start if start is None else start,
        seed=seed,
        max_rounds=max_rounds,
        callback=callback,
        certify=False,
    )
