"""Which of several lies works best: tried on the server's own rule, many in one call.

Lies on a line through the honest mean, g + x offset, are searched in two steps. The harm of a rule
that selects or mixes rows jumps in x, and just before a jump, where the lie is taken for the last
time, it is largest. So a ladder of factors of both signs finds the jumps, and the steps of the
ladder in which a jump hides more harm than was seen are divided further.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.attacks.views import AttackView

#: Numbers in the messages of one call of the rule, at most, where one point has fewer.
TOGETHER = 2**22


def _ladder() -> Vector:
    """Positive factors in units of (honest spread / length of the offset).

    96 a decade from .4 to 3, where distances to honest rows turn, 12 a decade around, 3 beyond.
    """
    parts = ((1e-3, 0.05, 3), (0.05, 0.4, 12), (0.4, 3.0, 96), (3.0, 20.0, 12), (20.0, 1e4, 3))
    steps = [
        np.geomspace(low, high, round(many * np.log10(high / low)), endpoint=False)
        for low, high, many in parts
    ]
    return np.concatenate([*steps, [1e4]])


LADDER = np.concatenate([-_ladder()[::-1], _ladder()])
#: How often steps are divided, how many of them at a point, and into how many.
DIVISIONS, STEPS, PARTS = 2, 4, 9
#: A gain of less than this share is not worth a division.
GAIN = 2e-3

#: (n, d) answers at (n,) query points to (n,) harms; NaN counts as none at all.
Harm = Callable[[Vector, NDArray[np.intp]], Vector]


def most_harmful(view: AttackView, lies: Vector, harm: Harm) -> Vector:
    """The lies that do the most harm, chosen at each query point by itself.

    Args:
        view: what the coalition knows.
        lies: (s, q, k, d), s candidates.
        harm: see `Harm`.

    Returns:
        (q, k, d); of equally harmful candidates the first. Costs s q points of the server's rule.
    """
    s, q = lies.shape[:2]
    points = np.tile(np.arange(q), s)
    harms = _harms(view, points, lambda at: lies[at // q, at % q], harm)
    best = harms.reshape(s, q).argmax(axis=0)
    chosen: Vector = lies[best, np.arange(q)]
    return chosen


def strongest_factor(view: AttackView, offset: Vector, harm: Harm) -> Vector:
    """The x at which g + x offset does the most harm, at each query point: (q,), of either sign.

    Args:
        view: what the coalition knows; g is the mean of its honest rows.
        offset: (q, k, d), where each member goes.
        harm: see `Harm`.

    Returns:
        (q,). 0 and 1 are among the factors that are tried. Costs len(LADDER) + 2 q points of the
        server's rule, and at most DIVISIONS STEPS (PARTS - 1) q more.
    """
    g, q = view.honest_mean, len(view.points)

    def tried(points: NDArray[np.intp], factors: Vector) -> Vector:
        def lies(at: NDArray[np.intp]) -> Vector:
            here = points[at]
            return g[here, None, :] + factors[at, None, None] * offset[here]

        return _harms(view, points, lies, harm)

    factors = np.concatenate(
        [np.tile([0.0, 1.0], (q, 1)), np.outer(_unit(view, offset), LADDER)], 1
    )
    points = np.repeat(np.arange(q), factors.shape[1])
    line = _Line(factors, tried(points, factors.ravel()).reshape(q, -1)).in_order()
    for _ in range(DIVISIONS):
        more = line.divided()
        at = np.nonzero(np.isfinite(more))
        if not len(at[0]):
            break
        harms = np.full(more.shape, -np.inf)
        harms[at] = tried(at[0], more[at])
        line = _Line(np.append(line.x, more, 1), np.append(line.harm, harms, 1)).in_order()
    best = line.harm.argmax(axis=1)[:, None]
    found: Vector = np.take_along_axis(line.x, best, 1)[:, 0]
    return found


@dataclass(frozen=True)
class _Line:
    """Factors (q, s), ascending, NaN last, and the harm of each."""

    x: Vector
    harm: Vector

    def in_order(self) -> _Line:
        order = np.argsort(self.x, axis=1, kind="stable")
        return _Line(*(np.take_along_axis(a, order, 1) for a in (self.x, self.harm)))

    def divided(self) -> Vector:
        """(q, STEPS (PARTS - 1)) new factors in the steps that promise most; NaN for none.

        What a step promises: the harm at its end next to 0, if that is the larger one, grown in
        proportion to the factor. A rule's answer is linear in x until it chooses other rows.
        """
        outward = np.abs(self.x[:, 1:]) > np.abs(self.x[:, :-1])
        pairs = [(self.x[:, :-1], self.harm[:, :-1]), (self.x[:, 1:], self.harm[:, 1:])]
        near = [np.where(outward, left, right) for left, right in zip(*pairs, strict=True)]
        far = [np.where(outward, right, left) for left, right in zip(*pairs, strict=True)]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = far[0] / near[0]
            falls = (ratio > 1) & np.isfinite(ratio) & (near[1] > far[1] * (1 + GAIN))
            promise = np.where(falls, near[1] * ratio, -np.inf)
        few = min(STEPS, promise.shape[1])
        chosen = np.argsort(-promise, axis=1, kind="stable")[:, :few]
        promise, ratio, start = (
            np.take_along_axis(a, chosen, 1) for a in (promise, ratio, near[0])
        )
        worth = promise > self.harm.max(axis=1, keepdims=True) * (1 + GAIN)
        powers = np.arange(1, PARTS) / PARTS
        ratio = np.where(worth, ratio, np.nan)
        inside: Vector = start[:, :, None] * ratio[:, :, None] ** powers
        return inside.reshape(len(inside), -1)


def _unit(view: AttackView, offset: Vector) -> Vector:
    """(q,): the factor that takes the offset as far as an honest row is from the mean; 1 for 0."""
    apart = view.honest - view.honest_mean[:, None, :]
    with np.errstate(over="ignore"):
        spread, length = (np.linalg.norm(a, axis=2).mean(axis=1) for a in (apart, offset))
    usable = (spread > 0) & (length > 0) & np.isfinite(spread) & np.isfinite(length)
    unit: Vector = np.where(usable, spread, 1.0) / np.where(usable, length, 1.0)
    return unit


def _harms(
    view: AttackView,
    points: NDArray[np.intp],
    lies: Callable[[NDArray[np.intp]], Vector],
    harm: Harm,
) -> Vector:
    """The harm of n lies, (n, k, d) from their numbers, each at a query point: (n,)."""
    m, d = view.messages.shape[1:]
    together = max(TOGETHER // max(m * d, 1), 1)
    found = np.empty(len(points))
    for start in range(0, len(points), together):
        at = np.arange(start, min(start + together, len(points)))
        with np.errstate(over="ignore", invalid="ignore"):
            told = lies(at)
            stack = view.messages[points[at]]
            stack[:, view.members, :] = told
            harms = harm(view.aggregate(stack), points[at])
        # A number that overflows would be proof against its sender.
        sound = np.isfinite(told).all(axis=(1, 2)) & ~np.isnan(harms)
        found[at] = np.where(sound, harms, -np.inf)
    return found
