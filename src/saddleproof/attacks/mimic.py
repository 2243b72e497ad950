"""Mimic (Karimireddy, He, Jaggi, ICLR 2022): give one honest worker many voices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Mimic:
    """Every member copies the row of one and the same honest worker.

    No row is an outlier, and yet one worker's data count b + 1 times. It matters where the
    workers' data differ.

    Knows the honest rows.

    Args:
        worker: the position of the copied one among the honest workers, counted on in a circle if
            there are fewer. None takes, each round anew, the one that stands farthest from the
            mean along the direction z in which all rows of the round differ most,
            argmax_i |<x_i - mean, z>|; the paper's search follows z over the rounds instead,
            which needs a memory.

    Raises:
        OptionError: a negative position.
    """

    worker: int | None = 0

    def __post_init__(self) -> None:
        check_options(self)
        if self.worker is not None and self.worker < 0:
            raise OptionError(f"worker must not be negative; got {self.worker}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d): the same row from each of the k members."""
        honest = view.honest
        chosen = _farthest(honest) if self.worker is None else self.worker % honest.shape[1]
        return np.repeat(honest[:, chosen : chosen + 1, :], len(view.members), axis=1)


def _farthest(honest: Vector) -> int:
    """The row with the largest part along the first principal direction: (q, h, d) to its place."""
    rows = np.nan_to_num(honest - honest.mean(axis=1, keepdims=True))
    rows = rows.swapaxes(0, 1).reshape(honest.shape[1], -1)  # (h, q d): a worker's whole round
    along = np.linalg.svd(rows, full_matrices=False)[0][:, 0]  # <x_i - mean, z> / |...|
    return int(np.abs(along).argmax())
