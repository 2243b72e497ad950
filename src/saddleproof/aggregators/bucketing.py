"""Bucketing, or s-resampling (Karimireddy, He, Jaggi, ICLR 2022)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from saddleproof.aggregators import by_shares
from saddleproof.aggregators.base import Aggregator
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.keyed import digest, marks, together
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.mixing import Mixing
from saddleproof.arrays import Array, Vector
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Bucketing(Mixing):
    """Shuffle the rows, average them in buckets of `size`, apply the rule to the averages.

    The last bucket may be smaller, and is averaged over its real size. b liars spoil b buckets at
    most, so the rule sees ceil(m / size) rows with the same b; what unequal data costs falls by
    `size`. Inexactness: the rank bound over the messages as they came, a proof about the honest
    median plus a standard error. Cost O(m d) and the rule's.

    **The order is random, yet nothing is remembered.** Rows are put in order of
    BLAKE2b(key; row, all rows): who does not know the key can predict no round's order, new
    messages give a new one, and the same messages give the same one, whatever the order in which
    they came (the hash reads a sample of 1024 columns). A fresh key is drawn from the operating
    system; to replay a run, or to go on with it in another process, give it yours.

    Args:
        rule: what is applied to the bucket means.
        size: s >= 1; 2 in the paper's experiments.
        key: any text; secret while the run lasts.

    >>> Bucketing(Median(), size=1)(np.array([[0.0], [1.0], [1e9]]), b=1)
    array([1.])
    """

    rule: Aggregator = field(default_factory=Median)
    size: int = 2
    key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    by_distance: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 1:
            raise OptionError(f"Bucketing needs size >= 1; got {self.size}")

    def mixtures(self, m: int) -> int:
        """ceil(m / size) buckets."""
        return -(-m // self.size)

    def matrix(self, messages: Array, gram: Gram, b: int) -> Vector:
        """The bucket means."""
        order = self._order(messages)
        A = np.zeros((self.mixtures(len(order)), len(order)))
        for k, mean in enumerate(A):
            bucket = order[k * self.size : (k + 1) * self.size]
            mean[bucket] = 1.0 / len(bucket)
        return A

    def weighed(self, messages: Array, gram: Gram, shares: Vector, b: int) -> tuple[Vector, Vector]:
        """The buckets' weighted means; a bucket has the mass of its rows."""
        A = np.where(self.matrix(messages, gram, b) > 0.0, shares, 0.0)
        mass = A.sum(axis=1)
        return A / mass[:, None], mass

    def spoiled(self, b: int) -> int:
        """All rows of b buckets, as far as the inner rule goes."""
        return by_shares.spoiled(self.rule, b) * self.size

    def _order(self, messages: Array) -> list[int]:
        found = marks(messages, self.key)
        all_rows = together(found, self.key)
        return sorted(range(len(found)), key=lambda i: digest(found[i] + all_rows, self.key))
