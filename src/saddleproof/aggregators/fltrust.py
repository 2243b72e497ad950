"""FLTrust (Cao, Fang, Liu, Gong, NDSS 2021): weigh rows by their angle to a trusted one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import Estimate, Rule
from saddleproof.aggregators.engine.origin import FromOrigin
from saddleproof.aggregators.trusted import TrustedRule
from saddleproof.aggregators.weighted import estimate_of, points
from saddleproof.arrays import Array


@dataclass(frozen=True)
class FLTrust(TrustedRule):
    """Rescale every row to the length of a trusted one, weigh it by the cosine between them.

    With g the trusted row, TS_i = max(0, cos(x_i, g)) and the sum over all rows but the trusted:

        answer = sum_i TS_i (||g|| / ||x_i||) x_i / sum_i TS_i

    The trusted row, the server's own update from its root data, is no summand (as in the paper);
    it is the answer where no other row has a positive score (the paper divides by zero there).

    The answer is never longer than g and at an acute angle to it, whatever the others say. That is
    all: liars at a right angle but for a little turn it as far as their number allows, so its error
    is not bounded by how far honest rows differ. The paper runs it with most workers lying; here
    b < m/2 as for all rules, since certificates hold no more. All of it rests on the trusted
    worker. Rows are known by name from round to round, and a round without the trusted worker ends
    the run. Inside a pre-aggregation it is refused. Not indifferent to shifts; a scale of all rows
    changes no bit. Inexactness: the rank bound of `saddleproof.aggregators.inexactness`.
    Cost O(m d).

    Args:
        trusted: position on the roster, from 0, or name of a worker that is known to be honest.

    Raises:
        OptionError: trusted is neither, or not on the roster.

    >>> FLTrust(trusted=0)(np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 9.0], [-9.0, 0.0]]), b=1)
    array([2., 0.])
    """

    def at(self, row: int) -> Angles:
        """The rule that trusts a row."""
        return Angles(row)


@dataclass(frozen=True)
class Angles(Rule):
    """The formula of `FLTrust` for a row.

    Args:
        row: its position among the messages.
    """

    row: int

    def breakdown(self, m: int) -> int:
        """As `FLTrust`."""
        return (m - 1) // 2

    def _batch(self, stack: Array, b: int) -> Estimate:
        found = [self._one(x) for x in points(stack)]
        kept = np.stack([entered for _, entered in found])
        return estimate_of(stack, [vector for vector, _ in found], kept, b)

    def _one(self, x: Array) -> tuple[Array, NDArray[np.bool_]]:
        """The answer, and the rows that entered it."""
        seen = FromOrigin.of(x)
        length = seen.lengths[self.row]
        with np.errstate(all="ignore"):
            cosine = seen.products(self.row) / (seen.lengths * length)
            score = np.where(cosine > 0.0, np.minimum(cosine, 1.0), 0.0)
            score[self.row] = 0.0
            if not score.any():
                score[self.row] = 1.0
            kept = score > 0.0
            used = np.flatnonzero(kept)
            weights = (score / score.sum())[used] * (length / seen.lengths[used])
            if kept[self.row]:  # as it is
                weights = np.ones(len(used)) / len(used)
        # Every row is in the unit of its own; the sum is in that of the trusted row.
        unit = seen.exponents[self.row : self.row + 1]
        rows = seen.rows
        sums = (rows.native(weights) @ z[used, ...] for z in seen.blocks())
        return rows.joined(rows.scaled(one[None, ...], unit)[0, ...] for one in sums), kept
