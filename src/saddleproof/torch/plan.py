"""From the arguments of `fit` to an optimizer, a rule and a fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from saddleproof.aggregators.base import Aggregator
from saddleproof.aggregators.by_shares import ByShares
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.nearest_neighbor_mixing import NearestNeighborMixing
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.fleets.base import Fleet
from saddleproof.fleets.local import LocalFleet
from saddleproof.optimizers.base import Optimizer
from saddleproof.optimizers.certified import CertifiedPGD
from saddleproof.torch.asked import (
    ASKS,
    FACTORY,
    NONE,
    check_alone,
    check_local,
    check_rates,
    check_sample,
    kind_of,
)
from saddleproof.torch.copies import pristine
from saddleproof.torch.local_steps import LocalProblem
from saddleproof.torch.modules import check_module
from saddleproof.torch.momentum import WorkerMomentum
from saddleproof.torch.optim import TorchStep
from saddleproof.torch.problem import TorchProblem
from saddleproof.torch.refusals import first
from saddleproof.torch.sampling import Sample, SampledFleet
from saddleproof.torch.server_steps import ServerStep
from saddleproof.torch.surroundings import plainly
from saddleproof.torch.trainer import Schedule, TrainingPGD

#: Largest number of parameters that the default of full batches trains.
SMALL = 256
#: The learning rate where none is given.
LR = 0.25
#: The momentum of the workers where none is given, and where all of them are asked in every round.
MOMENTUM = 0.9

Weights = str | Sequence[float] | Mapping[str, float]


@dataclass(frozen=True)
class FitPlan:
    """Who computes, who aggregates, who steps.

    Attributes:
        fleet: honest workers.
        rule: of a round of all workers, and of the certificate.
        aggregator: the rule of the training, with its sample and weights.
        optimizer: asks and is told.
        start: (d,) in the dtype of training.
        server: what is done with the aggregates; None for a plain step.
    """

    fleet: Fleet
    rule: Aggregator
    aggregator: Aggregator
    optimizer: Optimizer[Any]
    start: Vector
    server: ServerStep | None = None


@dataclass(frozen=True)
class Options:
    """The options of `fit` for its steps and its workers, under their own names.

    Raises:
        OptionError: options that cannot work, or contradict each other.
    """

    rounds: int
    lr: float | None
    schedule: Schedule | None
    optimizer: Any
    patience: int | None
    momentum: float | None
    local_steps: int
    local_lr: float | None
    sample: int | Sample | None
    weights: Weights | None

    def __post_init__(self) -> None:
        kind = self.kind
        check_rates(self.lr, self.schedule, self.local_lr, self.rounds)
        check_local(kind, self.local_steps, self.local_lr, self.schedule)
        check_sample(self.sample)
        check_alone(kind, self.optimizer, {"lr": self.lr} | self._of_steps)

    @property
    def kind(self) -> str:
        """What `optimizer` is; see `saddleproof.torch.asked.kind_of`."""
        return kind_of(self.optimizer)

    @property
    def sampled(self) -> Sample | None:
        """The workers of a round; None for all."""
        if self.sample is None or isinstance(self.sample, Sample):
            return self.sample
        return Sample(self.sample)

    @property
    def _of_steps(self) -> dict[str, Any]:
        """What only steps from aggregates have a use for; None where it was not given."""
        local = self.local_steps if self.local_steps > 1 else None
        return {
            "schedule": self.schedule, "local_steps": local, "sample": self.sample,
            "weights": self.weights,
        }  # fmt: skip

    def problem(self, *given: Any, **options: Any) -> TorchProblem:
        """The problem whose workers answer as these options say."""
        if self.local_steps == 1:
            return TorchProblem(*given, **options)
        length = (LR if self.lr is None else self.lr) / self.local_steps
        length = length if self.local_lr is None else self.local_lr
        return LocalProblem(*given, steps=self.local_steps, lr=length, **options)

    def plan(self, problem: TorchProblem, aggregator: Aggregator | None, b: int) -> FitPlan:
        """Who computes, who aggregates, who steps.

        Raises:
            OptionError: the server's step cannot work; a rule that takes no weights.
            BreakdownError: a sample may hold more liars than the rule.
        """
        optimizer, rule = self.optimizer, aggregator
        whole = problem.batch_size is None and problem.d <= SMALL
        if self.kind == NONE and whole and not any(x is not None for x in self._of_steps.values()):
            optimizer, rule = CertifiedPGD(), Median() if rule is None else rule
        rule = NearestNeighborMixing() if rule is None else rule
        if optimizer is not None and kind_of(optimizer) == ASKS:
            start: Vector = np.asarray(problem.start, dtype=np.float64)
            return FitPlan(LocalFleet(problem), rule, rule, optimizer, start)
        return self._trained(problem, rule, b)

    def _trained(self, problem: TorchProblem, rule: Aggregator, b: int) -> FitPlan:
        """`fit`'s own training: steps from aggregates, tests of the loss, jumps."""
        dtype = np.dtype(str(problem.module_loss.layout.dtype).removeprefix("torch."))
        # Sampling noise is far above the last place of a float32, and messages are half as long.
        start: Vector = np.asarray(problem.start, dtype=dtype)
        server = self.optimizer
        if self.kind == FACTORY:
            server = TorchStep(self.optimizer, problem.module_loss.layout.shapes)
            server.check(start)
        rate = LR if server is None or server.rate is None else server.rate
        fleet: Fleet = LocalFleet(problem)
        used, sample = rule, self.sampled
        if sample is not None:
            used = sample.rule(rule, problem.m, b)
            fleet = SampledFleet(problem, sample.size)
        if self.weights is not None:
            used = ByShares(used, weights_of(self.weights, problem, fleet.workers))
        momentum = self.momentum
        if momentum is None:  # a worker that is seldom asked would send old news
            momentum = MOMENTUM if sample is None else 0.0
        trainer = TrainingPGD(
            step=rate if self.lr is None else self.lr, patience=self.patience,
            schedule=self.schedule, server=server,
            unasked=0 if sample is None else problem.m - sample.size,
        )  # fmt: skip
        return FitPlan(WorkerMomentum(fleet, momentum), rule, used, trainer, start, server)


