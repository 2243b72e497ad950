"""Lies in the data: members compute honestly, on shards whose labels were changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import device

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector, namespace
from saddleproof.attacks.base import AttackView
from saddleproof.errors import OptionError

#: New labels from a worker's old ones and its position in the roster.
Relabel = Callable[[Any, int], Any]


@dataclass(frozen=True)
class LabelFlip:
    """The members' labels are turned around: y becomes low + high - y.

    Classes 0, ..., C-1 become C-1-y and signs change, as in the literature; low and high are the
    lowest and the highest label of all workers.

    Works for problems with labels: those with an attribute y of shape (m, ...), or a `Problem`
    whose shards are tuples with the labels last (as of a PyTorch module) or mappings with "y".
    Knows the problem. Cost: the members' gradients once more, or all workers' where labels are an
    attribute.

    Raises:
        OptionError: in use, on a problem without labels.
    """

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): gradients of the members' losses on the changed data."""
        return _gradients(view, self._relabel(view))

    def losses(self, view: AttackView) -> Vector:
        """(q, k): the members' losses on the changed data."""
        return _values(view, self._relabel(view))

    def _relabel(self, view: AttackView) -> Relabel:
        every = _every_label(view.problem)
        ends = every[0] + every[-1]
        return lambda y, _: _like(ends - np.asarray(y), y)


@dataclass(frozen=True)
class RandomLabel:
    """The members' labels are drawn anew, uniformly from all labels that there are.

    Drawn once: a member has the same wrong labels in every round. For which problems, what it
    knows, and what it costs: see `LabelFlip`.

    Args:
        seed: of the labels.

    Raises:
        OptionError: in use, on a problem without labels.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        check_options(self)

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): gradients of the members' losses on the changed data."""
        return _gradients(view, self._relabel(view))

    def losses(self, view: AttackView) -> Vector:
        """(q, k): the members' losses on the changed data."""
        return _values(view, self._relabel(view))

    def _relabel(self, view: AttackView) -> Relabel:
        every = _every_label(view.problem)

        def draw(y: Any, worker: int) -> Any:
            rng = np.random.default_rng([self.seed, worker])
            return _like(rng.choice(every, np.shape(y)), y)

        return draw


def has_labels(problem: object) -> bool:
    """Whether these attacks can be used on the problem."""
    try:
        return len(_every_label(problem)) > 0
    except OptionError:
        return False


def _gradients(view: AttackView, relabel: Relabel) -> Vector:
    with np.errstate(over="ignore", invalid="ignore"):
        if _whole(view.problem):
            rows: Vector = _relabelled(view, relabel).gradients(view.points)[:, view.roster]
            return rows
        gradient = view.problem.loss.gradient
        dtype = view.points.dtype  # copies: the loss may write into the same buffer again
        alone = [np.array(gradient(view.points, x), dtype=dtype) for x in _shards(view, relabel)]
    return np.stack(alone, axis=1)


def _values(view: AttackView, relabel: Relabel) -> Vector:
    with np.errstate(over="ignore", invalid="ignore"):
        if _whole(view.problem):
            values = _relabelled(view, relabel).values
            return np.stack([values(w)[list(view.roster)] for w in view.points])
        value, shards = view.problem.loss.value, _shards(view, relabel)
        told = [[value(w, shard) for shard in shards] for w in view.points]
    return np.array(told, dtype=view.points.dtype)


def _relabelled(view: AttackView, relabel: Relabel) -> Any:
    """A copy of a problem with an attribute y, in which the members' labels are other ones."""
    other = copy(view.problem)
    other.y = view.problem.y.copy()
    for worker in view.roster:
        other.y[worker] = relabel(view.problem.y[worker], worker)
    return other


def _shards(view: AttackView, relabel: Relabel) -> list[Any]:
    """The members' shards with other labels."""
    changed = []
    for worker in view.roster:
        shard = view.problem.shards[worker]
        y = relabel(_labels(shard), worker)
        changed.append({**shard, "y": y} if isinstance(shard, Mapping) else (*shard[:-1], y))
    return changed


def _whole(problem: Any) -> bool:
    """Whether all workers' labels are one attribute of the problem."""
    y = getattr(problem, "y", None)
    return isinstance(y, np.ndarray) and y.ndim >= 2 and len(y) == problem.m


def _every_label(problem: Any) -> Vector:
    """All labels that there are, in ascending order."""
    if _whole(problem):
        return np.unique(problem.y)
    shards = getattr(problem, "shards", None)
    if shards is None or not hasattr(problem, "loss"):
        raise OptionError(f"{getattr(problem, 'name', 'this problem')} has no labels to change")
    return np.unique(np.concatenate([np.ravel(_labels(shard)) for shard in shards]))


def _labels(shard: object) -> Any:
    if isinstance(shard, Mapping) and "y" in shard:
        return shard["y"]
    if isinstance(shard, (tuple, list)) and len(shard) >= 2:
        return shard[-1]
    raise OptionError(
        "labels can be changed where a shard is a tuple (x, y) or a mapping with 'y'; "
        f"got {type(shard).__name__}"
    )


def _like(values: Any, y: Any) -> Any:
    """`values` as an array of the kind, dtype and device of y."""
    return namespace(y).asarray(values, dtype=y.dtype, device=device(y))
