"""The certificate of a model that anybody trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from saddleproof import arguments
from saddleproof.aggregators.base import Aggregator
from saddleproof.aggregators.median import Median
from saddleproof.attacks.base import Attack, Coalition
from saddleproof.certificate import Budget, Certificate
from saddleproof.certificate import certify as certify_point
from saddleproof.fleets.base import Fleet
from saddleproof.fleets.local import LocalFleet
from saddleproof.torch.asked import check_experiment
from saddleproof.torch.certifying import GRADIENTS
from saddleproof.torch.judging import arithmetic, judged
from saddleproof.torch.loss import LossFunction, Penalty
from saddleproof.torch.telling import steps


def certify(
    module: nn.Module,
    loss: LossFunction | None,
    shards: Sequence[Any],
    *,
    b: int,
    penalty: Penalty | None = None,
    aggregator: Aggregator | None = None,
    attack: Attack | None = None,
    liars: Iterable[int] | None = None,
    seed: arguments.Seed = None,
    budget: Budget | None = None,
    progress: bool = False,
) -> Certificate:
    """Say how nearly a model that anybody trained is second-order stationary (Definition 1).

    On all rows, in float64, in eval mode: the model as it is used, at any number of parameters.
    `sp.certify` says what is asked, `Certificate` what is claimed. A proof of a minimum needs
    enough rows a worker: the lower end is below the truth by the workers' own sampling noise.

    A module with ReLU has no second derivative at the kinks; its Hessian is that of the linear
    pieces around w.

    Args:
        module: any nn.Module; not changed.
        loss: (output, target) to one number, a mean over the rows; see `TorchProblem`.
        shards: one worker's rows each; see `TorchProblem`.
        b: the most Byzantine workers that you expect.
        penalty: the trainable parameters by name to one number, added to every worker's loss; see
            `TorchProblem`.
        aggregator: the rule of the gradient; `Median()` unless given.
        attack: for experiments, how the liars lie.
        liars: for experiments, who they are; the first b unless given.
        seed: for experiments; None lets every worker draw its start from fresh entropy.
        budget: what it may cost; see `saddleproof.certificate.Budget`.
        progress: show a bar on the terminal.

    Returns:
        Certificate.

    Raises:
        BreakdownError: b is more than the rule can hold.
        OptionError: an argument that cannot work.

    Cost: three rounds: at most 60 Hessian-vector products, which take as long as about 150
    gradients on all rows, and one gradient.
    """
    check_experiment(aggregator, attack, liars, budget, progress)
    problem = judged(module, loss, shards, penalty=penalty)
    b = arguments.liars(b, problem.m)
    seed = arguments.seed_of(seed)
    fleet: Fleet = LocalFleet(problem)
    if attack is not None:
        fleet = Coalition(fleet, attack, range(b) if liars is None else liars)
    budget = Budget() if budget is None else budget
    title = f"certifying, about {GRADIENTS * budget.products:.0f} gradients on all rows a worker"
    with steps(title, budget.products, shown=progress) as advance:
        found = certify_point(
            fleet,
            np.asarray(problem.start, dtype=np.float64),
            Median() if aggregator is None else aggregator,
            b,
            budget=budget,
            seed=seed,
            progress=None if advance is None else lambda *_: advance.advance(),
        )
    return replace(found, assumptions=(*found.assumptions, *arithmetic(problem)))
