"""The form of a module that a certificate judges: eval mode, all rows, float64 where it can.

A module that casts to a dtype of its own, or a loss that holds float32 tensors in a closure, cannot
be judged in float64. It is judged in its own dtype, and the certificate says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from saddleproof.errors import OptionError
from saddleproof.torch.comparing import points_of
from saddleproof.torch.copies import matched, pristine
from saddleproof.torch.layout import Layout
from saddleproof.torch.loss import LossFunction, ModuleLoss, Penalty
from saddleproof.torch.modules import check_module, loss_of
from saddleproof.torch.probe import ROWS
from saddleproof.torch.problem import TorchProblem

#: Relative difference of two values at which float64 and a module's own dtype are the same model.
SHARE = 1e-2


def judged(
    module: nn.Module,
    loss: LossFunction | None,
    shards: Sequence[Any] | Mapping[str, Any],
    *,
    penalty: Penalty | None = None,
    warn: bool = True,
) -> TorchProblem:
    """The problem of a certificate, with w in the same order as in training.

    Args:
        module: any nn.Module; not changed.
        loss: see `TorchProblem`.
        shards: see `TorchProblem`.
        penalty: see `TorchProblem`.
        warn: whether to say that a loop is used.

    Raises:
        OptionError: the module can be judged in no dtype; says why.
    """
    check_module(module)
    module = pristine(module).eval()
    with warnings.catch_warnings():
        if not warn:
            warnings.simplefilter("ignore", RuntimeWarning)
        try:
            exact = TorchProblem(pristine(module).double(), loss, shards, penalty=penalty)
        except OptionError:
            return TorchProblem(module, loss, shards, penalty=penalty)
        if _is_same_model(module, loss_of(loss, exact.rows.keys), penalty, exact):
            return exact
        return TorchProblem(module, loss, shards, penalty=penalty)


def judge_of(problem: TorchProblem) -> TorchProblem:
    """What judges the model that is trained on a problem; points mean the same to both."""
    loss = problem.module_loss
    shards: Any = problem.rows.given
    if problem.names is not None:
        shards = dict(zip(problem.names, shards, strict=True))
    return judged(problem.module, loss.loss, shards, penalty=loss.penalty, warn=False)


def arithmetic(problem: TorchProblem) -> tuple[str, ...]:
    """What a certificate says of the numbers it rests on; nothing where all of it is float64."""
    dtype = str(problem.judge.layout.dtype).removeprefix("torch.")
    said = []
    if dtype != "float64":
        said.append(
            f"the model is judged in {dtype}, because in float64 it fails or is another model; all "
            "bounds hold up to rounding in that type"
        )
    if problem.judge.facts.narrow:
        said.append(
            f"a forward pass rounds to {problem.judge.facts.narrow}; all bounds hold up to that"
        )
    return tuple(said)


def _is_same_model(
    module: nn.Module, loss: LossFunction, penalty: Penalty | None, exact: TorchProblem
) -> bool:
    """Whether the values agree, at the module's own parameters and away from them."""
    layout = Layout.of(module)
    if layout.dtype == torch.float64:
        return True
    own = ModuleLoss(pristine(module), matched(loss, layout), penalty=penalty, keys=exact.rows.keys)
    rows = tuple(x[:ROWS] for x in next(iter(exact.rows.clean().values())))
    short = tuple(x.to(layout.dtype) if x.is_floating_point() else x for x in rows)
    for w in points_of(exact.judge, exact.judge.tensor(np.asarray(exact.start))).numpy(force=True):
        here, there = own.value(w, short), exact.judge.value(w, rows)
        if np.isfinite(here) and abs(here - there) > SHARE * max(abs(here), SHARE):
            return False
    return True
