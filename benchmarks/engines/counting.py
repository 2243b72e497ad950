"""An order statistic found by counting in a tree of nodes, and what a tree of medians is not.

A leaf holds the numbers of some workers, an inner node adds up what its children counted. In every
round the root names an interval of numbers, and each leaf counts how many of its own lie in each of
2^bits parts of it. The root goes on with the part that holds the wanted rank: after 64 / bits
rounds the interval is a single float64, the order statistic to the bit (-0.0 counts as 0.0).

**What survives liars.** A parent compares a child's counts with the round before: they must be
whole, not negative, and add up to the child's count of the part that was chosen, in the first round
to the number of workers below it. A child that passes in all rounds has stated counts of as many
numbers as it has workers. So the result is the exact order statistic of m numbers, of which a lying
node chose those of all workers below it. With L the workers that lie or stand below a lying node,
`saddleproof.ranks.rank_bounds(m, L)` holds in the place of b. A child that fails is proved bad.

**A tree of medians.** Groups of f, f odd, k levels, m = f^k. Let A = ((f + 1) / 2)^k. At least A
numbers are at or above the root's and at least A at or below, and no more need be. Of the A, b may
be lies: the root lies between the (A - b)-th smallest and the (A - b)-th largest honest number if
b < A, and liars that choose their seats attain both ends. From b = A on they choose the root. The
median has (m + 1) / 2 in the place of A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

#: The sign of a float64.
SIGN = np.uint64(1 << 63)


class Node(Protocol):
    """A leaf or an inner node.

    Attributes:
        workers: below it; public, and fixed before the numbers are known.
    """

    workers: int

    def counts(self, chosen: int, known: int, bits: int) -> np.ndarray:
        """(2^bits,) how many numbers below it lie in each part of the interval.

        Args:
            chosen: the first `known` bits, of the key of every number in the interval.
            known: 0, bits, 2 bits, ...
            bits: by which the interval is divided.
        """


class ProvedBadError(Exception):
    """A child's counts contradict what it said before."""


@dataclass(frozen=True)
class Leaf:
    """Workers' numbers at one node; no NaN, which admission keeps away."""

    numbers: np.ndarray

    @property
    def workers(self) -> int:
        """One number a worker."""
        return len(self.numbers)

    def counts(self, chosen: int, known: int, bits: int) -> np.ndarray:
        """As `Node` says."""
        keys = keys_of(self.numbers)
        if known:
            keys = keys[keys >> np.uint64(64 - known) == np.uint64(chosen)]
        parts = keys >> np.uint64(64 - known - bits) & np.uint64(2**bits - 1)
        return np.bincount(parts.astype(np.int64), minlength=2**bits)


class Inner:
    """A node that adds up its children's counts, and compares each with the round before."""

    def __init__(self, children: Sequence[Node]) -> None:
        self.children = list(children)
        self.workers = sum(child.workers for child in children)
        self._said: list[np.ndarray] = []

    def counts(self, chosen: int, known: int, bits: int) -> np.ndarray:
        """As `Node` says.

        Raises:
            ProvedBadError: names the child.
        """
        found = [np.asarray(child.counts(chosen, known, bits)) for child in self.children]
        for i, (child, said) in enumerate(zip(self.children, found, strict=True)):
            part = chosen & (2**bits - 1)
            due = int(self._said[i][part]) if known else child.workers
            whole = said.dtype.kind in "iu" and said.shape == (2**bits,) and (said >= 0).all()
            if not whole or sum(map(int, said)) != due:
                raise ProvedBadError(f"child {i} counts {due} numbers, then {said.tolist()}")
        self._said = found
        return np.sum(found, axis=0)


def order_statistic(root: Inner, rank: int, bits: int = 8) -> float:
    """The number of 0-based `rank` among all below the root, in 64 / bits rounds.

    Args:
        root: trusted.
        rank: 0 to root.workers - 1.
        bits: 1, 2, 4, 8 or 16.

    Returns:
        A NaN only from a lying node; by its sign it counts as below -inf or above +inf.

    Raises:
        ProvedBadError: a node's counts contradict each other.

    >>> root = Inner([Leaf(np.array([0.0, 9, 9])), Leaf(np.array([0.0, 9, 9])), Leaf(np.zeros(3))])
    >>> order_statistic(root, 4), float(np.median([9, 9, 0]))
    (0.0, 9.0)
    """
    if not 0 <= rank < root.workers or bits not in (1, 2, 4, 8, 16):
        raise ValueError(f"rank in [0, {root.workers}), bits 1, 2, 4, 8, 16; got {rank}, {bits}")
    chosen = below = 0
    for known in range(0, 64, bits):
        upto = np.cumsum(root.counts(chosen, known, bits))
        part = int(np.searchsorted(upto, rank - below, side="right"))
        below += int(upto[part - 1]) if part else 0
        chosen = chosen << bits | part
    return number_of(chosen)


def keys_of(numbers: np.ndarray) -> np.ndarray:
    """uint64 in the order of the float64 numbers; zeros of both signs have one key."""
    raw = (np.asarray(numbers, dtype=np.float64) + 0.0).view(np.uint64)
    return np.where(raw & SIGN, ~raw, raw | SIGN)


def number_of(key: int) -> float:
    """The float64 of a key."""
    raw = np.uint64(key)
    return float((raw ^ SIGN if raw & SIGN else ~raw).view(np.float64))


def counted_bytes(bits: int, width: int) -> int:
    """Sent up by a node for one order statistic: the last count of a round follows from the rest.

    Args:
        bits: as in `order_statistic`.
        width: bytes of a count; 4 suffice for m < 2^32.
    """
    return 64 // bits * (2**bits - 1) * width


def tree_of_medians(numbers: np.ndarray, f: int) -> float:
    """Medians of groups of f, of these medians, and so on; f odd, f^k numbers in their seats."""
    while len(numbers) > 1:
        numbers = np.median(numbers.reshape(-1, f), axis=1)
    return float(numbers[0])


def seats(f: int, k: int) -> np.ndarray:
    """The A = ((f + 1) / 2)^k seats of f^k that decide the root: a majority of every majority."""
    places = np.zeros(1, dtype=int)
    for _ in range(k):
        places = (places[:, None] * f + np.arange((f + 1) // 2)).ravel()
    return places
