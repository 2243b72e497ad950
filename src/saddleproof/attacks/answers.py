"""What liars say of their losses, each way a function: the words of `LyingAnswers` and `Playbook`.

x_i are the honest answers to one entry of a question, |x| the loudest finite one of them, L the
smoothness (1 where the problem names none), `size` the one number of a way. Entries are changes,
both ends of a curvature, or the lower bound and the Ritz value of a lowest eigenvalue.

    truthful    the members' own answers
    against     +size |x|: no decrease, positive curvature, a convex Hessian of one's own
    for         -size |x|: every end is a decrease, every direction is negative
    forge       the answers of the loss size L |w' - w|^2 / 2, for which every saddle is a minimum
    quiet       the honest worker farthest on the wrong side: the highest answer where the honest
                mean is negative, the lowest answer elsewhere
    loud        +-1e9 size, every other member; a lower bound of -1e9 size from all of them
    waste       -size |x| where the honest mean is not negative, +size |x| where it is: useless
                directions look good and good directions look useless; a Ritz value of -size |x|
    median      the honest lower median of each entry
    opposite    minus the honest mean
    huge        1e300
    nan         NaN, which proves the sender bad

**Directions.** `truthful` and `quiet` propose a worker's own direction. `median` and `opposite`
propose the median and minus the mean of the honest directions, scaled to length 1. All other ways
propose one direction, the same from every member: orthogonal to all honest proposals, or the
direction that they cover least where they span everything.

Infinite honest answers count as silence, except in `truthful`, `quiet` and `median`. All lies but
`nan` are finite where the copied answers are, and no lie exceeds 1e300.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never, get_args

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.attacks.base import AnswerView
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature

Way = Literal[
    "truthful", "against", "for", "forge", "quiet", "loud",
    "waste", "median", "opposite", "huge", "nan",
]  # fmt: skip
WAYS: tuple[Way, ...] = get_args(Way)

#: The size of a loud lie, and of the largest one.
LOUD, HUGE = 1e9, 1e300
#: Where the direction begins in an answer to `LeastCurvature`: behind l, theta_1 and theta_k.
_HEAD = 3


def lies(view: AnswerView, says: Way, size: float) -> Vector:
    """(len(members), *question.shape): what the members say.

    Args:
        view: the question and the true answers.
        says: a way, see the head of this file.
        size: the number of the ways that take one, > 0.
    """
    if isinstance(view.question, Gradients) or says == "truthful":
        return view.own
    if not view.members or not len(view.honest):
        return view.own
    if says == "nan":
        return np.full_like(view.own, np.nan)
    at = _Spot(view, size)
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(view.question, Changes):
            return _changes(at, view.question, says)
        if isinstance(view.question, Curvatures):
            return _curvatures(at, view.question, says)
        if isinstance(view.question, LeastCurvature):
            return _least(at, says)
    assert_never(view.question)


@dataclass(frozen=True)
class _Spot:
    """A question to lie about."""

    view: AnswerView
    size: float

    @property
    def stiffness(self) -> float:
        """The curvature of the forged loss."""
        return self.size * float(getattr(self.view.problem, "smoothness", None) or 1.0)

    @property
    def loud(self) -> float:
        """The size of a loud lie."""
        return min(LOUD * self.size, HUGE)

    def all_say(self, answer: Vector) -> Vector:
        """One answer of any shape, from every member."""
        return np.repeat(_bounded(answer)[None], len(self.view.members), axis=0)


def _changes(at: _Spot, question: Changes, says: Way) -> Vector:
    honest = at.view.honest
    if says == "forge":
        lengths = (question.directions**2).sum(axis=1)[:, None] * question.lengths**2
        return at.all_say(at.stiffness * lengths / 2)
    if says == "quiet":
        return at.all_say(_farthest(honest, honest))
    return _numbers(at, honest, says)


def _curvatures(at: _Spot, question: Curvatures, says: Way) -> Vector:
    honest = at.view.honest  # (h, 2, p)
    if says == "forge":
        lengths = (question.directions**2).sum(axis=1)
        return at.all_say(at.stiffness * np.stack([lengths, lengths]))
    if says == "quiet":
        return at.all_say(_farthest(honest, honest[:, 1:]))
    # Minus a lower end is an upper end.
    return np.sort(_numbers(at, honest, says), axis=1)


def _least(at: _Spot, says: Way) -> Vector:
    honest = at.view.honest  # (h, 3 + d)
    if says == "quiet":
        return at.all_say(_farthest(honest, honest[:, :1]))
    answers = np.empty_like(at.view.own)
    answers[:, _HEAD:] = _direction(at, says)
    if says == "median":
        answers[:, :_HEAD] = _middle(honest[:, :_HEAD])
        return answers
    if says == "forge":
        answers[:, :_HEAD] = at.stiffness
        return answers
    if says == "loud":
        answers[:, :_HEAD] = np.array([-at.loud, -at.loud, at.loud])
        return answers
    # A proposal that shall be looked at comes with a low eigenvalue.
    lowest = _numbers(at, honest[:, 1:2], "for" if says == "waste" else says)
    answers[:, :2] = lowest
    answers[:, 2:_HEAD] = np.maximum(lowest, _loudest(honest[:, 2:_HEAD]))
    return answers


def _numbers(at: _Spot, honest: Vector, says: Way) -> Vector:
    """Lies about (h, ...) honest numbers, entry by entry: (k, ...)."""
    if says == "loud":
        signs = np.where(np.arange(len(at.view.members)) % 2, -1.0, 1.0)
        return np.multiply.outer(signs * at.loud, np.ones(honest.shape[1:]))
    return at.all_say(_number(honest, says, at.size))


def _number(honest: Vector, says: Way, size: float) -> Vector:
    """What all members say of (h, ...) honest numbers: (...)."""
    match says:
        case "against":
            return size * _loudest(honest)
        case "for":
            return -size * _loudest(honest)
        case "waste":
            return np.where(_mean(honest) < 0, size, -size) * _loudest(honest)
        case "median":
            return _middle(honest)
        case "opposite":
            return -_mean(honest)
        case _:
            return np.full(honest.shape[1:], HUGE)


def _direction(at: _Spot, says: Way) -> Vector:
    """(d,) unit vector that all members propose."""
    proposed = np.nan_to_num(at.view.honest[:, _HEAD:], posinf=0.0, neginf=0.0)
    if says in ("median", "opposite"):
        wanted = _middle(proposed) if says == "median" else -proposed.mean(axis=0)
        length = np.linalg.norm(wanted)
        if length > 0:
            return np.asarray(wanted / length)
    return useless(proposed, at.view.round_id)


def useless(proposed: Vector, seed: int) -> Vector:
    """(d,) unit vector orthogonal to (h, d) directions, or the one that they cover least."""
    h, d = proposed.shape
    if h >= d:
        return np.asarray(np.linalg.eigh(proposed.T @ proposed)[1][:, 0])
    basis = np.linalg.qr(proposed.T)[0]  # (d, h)
    v: Vector = np.random.default_rng(seed).standard_normal((d,))
    for _ in range(2):
        v = v - basis @ (basis.T @ v)
    return np.asarray(v / np.linalg.norm(v))


def _farthest(answers: Vector, judged: Vector) -> Vector:
    """The answer, entry by entry, of the worker whose judged number is most against the mean."""
    lowest, highest = judged.argmin(axis=0), judged.argmax(axis=0)
    worker = np.where(_mean(judged) < 0, highest, lowest)
    index = np.broadcast_to(worker, answers.shape[1:])[None]
    return np.asarray(np.take_along_axis(answers, index, axis=0)[0])


def _loudest(honest: Vector) -> Vector:
    """The largest |x_i|; 1 where all of them are zero."""
    size = np.where(np.isfinite(honest), np.abs(honest), 0.0).max(axis=0)
    return np.where(size > 0, size, 1.0)


def _mean(honest: Vector) -> Vector:
    known = np.isfinite(honest)
    mean: Vector = np.where(known, honest, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return mean


def _middle(honest: Vector) -> Vector:
    """The lower median: an honest answer in every entry."""
    middle: Vector = np.sort(honest, axis=0)[(len(honest) - 1) // 2]
    return middle


def _bounded(x: Vector) -> Vector:
    """x between -1e300 and 1e300, but for infinite entries that were copied."""
    return np.where(np.isfinite(x), np.clip(x, -HUGE, HUGE), x)
