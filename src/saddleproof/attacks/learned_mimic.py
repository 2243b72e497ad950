"""Mimic, learned (Karimireddy, He, Jaggi, ICLR 2022): find the worker worth copying, then copy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.attacks.directed import unit_direction
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Learned:
    """What the coalition knows after t rounds.

    Attributes:
        t: rounds seen, at most the warm-up.
        mean: (d,) mu, the running mean of the honest rows.
        z: (d,) unit direction in which honest workers differ most, by Oja's iteration.
        chosen: position in the roster of the worker to copy.
    """

    t: int
    mean: Vector
    z: Vector
    chosen: int


@dataclass(frozen=True)
class LearnedMimic:
    """Every member copies the honest worker that stands farthest out where workers differ most.

    Over the rounds t = 0, 1, ... of the warm-up, with the honest rows x_i at the point where the
    run stands,

        mu <- t/(t+1) mu + mean(x)/(t+1)
        c   = sum_i <x_i - mu, z> (x_i - mu)
        z  <- t/(t+1) z + c/|c|/(t+1),  then |z| = 1,        i* = argmax_i <x_i, z>,

    Oja's iteration for the first principal direction of what the workers' data make of the
    gradient. During the warm-up i* follows z, after it i* stays. It matters where the workers'
    data differ; `Mimic(worker=None)` looks at one round only.

    Remembers mu, z and i*. Where i* is not heard, the members copy the farthest of those that are.

    Args:
        warm_up: rounds, >= 1.
        seed: of the first z.

    Raises:
        OptionError: a warm-up below 1.
    """

    warm_up: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        check_options(self)
        if self.warm_up < 1:
            raise OptionError(f"warm_up must be at least 1 round; got {self.warm_up}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): the same row from each of the k members."""
        known = self.remember(view)
        workers = _honest(view)
        at = workers.index(known.chosen) if known.chosen in workers else _farthest(view, known.z)
        return np.repeat(view.honest[:, at : at + 1, :], len(view.members), axis=1)

    def remember(self, view: AttackView) -> Learned:
        """mu, z and i* after this round."""
        known: Learned | None = view.history
        if known is not None and known.t >= self.warm_up:
            return known
        rows = np.nan_to_num(view.honest[0])  # (h, d), where the run stands
        if known is None:
            known = Learned(
                0, np.zeros(rows.shape[1]), unit_direction(None, self.seed, rows.shape[1]), 0
            )
        old, new = known.t / (known.t + 1), 1 / (known.t + 1)
        mean = old * known.mean + new * rows.mean(axis=0)
        offset = rows - mean
        c = offset.T @ (offset @ known.z)
        z = old * known.z + new * _unit(c, known.z)
        z = _unit(z, known.z)
        return Learned(known.t + 1, mean, z, _honest(view)[_farthest(view, z)])


def _honest(view: AttackView) -> list[int]:
    """Positions in the roster of the honest rows."""
    m = view.messages.shape[1]
    everybody = view.workers or range(m)
    return [everybody[i] for i in range(m) if i not in view.members]


def _farthest(view: AttackView, z: Vector) -> int:
    return int(np.argmax(np.nan_to_num(view.honest[0] @ z)))


def _unit(vector: Vector, otherwise: Vector) -> Vector:
    length = float(np.linalg.norm(vector))
    unit: Vector = vector / length if 0 < length < np.inf else otherwise
    return unit
