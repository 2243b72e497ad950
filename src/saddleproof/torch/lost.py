"""Workers whose rows hold NaN or Inf that reach their loss: they answer NaN to every question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from saddleproof.arrays import Vector
from saddleproof.border import label
from saddleproof.errors import OptionError
from saddleproof.torch.refusals import first
from saddleproof.torch.surroundings import plainly

if TYPE_CHECKING:
    from saddleproof.torch.problem import TorchProblem


@plainly()
def failing(problem: TorchProblem, start: Vector) -> list[int]:
    """Workers whose rows hold NaN or Inf that reach their loss or its gradient at the start.

    Raises:
        OptionError: the loss fails on a worker's rows, or on all of them.
    """
    judge, w = problem.judge, problem.judge.tensor(start)[None]
    try:
        for batch in problem.rows.all():
            judge.values(w, batch.data)
    except Exception:
        _find_fault(problem, w)
        raise
    lost = []
    for i in problem.rows.odd:
        data = tuple(x[None] for x in problem.shards[i])
        known = [judge.values(w, data), judge.batch(w, data)]
        if not all(bool(torch.isfinite(x).all()) for x in known):
            lost.append(i)
    if len(lost) == problem.m:
        raise OptionError("every worker's rows hold NaN or Inf that reach the loss")
    return lost


def _find_fault(problem: TorchProblem, w: Tensor) -> None:
    for i, shard in enumerate(problem.shards):
        try:
            problem.judge.values(w, tuple(x[None] for x in shard))
        except Exception as error:
            raise OptionError(
                f"the module or the loss fails on {label(problem.names, i)}'s rows: {first(error)}"
            ) from error
