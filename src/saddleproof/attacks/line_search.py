"""Which of several lies works best: tried on the server's own rule, all in one call."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView


def most_harmful(view: AttackView, lies: Vector, harm: Callable[[Vector], Vector]) -> Vector:
    """The lies that do the most harm, chosen at each query point by itself.

    Args:
        view: what the coalition knows.
        lies: (s, q, k, d), s candidates.
        harm: the server's (s, q, d) answers to (s, q); NaN counts as none at all.

    Returns:
        (q, k, d); of equally harmful candidates the first. Costs one call of the server's rule on
        a batch of s q points.
    """
    stack = np.repeat(view.messages[None], len(lies), axis=0)  # (s, q, m, d)
    stack[:, :, view.members, :] = lies
    answers = view.aggregate(stack.reshape(-1, *stack.shape[2:]))
    with np.errstate(over="ignore", invalid="ignore"):
        harms = harm(answers.reshape(len(lies), -1, answers.shape[-1]))
    best = np.where(np.isnan(harms), -np.inf, harms).argmax(axis=0)
    chosen: Vector = lies[best, np.arange(len(best))]
    return chosen