def weights_of(
    weights: Weights, problem: TorchProblem, workers: tuple[str, ...]
) -> tuple[float, ...]:
    """One weight a worker, in the order of the roster.

    Raises:
        OptionError: not one positive number for each.
    """
    if isinstance(weights, str):
        if weights != "rows":
            raise OptionError(f'weights must be "rows" or one number a worker; got {weights!r}')
        return tuple(float(n) for n in problem.rows.sizes)
    if isinstance(weights, Mapping):
        if set(weights) != set(workers):
            raise OptionError(
                f"weights must name every worker once: {', '.join(workers[:5])}...; got "
                f"{', '.join(map(str, list(weights)[:5]))}..."
            )
        weights = [weights[name] for name in workers]
    try:
        found = np.asarray(weights, dtype=float)
    except (TypeError, ValueError) as error:
        raise OptionError(f"weights must be numbers; got {weights!r:.60}") from error
    if found.shape != (len(workers),):
        raise OptionError(
            f"weights must be one number a worker, {len(workers)}; got shape {found.shape}"
        )
    return tuple(found.tolist())


def moved(module: nn.Module, device: Any) -> nn.Module:
    """A copy of the module on a device.

    Raises:
        OptionError: there is no such device, or the module cannot go there.
    """
    check_module(module)
    try:
        where = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise OptionError(f"device={device!r}: {first(error)}") from error
    if where.type == "meta":
        raise OptionError("device='meta' holds no numbers; pass 'cpu' or 'cuda'")
    copied = pristine(module)
    try:
        with plainly():
            return copied.to(where)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise OptionError(f"device={device!r} cannot be used here: {first(error)}") from error
