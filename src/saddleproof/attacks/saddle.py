"""The attack of the title: make a saddle point look like a minimum.

Yin, Chen, Ramchandran, Bartlett 2019, Section 1 ("saddle point attack") and Section 4.1: near a
saddle the true gradient is small, so lies of the size of the inexactness Delta are enough to hold
the iterate there. w the query point, L the smoothness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.attacks.strongest import through
from saddleproof.errors import OptionError

Style = Literal["push", "hold", "cancel"]


@dataclass(frozen=True, eq=False)
class SaddleAttack:
    """Liars that hold the server at a saddle point, or drive it there.

    They agree on what the server shall read at each query point w,

        push     L (w - saddle)          a gradient step of length 1/L lands on the saddle
        hold     0                       the iterate stays where it is
        cancel   g - <g, e> e            the honest mean g without its part along the escape
                                         direction e

    and send the message that brings the server's own rule nearest to it (`strongest.through`).

    Args:
        saddle: (d,) the saddle point; None takes `view.problem.saddle`, which is how a
            configuration file names the attack. Only "push" uses it.
        style: "push", "hold" or "cancel".
        strength: L > 0, gradient per length; None takes `view.problem.smoothness`, and where that
            is unknown too, the largest |honest mean| / |w - saddle| of the batch.
        direction: (d,) e of "cancel", of any length but 0; None takes
            `view.problem.escape_direction`.

    Raises:
        OptionError: an unknown style, a strength that is not positive, or a saddle or direction
            that neither the options nor the problem know.

    Cost: one call of the server's rule on a batch of a few q points.
    """

    saddle: ArrayLike | None = None
    style: Style = "push"
    strength: float | None = None
    direction: ArrayLike | None = None

    def __post_init__(self) -> None:
        check_options(self)
        if self.strength is not None and not 0 < self.strength < np.inf:
            raise OptionError(f"strength must be positive and finite; got {self.strength}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): the same row from each of the k members."""
        return through(view, self.target(view))

    def target(self, view: AttackView) -> Vector:
        """(q, d): what the server shall read."""
        if self.style == "hold":
            return np.zeros_like(view.points)
        if self.style == "cancel":
            e = _known("direction", self.direction, "escape_direction", view)
            e = e / np.linalg.norm(e)
            g = view.honest_mean
            return g - np.outer(g @ e, e)
        offset = view.points - _known("saddle", self.saddle, "saddle", view)
        return self._smoothness(view, offset) * offset

    def _smoothness(self, view: AttackView, offset: Vector) -> float:
        known = self.strength or getattr(view.problem, "smoothness", None)
        if known is not None:
            return float(known)
        length = np.linalg.norm(offset, axis=1)
        size = np.linalg.norm(view.honest_mean, axis=1)
        measured = np.divide(size, length, out=np.zeros_like(size), where=length > 0)
        return float(measured[np.isfinite(measured)].max(initial=0.0))


def _known(option: str, given: ArrayLike | None, attribute: str, view: AttackView) -> Vector:
    """The option, or else the problem's attribute, as a vector that fits the points."""
    found = getattr(view.problem, attribute, None) if given is None else given
    if found is None:
        raise OptionError(
            f"SaddleAttack needs a {option}: this problem names no {attribute}; "
            f"pass SaddleAttack({option}=...)"
        )
    vector = np.asarray(found, dtype=view.points.dtype)
    if vector.shape != view.points.shape[1:]:
        raise OptionError(
            f"SaddleAttack's {option} must have shape {view.points.shape[1:]}; got {vector.shape}"
        )
    return vector
