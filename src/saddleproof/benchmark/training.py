"""One run of one cell: divide the rows, train over workers of which some lie, test."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

import saddleproof.torch as sp_torch
from saddleproof.arrays import Vector
from saddleproof.benchmark.data import Data, data_of
from saddleproof.benchmark.dividing import Divided, divided, liars_of
from saddleproof.benchmark.plans import Cell, Plan
from saddleproof.config.members import Member
from saddleproof.config.setup import first_warnings
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Trained:
    """What came of one run.

    Attributes:
        seed: of the run.
        accuracy: at the end, the share of test rows whose largest output is the one of their
            class; an output that is not a number is wrong.
        loss: at the end, the mean cross entropy of the test rows; inf where it is no number.
        status: how the training says that it ended.
        certificate: its level, "-" where none was asked for or none was possible.
        claim: the verdict of the certificate, or why there is none; "" where none was asked for.
        gradient_bound: of the certificate; NaN without one.
        tolerance: of the certificate's curvature; NaN without one.
        rounds: parallel iterations.
        parameters: d.
        rows: to train and to test.
        digest: of the data.
        at: (k,) rounds after which the model was evaluated; 0 is the start.
        accuracies, losses: (k,) the same two numbers there.
        notes: warnings of the run, the first of each kind, and what the options of the training
            change in what is promised.
        seconds: wall time.
    """

    seed: int
    accuracy: float
    loss: float
    status: str
    certificate: str
    claim: str
    gradient_bound: float
    tolerance: float
    rounds: int
    parameters: int
    rows: tuple[int, int]
    digest: str
    at: tuple[int, ...]
    accuracies: Vector
    losses: Vector
    notes: tuple[str, ...]
    seconds: float


def outcome(plan: Plan, cell: Cell, seed: int) -> Trained:
    """Run a cell with a seed.

    Raises:
        SaddleproofError: what cannot be built, trained or evaluated.
    """
    began = time.perf_counter()
    data = loaded(cell.data)
    rows = rows_of(plan, cell, data, seed)
    module = module_of(cell.model, data, seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a worker process has one; equal runs then give equal bytes
    try:
        with first_warnings() as notes:
            trained, fitted = sp_torch.fit(
                module,
                nn.functional.cross_entropy,
                [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in rows.shards],
                b=cell.b,
                aggregator=cell.rule.build(),
                attack=None if cell.attack is None else built_attack(cell.attack, seed),
                liars=None if cell.attack is None else liars_of(seed, plan.workers, cell.b),
                evaluate=tuple(torch.from_numpy(part) for part in rows.test),
                metrics={"accuracy": accuracy, "loss": loss},
                seed=seed,
                **plan.training.options,
            )
    finally:
        torch.set_num_threads(threads)
    found, history = fitted.certificate, fitted.history
    asked = plan.training.certify
    if np.isnan(history["accuracy"]).any():  # the log says why
        raise OptionError("the model cannot be evaluated on the test rows")
    return Trained(
        seed=seed,
        accuracy=float(history["accuracy"][-1]),
        loss=float(history["loss"][-1]),
        status=str(fitted.status),
        certificate="-" if found is None else str(found.level),
        claim=(fitted.message if found is None else found.reason) if asked else "",
        gradient_bound=float("nan") if found is None else float(found.gradient_bound),
        tolerance=float("nan") if found is None else float(found.tolerance),
        rounds=fitted.rounds,
        parameters=sum(p.numel() for p in trained.parameters()),
        rows=(sum(len(y) for _, y in rows.shards), len(rows.test[1])),
        digest=data.digest,
        at=tuple(int(k) for k in history.rounds),
        accuracies=np.asarray(history["accuracy"], dtype=float),
        losses=np.asarray(history["loss"], dtype=float),
        notes=(*notes, *fitted.guarantee),
        seconds=time.perf_counter() - began,
    )


def accuracy(output: Any, target: Any) -> float:
    """The share of rows whose largest output is the one of their class; NaN is wrong."""
    right = (output.argmax(dim=1) == target) & output.isfinite().all(dim=1)
    return float(right.double().mean())


def loss(output: Any, target: Any) -> float:
    """The mean cross entropy; inf where it is no number."""
    found = float(nn.functional.cross_entropy(output, target))
    return found if np.isfinite(found) else float("inf")


_LOADED: dict[str, Any] = {}


def loaded(member: Member) -> Data:
    """The data of a member: the last two that were asked for are kept."""
    key = member.spelled
    kept = _LOADED.get(key)
    if kept is None or kept[0] != member:
        while len(_LOADED) > 1:
            _LOADED.pop(next(iter(_LOADED)))
        try:
            kept = _LOADED[key] = member, data_of(member.build())
        except OptionError as error:
            raise member.complain(f"{member.name}: {error}") from error
    found: Data = kept[1]
    return found


def rows_of(plan: Plan, cell: Cell, data: Data, seed: int) -> Divided:
    """The rows of a run.

    Raises:
        ConfigError: the split refuses these labels, or is none.
    """
    seeded = cell.split.seeded(seed)

    def split(labels: Any) -> Any:
        return seeded.build(data=labels, labels=labels, workers=plan.workers)

    try:
        return divided(data, split, plan.workers, plan.test, seed)
    except OptionError as error:
        raise cell.split.complain(f"{cell.split.name} on {cell.data.name}: {error}") from error


def module_of(member: Member, data: Data, seed: int) -> nn.Module:
    """A model for this data, with parameters drawn from the seed; PyTorch's own stream is left.

    Raises:
        ConfigError: the model refuses this data, or is none.
    """
    told = {"shape": data.inputs.shape[1:], "classes": data.classes, "symbols": data.symbols}
    told = {name: value for name, value in told.items() if member.takes(name)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = replace(member, options={**member.options, **told}).build()
    if not isinstance(module, nn.Module):
        kind = type(module).__name__
        raise member.complain(f"{member.name} must return an nn.Module; got {kind}")
    return module


def built_attack(member: Member, seed: int) -> Any:
    """The attack of a run."""
    return member.seeded(seed).build()
