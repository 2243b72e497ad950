"""Krum (Blanchard, El Mhamdi, Guerraoui, Stainer, NeurIPS 2017, Section 4; row of Table 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.aggregators.base import Rule
from saddleproof.aggregators.engine.gram import distances
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.weighted import WeightedRule
from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Krum(WeightedRule):
    """The row that is closest to its m - b - 2 nearest others.

    score_i = sum of ||x_i - x_j||^2 over the m - b - omit rows j != i nearest to x_i;
    the answer is the row of least score. There are two conventions:

    ====  ==============  ==========  =======================================================
    omit  neighbours      needs       whose it is
    ====  ==============  ==========  =======================================================
    2     m - b - 2       m > 2b + 2  Blanchard et al. (2017), the authors of Krum
    1     m - b - 1       m > 2b      Farhadkhani et al. (2022), Allouah et al. (2023), ByzFL
                                      and ByzPy; they count the row itself as one of m - b
    ====  ==============  ==========  =======================================================

    The two pick different rows in one draw of six (m = 9, b = 2, d = 5). Both use squared
    distances; ties go to the smallest index; the answer is a copy, never a view of a row. The rule
    is (b, kappa)-robust with kappa = 6 (1 + b/(m - 2b)): Allouah et al. (2023) prove it for
    omit = 1 and m > 2b, and with omit = 2 it held in every trial. Inexactness: the rank bound, a
    proof about the honest median plus a standard error (`saddleproof.aggregators.inexactness`).
    Cost O(m^2 d).

    Args:
        omit: how many rows fewer than m - b count as neighbours, 2 or 1.

    Raises:
        OptionError: another omit.

    >>> Krum()(np.array([[0.0], [1.0], [2.0], [2.5], [90.0]]), b=1)
    array([2.])
    """

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
        """One at the row of least score."""
        chosen = np.zeros(len(gram))
        chosen[np.argmin(scores(gram, b, self.omit))] = 1.0
        return chosen


#: What each number of omitted rows asks of m and b.
NEEDS = {1: "m > 2b", 2: "m > 2b + 2"}


def check_omit(rule: Rule, omit: int) -> None:
    """Raise `OptionError` unless `omit` is 1 or 2."""
    if omit not in NEEDS:
        raise OptionError(
            f"{type(rule).__name__} needs omit=2 (Blanchard et al., m - b - 2 neighbours) or "
            f"omit=1 (ByzFL, m - b - 1 neighbours); got omit={omit!r}"
        )


def most(m: int, omit: int) -> int:
    """The largest b that m rows allow.

    A row far away has at most b - 1 far neighbours, so with m - b - 1 >= b neighbours it counts an
    honest row, and its score is large; an honest row has m - b - 1 honest others. Blanchard et al.
    ask for more, m > 2b + 2, for their bound of the angle.
    """
    return (m - 1) // 2 if omit == 1 else (m - 3) // 2


def scores(gram: Gram, b: int, omit: int = 2) -> Vector:
    """(m,): for each row, the sum of squared distances to its m - b - omit nearest others.

    In squared units of the matrix.
    """
    squared = distances(gram)
    np.fill_diagonal(squared, np.inf)
    neighbors = max(len(gram) - b - omit, 1)
    found: Vector = np.sort(squared, axis=1)[:, :neighbors].sum(axis=1)
    return found
