"""The direction of a descent from its last steps: limited-memory BFGS.

With pairs s = w - w-, y = g_hat(w) - g_hat(w-) the two-loop recursion gives H g_hat, H an estimate
of the inverse Hessian. What liars and noise do to a pair can spoil a direction, never a claim: a
step that makes the gradient longer is taken back, and jumps are proved by other means.

Reference: Nocedal, Math. Comp. 35, 1980.
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector

#: Pairs that are remembered.
MEMORY = 5
#: The least cosine between s and y of a pair that is kept; below, the loss hardly curves up there.
UPWARDS = 0.05
#: The most that a step is longer than the one before.
REACH = 10.0


def remember(pairs: Vector, s: Vector, y: Vector) -> Vector:
    """(k, 2, d) pairs with one more; none at all where the loss curves down along s.

    Args:
        pairs: (k, 2, d), oldest first.
        s: (d,) the last step.
        y: (d,) what it did to the gradient.
    """
    if not float(s @ y) > UPWARDS * float(np.linalg.norm(s)) * float(np.linalg.norm(y)):
        return pairs[:0]
    kept: Vector = np.concatenate([pairs, np.stack([s, y])[None]])[-MEMORY:]
    return kept


def move(gradient: Vector, pairs: Vector, step: float) -> Vector:
    """(d,) what is to be taken off w: H g, or step * g where nothing is remembered.

    >>> A = np.diag([1.0, 4.0])
    >>> s = np.array([1.0, 1.0])
    >>> pairs = remember(np.empty((0, 2, 2)), s, A @ s)
    >>> move(A @ s, pairs, 0.1)  # the secant equation: H y = s
    array([1., 1.])
    """
    if not len(pairs):
        return step * gradient
    q, parts = gradient.copy(), []
    for s, y in pairs[::-1]:
        part = (s @ q) / (s @ y)
        parts.append(part)
        q = q - part * y
    s, y = pairs[-1]
    q = q * (s @ y) / (y @ y)
    for (s, y), part in zip(pairs, parts[::-1], strict=True):
        q = q + s * (part - (y @ q) / (s @ y))
    downhill = float(q @ gradient) > 0
    longest = REACH * float(np.linalg.norm(pairs[-1][0]))
    length = float(np.linalg.norm(q))
    if not downhill or not np.isfinite(length):
        return step * gradient
    found: Vector = q * min(1.0, longest / length)
    return found
