"""The strongest known message: how b liars bring the server's answer nearest to a target.

The coalition need not know which rule it faces. It prepares one message per kind of rule, runs
the server's own rule on each of them, and keeps per query point what came nearest. A new rule
with an attack of its own adds a function to `CANDIDATES`. Where no closed form is known (distances,
weights, filters) it searches along the line from the honest mean g through the target: g + c
(target - g) for c on a geometric ladder, small where a rule picks rows that stand close together
(Krum), large where it takes a mean of what it trusts.

Against rules that work coordinate by coordinate on ranks there is nothing better to find. All of
them are means of the middle values (`drop` on each side: none for the mean, b for the trimmed
mean, (m - 1)//2 for the median, whose middle is one value or two). Such a mean is continuous and
nondecreasing in each liar's number, so the liars reach exactly the interval between "all -inf"
and "all +inf", and they reach each value in it by all saying one and the same number, which
`through_the_middle` computes. The answer is the target, clipped per coordinate to that interval.
For the median and odd m its ends are order statistics of the honest rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.attacks.line_search import TOGETHER

#: Coordinates by which a rule is recognised, at least; all of them where d is smaller.
SAMPLED = 256
#: c of the line search.
LINE = tuple(2.0**power for power in range(-6, 7) if power != 0)


def through(view: AttackView, target: Vector) -> Vector:
    """The liars' messages whose aggregate comes nearest to `target` in the 2-norm.

    Args:
        view: what the coalition knows.
        target: (q, d), what it wants the server to read.

    Returns:
        (q, k, d), finite, for the k members. Costs len(CANDIDATES) q points of the server's rule,
        and len(LINE) q more where the rule is no mean of middle values.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = np.stack([candidate(view, target) for candidate in CANDIDATES])  # (c, q, d)
        answers = _answers(view, numbers)
        if not _of_the_middle(view, numbers, answers):
            g = view.honest_mean
            line = g + np.multiply.outer(np.array(LINE), target - g)
            numbers = np.concatenate([numbers, line])
            answers = np.concatenate([answers, _answers(view, line)])
        miss = np.linalg.norm(answers - target, axis=-1)  # (c, q)
    best = np.where(np.isnan(miss), np.inf, miss).argmin(axis=0)
    # A number that overflows would be proof against its sender.
    chosen = np.nan_to_num(numbers)[best, np.arange(len(target))]
    return np.repeat(chosen[:, None, :], len(view.members), axis=1)


def _stack(view: AttackView, numbers: Vector, columns: slice = slice(None)) -> Vector:
    """(c q, m, h) messages, some columns of them, when all members say (c, q, d) numbers."""
    stack = np.repeat(view.messages[None, :, :, columns], len(numbers), axis=0)
    stack[:, :, view.members, :] = np.nan_to_num(numbers[..., columns])[:, :, None, :]
    return stack.reshape(-1, *stack.shape[2:])


def _answers(view: AttackView, numbers: Vector) -> Vector:
    """The (c, q, d) answers when all members say (c, q, d) numbers.

    Tried some at a time: the system takes longer to give new memory than to fill what was used.
    """
    together = max(TOGETHER // max(view.messages.size, 1), 1)
    parts = [numbers[k : k + together] for k in range(0, len(numbers), together)]
    found = np.concatenate([view.aggregate(_stack(view, part)) for part in parts])
    return found.reshape(numbers.shape)


def _of_the_middle(view: AttackView, numbers: Vector, answers: Vector) -> bool:
    """Whether the rule answers as one of those does for which a closed form is exact.

    Judged by some coordinates: a sort of all of them would cost more than the rule.
    """
    m, d = view.messages.shape[1:]
    some = slice(None, None, max(d // SAMPLED, 1))
    ordered, answers = np.sort(_stack(view, numbers, some), axis=1), answers[..., some]
    drops = {0, min(view.b, (m - 1) // 2), (m - 1) // 2}
    middles = (ordered[:, drop : m - drop].mean(axis=1) for drop in drops)
    flat = answers.reshape(-1, answers.shape[-1])
    return any(np.allclose(flat, middle, rtol=1e-6, atol=1e-12) for middle in middles)


def the_target_itself(_: AttackView, target: Vector) -> Vector:
    """Every liar says what the server shall read: a fair guess against any rule."""
    return target


def through_mean(view: AttackView, target: Vector) -> Vector:
    """Against the mean of all rows."""
    return through_the_middle(view, target, drop=0)


def through_trimmed_mean(view: AttackView, target: Vector) -> Vector:
    """Against the mean without the b largest and the b smallest values."""
    return through_the_middle(view, target, drop=min(view.b, (view.messages.shape[1] - 1) // 2))


def through_median(view: AttackView, target: Vector) -> Vector:
    """Against the median: of m values, all but the middle one or two are dropped."""
    return through_the_middle(view, target, drop=(view.messages.shape[1] - 1) // 2)


CANDIDATES: tuple[Callable[[AttackView, Vector], Vector], ...] = (
    the_target_itself,
    through_mean,
    through_trimmed_mean,
    through_median,
)


def through_the_middle(view: AttackView, target: Vector, drop: int) -> Vector:
    """The number s, per coordinate, that all k liars say to put a mean of middle values on target.

    With j of the h honest values below s, the sum of the middle m - 2 drop values is linear in s:
    R_j + c_j s, where c_j liars and the honest values in R_j lie in the middle. It grows with s,
    so the honest values themselves are knots that tell which j the target belongs to.
    With drop = 0 this is s = (m target - sum of honest rows) / k.

    Args:
        view: what the coalition knows.
        target: (q, d).
        drop: values left out on each side, 0 <= drop <= (m - 1)//2.

    Returns:
        (q, d). A target out of reach gets the nearest reachable answer.
    """
    honest = np.sort(view.honest, axis=1)  # (q, h, d)
    h, m = honest.shape[1], view.messages.shape[1]
    rank, j = np.arange(h), np.arange(h + 1)[:, None]
    place = np.where(rank < j, rank, rank + (m - h))  # among all m, where each honest value stands
    middle = (drop <= place) & (place < m - drop)  # (h + 1, h)
    liars = (m - 2 * drop) - middle.sum(axis=1)  # c_j
    rest = middle.astype(honest.dtype) @ honest  # R_j: (q, h + 1, d)
    wanted = (m - 2 * drop) * target

    knots = rest[:, :-1] + liars[:-1, None] * honest  # the sum at s = each honest value
    below = (knots < wanted[:, None]).sum(axis=1)  # j, for each coordinate: (q, d)
    ends = np.pad(honest, ((0, 0), (1, 1), (0, 0)))
    ends[:, 0], ends[:, -1] = -np.inf, np.inf
    low, high = _pick(ends, below), _pick(ends, below + 1)
    among = liars[below]
    solved = (wanted - _pick(rest, below)) / np.maximum(among, 1)
    return np.clip(np.where(among > 0, solved, target), low, high)


def _pick(x: Vector, index: NDArray[np.intp]) -> Vector:
    """x[q, index[q, d], d]."""
    return np.take_along_axis(x, index[:, None, :], axis=1)[:, 0, :]
