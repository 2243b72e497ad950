"""Sorting networks as data: which rows of a block to compare with which, in what order.

Parberry, "The Pairwise Sorting Network", Parallel Processing Letters 2 (1992). A comparator (i, j)
leaves the smaller of rows i and j in row i, the larger in row j; it does the same to every column,
which is what makes a network quick on a block of columns. One compiled loop runs them all.

Three steps: `pairwise` lists the comparators that sort m rows; `prune` drops those whose outcome
nobody asked for; `group` packs those that are left into steps of up to four rows, which the loop
can do without going back to memory: two thirds of the loads and stores.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: What may happen to a rank. Positive labels are sets: the order within a set does not matter.
UNUSED, ALONE = -1, 0

#: What a step does with its rows p, q, r, s.
PAIR = 0  # (p, q)
BUTTERFLY = 1  # (p, q), (r, s), then (p, r), (q, s)
ZIGZAG = 2  # (p, q), (r, s), then (r, q)

Comparator = tuple[int, int]
Step = tuple[int, int, int, int, int]  # kind, p, q, r, s


@lru_cache(maxsize=256)
def network(labels: tuple[int, ...]) -> NDArray[np.int32]:
    """The steps that bring m rows into the order that `labels` asks for, (steps, 5).

    Args:
        labels: what is wanted of each rank, from the smallest value up: UNUSED, ALONE, or the
            number of a set (1, 2, ...) that only has to end up in its rows in any order.

    >>> network((UNUSED, ALONE, UNUSED)).tolist()  # the median of three
    [[0, 0, 1, 0, 0], [0, 0, 2, 0, 0], [0, 1, 2, 0, 0]]
    """
    m = len(labels)
    steps = group(prune(list(pairwise(m)), labels))
    return np.array(steps, dtype=np.int32).reshape(-1, 5)


def pairwise(m: int) -> Iterator[Comparator]:
    """Parberry's comparators for m rows, in order; about m log2(m)^2 / 4 of them.

    For m between powers of two the network of the next power is used: rows from m on would hold
    +inf and never move, so their comparators are left out.
    """
    size = 1 << max(m - 1, 0).bit_length()
    # Sort pairs, then pairs of pairs by their first and by their second members, and so on.
    span = 1
    while span < size:
        yield from ((j - span, j) for j in range(m) if j & span)
        span *= 2
    # Then merge: rows u and u + reach of span rows each, reach = 2^k - 1, ..., 3, 1.
    span, most = size // 4, 1
    while span:
        reach = most
        while reach:
            for j in range((reach + 1) * span, m):
                if (j // span - reach) % 2:
                    yield j - reach * span, j
            reach //= 2
        span, most = span // 2, 2 * most + 1


def prune(comparators: list[Comparator], labels: tuple[int, ...]) -> list[Comparator]:
    """The comparators that `labels` needs."""
    wanted, kept = list(labels), []
    for i, j in reversed(comparators):
        if wanted[i] == wanted[j] != ALONE:
            continue  # both unused, or both of one set: a swap would change nothing
        kept.append((i, j))
        wanted[i] = wanted[j] = ALONE
    return kept[::-1]


def group(comparators: list[Comparator]) -> list[Step]:
    """The same comparators, packed greedily into steps; each still follows those it depends on."""
    packer = _Packer(comparators)
    steps = []
    for c in range(len(comparators)):
        if not packer.done[c]:
            step, packed = packer.step(c)
            steps.append(step)
            for each in packed:
                packer.done[each] = True
    return steps


class _Packer:
    """Which comparators are done, and which come before and after each, on each of its rows."""

    def __init__(self, comparators: list[Comparator]) -> None:
        self.comparators = comparators
        self.done = [False] * len(comparators)
        self.before: list[dict[int, int]] = [{} for _ in comparators]  # row -> comparator
        self.after: list[dict[int, int]] = [{} for _ in comparators]
        last: dict[int, int] = {}
        for c, comparator in enumerate(comparators):
            for row in comparator:
                if row in last:
                    self.before[c][row], self.after[last[row]][row] = last[row], c
                last[row] = c

    def step(self, c: int) -> tuple[Step, tuple[int, ...]]:
        """The largest step that begins with comparator c, and the comparators in it."""
        i, j = self.comparators[c]
        on_i, beside = self.next(c, i)
        on_j, below = self.next(c, j)
        if beside >= 0 and beside == below:
            r, s = self.comparators[beside]
            if self.comparators[on_i] == (i, r) and self.comparators[on_j] == (j, s):
                return (BUTTERFLY, i, j, r, s), (c, beside, on_i, on_j)
        if below >= 0:
            r, s = self.comparators[below]
            if self.comparators[on_j] == (r, j):
                return (ZIGZAG, i, j, r, s), (c, below, on_j)
        if beside >= 0:
            p, q = self.comparators[beside]
            if self.comparators[on_i] == (i, q):
                return (ZIGZAG, p, q, i, j), (c, beside, on_i)
        return (PAIR, i, j, 0, 0), (c,)

    def next(self, c: int, row: int) -> tuple[int, int]:
        """What follows c on a row, and what that waits for besides c, if it can run now; or -1."""
        follower = self.after[c].get(row, -1)
        if follower >= 0:
            i, j = self.comparators[follower]
            other = self.before[follower].get(j if row == i else i, c)
            ready = all(self.done[each] for each in self.before[other].values())
            if ready and other != c and not self.done[other]:
                return follower, other
        return follower, -1
