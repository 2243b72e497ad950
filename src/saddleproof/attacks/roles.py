"""What a query point is for, as far as the points of a round give it away.

A coalition sees the points, not the server's state. But rounds that serve different ends look
different, whichever optimizer asks:

    descent   few points: where the run stands, and a step or two ahead of it
    test      a line integral: inner points of a segment, in pairs that mirror each other
    probe     many points, none of that kind: radii and steps tried side by side
    escape    the rest: perturbed starts on their way

The first two points of every round are where the run stands and its next trial: "descent" always.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector

Role = Literal["descent", "probe", "escape", "test"]

#: Up to this many points a round is one of descent; from MANY on, one that is no test is a probe.
FEW, MANY = 4, 20
#: Relative slack of "on the segment", the digits by which two fractions are the same, and the
#: fraction up to which a point counts as the end itself.
_SLACK, _DIGITS, _NEAR = 1e-9, 5, 1e-3


def roles(points: Vector) -> NDArray[np.str_]:
    """The role of each of (q, d) points, as (q,) words.

    Two segments from 0 with nodes at fractions 1/5, 1/2 and 4/5:

    >>> nodes = np.outer([0.0, 0.0, 1.0, 0.2, 0.5, 0.8], [1.0, 2.0])
    >>> roles(np.concatenate([nodes, -nodes[2:]]))[[0, 1, 2, 9]].tolist()
    ['descent', 'descent', 'test', 'test']
    """
    q = len(points)
    kind: Role = "escape"
    if q <= FEW:
        kind = "descent"
    elif integrates(points):
        kind = "test"
    elif q >= MANY:
        kind = "probe"
    found = np.full(q, kind, dtype="<U7")
    found[:2] = "descent"
    return found


def integrates(points: Vector) -> bool:
    """Whether two segments between points of (q, d) hold two more each, at f and 1 - f alike.

    The nodes of a quadrature do, f other than 1/2, and perturbed starts do not: starts that mirror
    each other may come to stand on one line, but not in the same proportions on another.
    Cost O(q^2 d + q^3).
    """
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)  # (q, q)
    # |ax| + |xb| - |ab|, 0 on the segment
    detour = distance[:, None, :] + distance[None, :, :] - distance[:, :, None]
    inside = detour <= _SLACK * distance[:, :, None]
    inside &= (distance[:, None, :] > 0) & (distance[None, :, :] > 0)
    a, b, x = np.nonzero(inside)
    fractions = np.round(distance[a, x] / distance[a, b], _DIGITS).tolist()
    held: dict[float, set[tuple[int, int]]] = {}
    for f, start, end in zip(fractions, a.tolist(), b.tolist(), strict=True):
        held.setdefault(f, set()).add((start, end))
    # Seen from its other end, a segment holds 1 - f where it holds f.
    shared = (
        {(start, end) for start, end in segments if (end, start) in segments}
        for f, segments in held.items()
        if _NEAR < f < 0.5
    )
    return any(len(segments) >= 4 for segments in shared)
