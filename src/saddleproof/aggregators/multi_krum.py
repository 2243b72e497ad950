"""Multi-Krum (Blanchard, El Mhamdi, Guerraoui, Stainer, NeurIPS 2017, Section 6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.krum import NEEDS, check_omit, most, scores
from saddleproof.aggregators.weighted import WeightedRule
from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class MultiKrum(WeightedRule):
    """Average of the k rows of least Krum score.

    Between Krum (k = 1) and the mean (b = 0, k = m). No far row is ever among the m - b least
    scores: an honest row has m - b - 1 honest others and counts no more rows than that, a far row
    needs honest ones too, so larger k is refused. Every row that enters weighs 1/k, whatever a
    worker claims about its data. Conventions, needs, inexactness and cost as `Krum`.

    Args:
        k: rows to average, 1 <= k <= m - b; None is m - b.
        omit: as in `Krum`: 2, the authors' m - b - 2 neighbours, or 1, ByzFL's m - b - 1.

    >>> MultiKrum()(np.array([[0.0], [1.0], [2.0], [2.5], [90.0]]), b=1)
    array([1.375])
    """

    k: int | None = None
    omit: int = 2

    def __post_init__(self) -> None:
        check_options(self)
        check_omit(self, self.omit)

    @property
    def needs(self) -> str:
        """The condition on m and b."""
        return NEEDS[self.omit]

    def breakdown(self, m: int) -> int:
        """The largest b with m > 2b + 2; with m > 2b where omit is 1."""
        return most(m, self.omit)

    def weights(self, gram: Gram, b: int) -> Vector:
        """1/k at the k rows of least score."""
        m = len(gram)
        k = m - b if self.k is None else self.k
        if not 1 <= k <= m - b:
            raise OptionError(f"MultiKrum needs 1 <= k <= m - b = {m - b}; got k={k}, m={m}, b={b}")
        chosen = np.zeros(m)
        chosen[np.argsort(scores(gram, b, self.omit), kind="stable")[:k]] = 1.0 / k
        return chosen
