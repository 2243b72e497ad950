"""Inner-product manipulation, "Fall of Empires" (Xie, Koyejo, Gupta, UAI 2019): turn the answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.attacks.line_search import most_harmful
from saddleproof.errors import OptionError

#: Multiples of the mean that a coalition tries: the paper's stealthy ones, and its loud ones.
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0)


@dataclass(frozen=True)
class InnerProduct:
    """Every member sends -scale times the honest mean g, so that <answer, g> falls below 0.

    Then a step along the server's answer goes uphill. The plain mean of h honest rows and k lies
    is turned at scale > h/k; selection rules (Krum) and the median by small scales, which they
    take for an inner row.

    Knows the honest mean, and the server's rule if the scale is free. `SignFlip` is this attack
    at one loud scale.

    Args:
        scale: > 0; None tries `SCALES` at each query point and takes the one with the lowest
            <answer, g>.

    Raises:
        OptionError: a scale that is not positive.

    Cost: with scale=None one call of the server's rule on a batch of 8 q points.
    """

    scale: float | None = None

    def __post_init__(self) -> None:
        check_options(self)
        if self.scale is not None and not 0 < self.scale < np.inf:
            raise OptionError(f"scale must be positive and finite; got {self.scale}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): the same row from each of the k members."""
        g = view.honest_mean
        lies = np.repeat(-g[:, None, :], len(view.members), axis=1)
        if self.scale is not None:
            return self.scale * lies
        scaled = np.multiply.outer(np.array(SCALES), lies)
        return most_harmful(view, scaled, lambda answers, at: -(answers * g[at]).sum(axis=-1))
