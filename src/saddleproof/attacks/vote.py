"""Lies about the landscape: vote every escape down, or every jump up.

An optimizer that compares losses by integrals of gradients along segments from an anchor c asks,
of each worker, sum_k c_k <g_i(w_k), w_k - c>. Liars have one vote in each of these, and cast it
with the sign of a landscape that grows, or falls, in every direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.errors import OptionError


@dataclass(frozen=True, eq=False)
class Vote:
    """Members say that F grows ("no") or falls ("yes") from the center c in every direction.

    Loud, they send +-size (w - c) / |w - c| at each query point w. Quiet, they copy at each point
    the honest row that says it best, argmax_i +-<x_i, w - c>, which nothing can tell from honest.
    "no" hides the escape (a minimum is faked), "yes" asks for a jump uphill.

    Knows the query points and the saddle; quiet, the honest rows.

    Args:
        says: "no" or "yes".
        size: of the loud lie in the unit of the gradients, > 0; None for the quiet one.
        center: (d,); None takes the problem's saddle, or where none is known the first query
            point of each round, which is where `CertifiedPGD` stands.

    Raises:
        OptionError: another vote, or a size that is not positive.
    """

    says: Literal["no", "yes"] = "no"
    size: float | None = 1e6
    center: ArrayLike | None = None

    def __post_init__(self) -> None:
        check_options(self)
        if self.size is not None and not 0 < self.size < np.inf:
            raise OptionError(f"size must be positive and finite; got {self.size}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): the same row from each of the k members."""
        outward = view.points - self._center(view)  # (q, d)
        outward = outward if self.says == "no" else -outward
        if self.size is None:
            honest = view.honest
            said = (honest @ outward[:, :, None])[:, :, 0]  # (q, h)
            lie = honest[np.arange(len(honest)), said.argmax(axis=1)]
        else:
            length = np.linalg.norm(outward, axis=1, keepdims=True)
            unit = np.divide(outward, length, out=np.zeros_like(outward), where=length > 0)
            lie = self.size * unit
        return np.repeat(lie[:, None, :], len(view.members), axis=1)

    def _center(self, view: AttackView) -> Vector:
        saddle = getattr(view.problem, "saddle", None)
        given = saddle if self.center is None else self.center
        center = view.points[0] if given is None else np.asarray(given, dtype=np.float64)
        if center.shape != view.points.shape[1:]:
            raise OptionError(
                f"Vote's center must have shape {view.points.shape[1:]}; got {center.shape}"
            )
        return center
