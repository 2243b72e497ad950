"""DnC, divide and conquer (Shejwalkar and Houmansadr, NDSS 2021, "Manipulating the Byzantine")."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.algorithm2.prune import prune
from saddleproof.aggregators.algorithm2.rank_one import leading
from saddleproof.aggregators.base import Estimate, Rule
from saddleproof.aggregators.engine.gram import gram
from saddleproof.aggregators.engine.row_blocks import detached
from saddleproof.aggregators.keyed import digest, marks, together
from saddleproof.aggregators.weighted import points, weighted_sums
from saddleproof.arguments import check_options, real, whole
from saddleproof.arrays import Array, Vector, namespace
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class DnC(Rule):
    """Score the rows along the top singular direction of random coordinates; drop c b of them.

    In each of `rounds` rounds, from all m rows: take `columns` random coordinates, centre the rows
    by their mean, let v be the top right singular vector, s_i = (v'(x_i - mean))^2, and mark the
    m - c b rows of least score. The answer is the mean of the rows that were marked in every round;
    where there are none, of those marked most often (the paper leaves that open). A product c b
    that is no whole number is rounded up.

    **One direction a round.** Liars that are far away in different directions outlast it: the
    longest takes v for itself, and the others score like honest rows. The rule is for liars that
    push the same way. `Sever`, which drops one row at a time, holds any liars.

    The singular vectors are exact in float64. Rows with NaN or Inf are dropped first, and count.
    The coordinates are drawn as `Bucketing` draws its order: from a hash of the key and all rows,
    so that nothing is remembered, and who does not know the key can predict nothing. With at most
    `columns` coordinates all are taken. Inexactness: the rank bound of
    `saddleproof.aggregators.inexactness`. Cost O(m^2 columns rounds) and a pass over the messages.

    Args:
        columns: coordinates of each round, at least 1; 10 000, as public implementations have it.
        rounds: at least 1. All see the same where d <= `columns`.
        c: rows that are dropped for each liar, > 0, "filtering fraction".
        key: any text; secret while the run lasts. Unless given, from the operating system.

    Raises:
        OptionError: an option outside its range; in use, c b >= m.

    >>> DnC()(np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [90.0, -90.0]]), b=1)
    array([0.5, 0.5])
    """

    columns: int = 10_000
    rounds: int = 1
    c: float = 1.0
    key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    def __post_init__(self) -> None:
        check_options(self)
        whole("columns", self.columns, least=1)
        whole("rounds", self.rounds, least=1)
        real("c", self.c, above=0)

    def breakdown(self, m: int) -> int:
        """(m - 1)//2 rows are *accepted*; held are those that push the same way."""
        return (m - 1) // 2

    def _batch(self, stack: Array, b: int) -> Estimate:
        return weighted_sums(stack, [self._weights(x, b) for x in points(stack)], b)

    def _weights(self, x: Array, b: int) -> Vector:
        """(m,) even weights on the rows that are left, from (m, d) messages."""
        m, d = (int(n) for n in x.shape)
        dropped = math.ceil(self.c * b - 1e-9)
        if dropped >= m:
            raise OptionError(
                f"DnC drops c b = {dropped} rows and needs more than that; got m={m}, b={b}, "
                f"c={self.c}. Take a smaller c"
            )
        marked = np.zeros(m, dtype=int)
        seed = b"" if d <= self.columns else together(marks(x, self.key), self.key)
        for k in range(1 if d <= self.columns else self.rounds):
            part = x if d <= self.columns else _columns(x, self._draw(seed, k, d))
            marked += _least(part, b, m - dropped)
        left = marked == max(int(marked.max()), 1)
        with np.errstate(invalid="ignore"):  # where no row is finite, the answer is NaN
            found: Vector = left / left.sum()
        return found

    def _draw(self, seed: bytes, k: int, d: int) -> NDArray[np.intp]:
        """The coordinates of round k, in order."""
        entropy = int.from_bytes(digest(seed + str(k).encode(), self.key), "big")
        drawn = np.random.default_rng(entropy).choice(d, self.columns, replace=False)
        return np.sort(drawn)


def _columns(x: Array, which: NDArray[np.intp]) -> Array:
    """(m, h) some columns of (m, d) messages."""
    if isinstance(x, np.ndarray):
        return x[:, which]
    from array_api_compat import device

    xp = namespace(x)
    return xp.take(detached(x), xp.asarray(which, device=device(x)), axis=1)


def _least(x: Array, b: int, count: int) -> NDArray[np.bool_]:
    """(m,): the `count` rows of least score, without those that are not finite."""
    K = gram(x)
    stays, pruned, _ = prune(K.matrix[None], b / len(K), None)
    finite = stays[0] > 0
    scores = np.where(finite, leading(pruned, stays, cap=1.0).p[0] ** 2, np.inf)
    found = np.zeros(len(K), dtype=bool)
    found[np.argsort(scores, kind="stable")[:count]] = True
    both: NDArray[np.bool_] = found & finite
    return both
