"""Five lines for a newcomer: train a module over workers of which some lie, and certify it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from saddleproof import arguments
from saddleproof.aggregators.base import Aggregator
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.nearest_neighbor_mixing import NearestNeighborMixing
from saddleproof.arrays import Vector
from saddleproof.attacks.base import Attack, Coalition
from saddleproof.certificate import Budget, Certificate
from saddleproof.certificate import certify as certify_point
from saddleproof.checkpoint import Checkpoint
from saddleproof.errors import StoreError
from saddleproof.fleets.base import Fleet
from saddleproof.fleets.local import LocalFleet
from saddleproof.loop import minimize
from saddleproof.optimizers.base import Optimizer
from saddleproof.optimizers.certified import CertifiedPGD
from saddleproof.optimizers.plateaus import PlateauPGD
from saddleproof.result import Progress, Result
from saddleproof.torch.asked import check_experiment, check_training
from saddleproof.torch.certifying import GRADIENTS, certificate_of, worth_it
from saddleproof.torch.fitted import Fitted
from saddleproof.torch.judging import arithmetic, judge_of, judged
from saddleproof.torch.loss import Penalty
from saddleproof.torch.momentum import WorkerMomentum
from saddleproof.torch.problem import TorchProblem
from saddleproof.torch.telling import shown, steps

#: Largest number of parameters that the default of full batches trains.
SMALL = 256

Loss = Callable[[Any, Tensor], Tensor]
Callback = Callable[[Progress], bool | None]


def fit(
    module: nn.Module,
    loss: Loss,
    shards: Sequence[Any],
    *,
    b: int,
    penalty: Penalty | None = None,
    rounds: int = 250,
    lr: float = 0.25,
    batch_size: int | None = 32,
    momentum: float = 0.9,
    patience: int | None = None,
    aggregator: Aggregator | None = None,
    optimizer: Optimizer[Any] | None = None,
    attack: Attack | None = None,
    liars: Iterable[int] | None = None,
    seed: arguments.Seed = None,
    progress: bool = False,
    callback: Callback | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    checkpoint_every: int = 1,
    resume: bool = False,
    allow: Iterable[str] = (),
    certify: bool | None = None,
    budget: Budget | None = None,
) -> tuple[nn.Module, Fitted]:
    """Train a module over workers of which up to b lie.

    Minibatches: momentum on the workers, nearest-neighbour mixing, trimmed mean, steps of a fixed
    length. Every 25 rounds the workers say how their loss on all rows has changed; where it has not
    certainly fallen, they are asked for a way down, and a proved jump is taken
    (`saddleproof.optimizers.plateaus`). Full batches (`batch_size=None`) of a module with at most
    256 parameters: `CertifiedPGD` on the median, which has no use for `lr` and `momentum`; larger
    modules train as with minibatches.

    Args:
        module: any nn.Module; not changed.
        loss: (output, target) to one number, a mean over the rows.
        shards: one worker's rows each; see `TorchProblem`.
        b: the most Byzantine workers that you expect, counted, not a share.
        penalty: the trainable parameters by name to one number, added to every worker's loss; see
            `TorchProblem`.
        rounds: budget of parallel iterations.
        lr: length of a step over that of the aggregate; kept as given. With momentum, what
            PyTorch's SGD calls lr is (1 - momentum) times this.
        batch_size: rows that each worker draws in a round; None takes all.
        momentum: of each worker, in [0, 1); see `WorkerMomentum`.
        patience: stop once a test finds that the loss has not certainly fallen for so many
            rounds, with status "stopped"; None never.
        aggregator: the rule, in the place of the above.
        optimizer: an ask/tell optimizer, in the place of the above; lr and momentum are then its
            own business.
        attack: for experiments, how the liars lie.
        liars: for experiments, who they are; the first b unless given.
        seed: for experiments; None draws everything from fresh entropy.
        progress: show a bar on the terminal.
        callback: called after every round; returning True stops the run.
        checkpoint: file, or any `Checkpoint`, that holds the state after every
            `checkpoint_every` rounds, momenta included.
        checkpoint_every: rounds between two checkpoints.
        resume: go on from `checkpoint` when it holds a state; call with the module that the run
            was begun with, not with a trained one. With a seed, a run that was killed and resumed
            ends in the same bytes as one that was not; without, minibatches are drawn anew.
        allow: what may differ from the checkpoint's run, such as {"momentum"} or {"problem"}; see
            `saddleproof.minimize`.
        certify: certify the model on all rows in the end. None does so where that costs no more
            gradients than the training did, or next to nothing; `Fitted.message` says so otherwise.
        budget: what the certificate may cost; see `saddleproof.certificate.Budget`.

    Returns:
        A trained copy of the module, and how it came about.

    Raises:
        BreakdownError: b is more than the rule or the optimizer can hold.
        OptionError: an argument that cannot work.
        StoreError: see `saddleproof.minimize`. Where a state could not be written, `result` of the
            error is what would be returned, as far as the training came.
    """
    check_experiment(aggregator, attack, liars, budget, progress)
    check_training(optimizer, rounds, lr, momentum, patience, callback, certify)
    seed = arguments.seed_of(seed)  # once: a Generator gives one number
    problem = TorchProblem(module, loss, shards, penalty=penalty, batch_size=batch_size, seed=seed)
    b = arguments.liars(b, problem.m)
    # A model that cannot be judged says so now, and not when it has been trained.
    judge = None if certify is False else judge_of(problem)
    fleet: Fleet = LocalFleet(problem)
    start = _start(problem, np.dtype(np.float64))
    if optimizer is None and batch_size is None and problem.d <= SMALL:
        optimizer = CertifiedPGD()
        aggregator = Median() if aggregator is None else aggregator
    elif optimizer is None:
        optimizer = PlateauPGD(step=lr, patience=patience)
        fleet = WorkerMomentum(fleet, momentum)
        # Sampling noise is far above the last place of a float32, and messages are half as long.
        start = _start(problem, _numpy_dtype(problem))
    aggregator = NearestNeighborMixing() if aggregator is None else aggregator
    members = tuple(range(b) if liars is None else liars)  # several coalitions need them

    def among_liars(honest: Fleet) -> Fleet:
        return honest if attack is None else Coalition(honest, attack, members)

    try:
        with steps("rounds", rounds, shown=progress) as advance:
            found = minimize(
                among_liars(fleet),
                optimizer,
                aggregator=aggregator,
                b=b,
                w0=start,
                seed=seed,
                max_rounds=rounds,
                callback=shown(advance, callback),
                checkpoint=checkpoint,
                checkpoint_every=checkpoint_every,
                resume=resume,
                allow=allow,
                certify=False,
            )
    except StoreError as error:
        if error.result is not None:  # a state could not be written; the model so far is not lost
            error.result = problem.load(error.result.w), Fitted(**_values(error.result))
        raise
    values, trained = _values(found), problem.load(found.w)
    if judge and found.status.certifiable:
        budget = Budget() if budget is None else budget
        dear = "" if certify else worth_it(problem, found.trace, budget)
        if dear:
            values["message"] += f"; {dear}"
        else:
            values |= certificate_of(
                among_liars(LocalFleet(judge)),
                judge.array_of(trained),
                aggregator,
                b,
                found,
                optimizer.evidence(found.state),
                budget,
                seed=seed,
                progress=progress,
                assumptions=arithmetic(judge),
            )
    return trained, Fitted(**values)


def certify(
    module: nn.Module,
    loss: Loss,
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
        loss: (output, target) to one number, a mean over the rows.
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
            _start(problem, np.dtype(np.float64)),
            Median() if aggregator is None else aggregator,
            b,
            budget=budget,
            seed=seed,
            progress=None if advance is None else lambda *_: advance.advance(),
        )
    return replace(found, assumptions=(*found.assumptions, *arithmetic(problem)))


def _values(found: Result) -> dict[str, Any]:
    """The attributes of a `Fitted`, from the loop's result."""
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    return values | {"tests": getattr(found.state, "tests", ())}


def _start(problem: TorchProblem, dtype: np.dtype[Any]) -> Vector:
    """The module's own parameters."""
    start: Vector = np.asarray(problem.start, dtype=dtype)
    return start


def _numpy_dtype(problem: TorchProblem) -> np.dtype[Any]:
    return np.dtype(str(problem.module_loss.layout.dtype).removeprefix("torch."))
