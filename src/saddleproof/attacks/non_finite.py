"""NaN and Inf rows: what broken hardware sends, and what a naive server averages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView


@dataclass(frozen=True)
class NonFinite:
    """Rows of the right shape that are no numbers; the server proves their senders bad.

    Args:
        value: "nan" or "inf" fills all rows with it. "mixed" is the sly one: the true rows, with
            a single NaN, inf or -inf (the members take turns) in the last entry of the last point.

    Raises:
        OptionError: another value.
    """

    value: Literal["nan", "inf", "mixed"] = "nan"

    def __post_init__(self) -> None:
        check_options(self)

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d)."""
        lies: Vector = view.messages[:, view.members, :].copy()
        if self.value == "mixed":
            lies[-1, :, -1] = np.resize([np.nan, np.inf, -np.inf], len(view.members))
        else:
            lies[:] = float(self.value)
        return lies
