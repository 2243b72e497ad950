"""All sets of m - b of m rows, for the rules that try every one of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from saddleproof.errors import OptionError

#: Most sets that are tried: all of m = 20 workers with any b.
MOST = 200_000
#: Numbers in the matrices of one block of sets: 8 MB.
BLOCK = 2**20

Sets = NDArray[np.intp]


def left_out(name: str, m: int, b: int, most: int = MOST) -> Sets:
    """(n, b) the rows that each set leaves out, in the order of their indices.

    Args:
        name: the rule that asks.
        m: rows.
        b: how many each set leaves out.
        most: sets that the rule can try in reasonable time.

    Raises:
        OptionError: there are more sets.

    >>> left_out("MDA", 3, 1).tolist()
    [[0], [1], [2]]
    """
    count = math.comb(m, b)
    if count > (most := min(most, MOST)):
        raise OptionError(
            f"{name} tries every set of m - b rows, for m={m} at most {most}; b={b} makes "
            f"{count}. Take fewer workers, a smaller b, or a rule that needs no search, such as "
            "NearestNeighborMixing()"
        )
    flat = itertools.chain.from_iterable(itertools.combinations(range(m), b))
    return np.fromiter(flat, np.intp, count * b).reshape(count, b)


def kept(out: Sets, m: int) -> Iterator[Sets]:
    """(n', m - b) the rows that each set keeps, in blocks that follow `out`."""
    k = m - out.shape[1]
    step = max(BLOCK // (k * k), 1)
    for start in range(0, len(out), step):
        part = out[start : start + step]
        inside = np.ones((len(part), m), dtype=bool)
        np.put_along_axis(inside, part, values=False, axis=1)
        yield np.nonzero(inside)[1].reshape(len(part), k)
