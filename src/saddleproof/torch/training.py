"""Five lines for a newcomer: train a module over workers of which some lie, and certify it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from torch import nn

from saddleproof import arguments
from saddleproof.aggregators.base import Aggregator
from saddleproof.attacks.base import Attack, Coalition
from saddleproof.certificate import Budget
from saddleproof.checkpoint import Checkpoint
from saddleproof.errors import StoreError
from saddleproof.fleets.base import Fleet
from saddleproof.fleets.local import LocalFleet
from saddleproof.loop import minimize
from saddleproof.optimizers.base import Optimizer
from saddleproof.result import Progress, Result
from saddleproof.torch.asked import check_evaluation, check_experiment, check_training
from saddleproof.torch.certifying import certificate_of, worth_it
from saddleproof.torch.curves import History, bracketed
from saddleproof.torch.evaluation import Evaluation, Metric
from saddleproof.torch.fitted import Fitted
from saddleproof.torch.judging import arithmetic, judge_of
from saddleproof.torch.loss import LossFunction, Penalty
from saddleproof.torch.optim import Factory
from saddleproof.torch.plan import FitPlan, Options, Weights, moved
from saddleproof.torch.promises import ALIKE, restated
from saddleproof.torch.sampling import Sample
from saddleproof.torch.server_steps import ServerStep
from saddleproof.torch.telling import Telling, steps
from saddleproof.torch.trainer import Schedule
from saddleproof.torch.watched import Watched

_log = logging.getLogger(__name__)

Callback = Callable[[Progress], bool | None]


def fit(
    module: nn.Module,
    loss: LossFunction | None,
    shards: Sequence[Any] | Mapping[str, Any],
    *,
    b: int,
    # what is trained
    penalty: Penalty | None = None,
    batch_size: int | None = 32,
    device: Any = None,
    # the steps
    rounds: int = 250,
    lr: float | None = None,
    schedule: Schedule | None = None,
    optimizer: Optimizer[Any] | ServerStep | Factory | None = None,
    patience: int | None = None,
    # the workers
    aggregator: Aggregator | None = None,
    momentum: float | None = None,
    local_steps: int = 1,
    local_lr: float | None = None,
    sample: int | Sample | None = None,
    weights: Weights | None = None,
    # what is seen of it
    evaluate: Any = None,
    metrics: Mapping[str, Metric] | None = None,
    evaluate_every: int = 25,
    progress: bool = False,
    callback: Callback | None = None,
    # what is kept of it
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    checkpoint_every: int = 1,
    resume: bool = False,
    allow: Iterable[str] = (),
    # its end
    certify: bool | None = None,
    budget: Budget | None = None,
    # experiments
    attack: Attack | None = None,
    liars: Iterable[int] | None = None,
    seed: arguments.Seed = None,
) -> tuple[nn.Module, Fitted]:
    """Train a module over workers of which up to b lie.

    Minibatches: momentum on the workers, nearest-neighbour mixing, trimmed mean, steps of a fixed
    length. Every 25 steps the workers say how their loss on all rows has changed; where it has not
    certainly fallen, they are asked for a way down, and a proved jump is taken
    (`saddleproof.optimizers.plateaus`). Full batches (`batch_size=None`) of a module with at most
    256 parameters and no schedule, optimizer, local steps, sample or weights: `CertifiedPGD` on the
    median, which has no use for `lr`, `momentum` and `patience`; all others train as with
    minibatches.

    Args:
        module: any nn.Module; not changed.
        loss: (output, target) to one number, a mean over the rows; None for the loss that the
            module returns, where rows are dicts.
        shards: one worker's rows each; see `TorchProblem`.
        b: the most Byzantine workers that you expect, counted, not a share.
        penalty: the trainable parameters by name to one number, added to every worker's loss; see
            `TorchProblem`.
        batch_size: rows that each worker draws in a round; None takes all.
        device: where the module, its copy that is trained, and all rows go; None where it is.
        rounds: budget of parallel iterations, those of tests and jumps included.
        lr: length of a step over that of the aggregate; .25, or the `rate` of a server's step,
            unless given. With momentum, what PyTorch's SGD calls lr is (1 - momentum) times this.
        schedule: the learning rate of gradient step k = 0, 1, ..., in the place of `lr`: a function
            of k, or at least `rounds` numbers. Tests and jumps are no steps.
        optimizer: what is done with the aggregates: a server's step such as `ServerAdam()`; a
            function of the parameters to an optimizer of PyTorch's, or to (optimizer, scheduler),
            which brings its own lr; or an ask/tell optimizer in the place of all of it.
        patience: stop once a test finds that the loss has not certainly fallen for so many
            steps, with status "stopped"; None never.
        aggregator: the rule, in the place of the above.
        momentum: of each worker, in [0, 1); .9, or 0 with `sample`, unless given. See
            `WorkerMomentum`.
        local_steps: SGD steps of every worker in a round (`saddleproof.torch.local_steps`).
        local_lr: learning rate of these; lr / local_steps, which averages models, unless given.
        sample: workers that a round of gradients asks, a number or a `Sample`; None for all.
        weights: "rows", or one positive number a worker, in order or by name: how much its messages
            count, capped for the b liars (`saddleproof.aggregators.by_shares`). None: all alike.
        evaluate: a test set in the form of one worker's rows; `Fitted.history` has its curves.
        metrics: name to function of (output, target), one number; None for the loss, without the
            penalty, and the accuracy where targets are class numbers.
        evaluate_every: rounds from one evaluation to the next; the start and the end have theirs.
        progress: show a bar on the terminal, with the time left. The log `saddleproof.torch` has
            the same without it.
        callback: called after every round; returning True stops the run.
        checkpoint: file, or any `Checkpoint`, that holds the state after every
            `checkpoint_every` rounds: momenta, the memory of the server's step and curves included.
        checkpoint_every: rounds between two checkpoints.
        resume: go on from `checkpoint` when it holds a state; call with the module that the run
            was begun with, not with a trained one. With a seed, a run that was killed and resumed
            ends in the same bytes as one that was not; without, minibatches are drawn anew.
        allow: what may differ from the checkpoint's run, such as {"momentum"} or {"problem"}; see
            `saddleproof.minimize`.
        certify: certify the model on all rows in the end. None does so where that costs no more
            gradients than the training did, or next to nothing; `Fitted.message` says so otherwise.
        budget: what the certificate may cost; see `saddleproof.certificate.Budget`.
        attack: for experiments, how the liars lie.
        liars: for experiments, who they are; the first b unless given.
        seed: for experiments; None draws everything from fresh entropy.

    Returns:
        A trained copy of the module, and how it came about. `Fitted.guarantee` says what the
        options change in what is promised.

    Raises:
        BreakdownError: b is more than the rule, the optimizer or the sample can hold.
        OptionError: an argument that cannot work.
        StoreError: see `saddleproof.minimize`. Where a state could not be written, `result` of the
            error is what would be returned, as far as the training came.
    """
    check_experiment(aggregator, attack, liars, budget, progress)
    check_training(rounds, momentum, patience, callback, certify)
    check_evaluation(evaluate, metrics, evaluate_every)
    how = Options(
        rounds=rounds, lr=lr, schedule=schedule, optimizer=optimizer, patience=patience,
        momentum=momentum, local_steps=local_steps, local_lr=local_lr, sample=sample,
        weights=weights,
    )  # fmt: skip
    seed = arguments.seed_of(seed)  # once: a Generator gives one number
    module = module if device is None else moved(module, device)
    problem = how.problem(module, loss, shards, penalty=penalty, batch_size=batch_size, seed=seed)
    b = arguments.liars(b, problem.m)
    # A model that cannot be judged says so now, and not when it has been trained.
    judge = None if certify is False else judge_of(problem)
    evaluation = None if evaluate is None else Evaluation(problem, evaluate, metrics)
    plan = how.plan(problem, aggregator, b)
    members = tuple(range(b) if liars is None else liars)  # several coalitions need them

    def among_liars(honest: Fleet) -> Fleet:
        return honest if attack is None else Coalition(honest, attack, members)

    watched = Watched(among_liars(plan.fleet), evaluation, evaluate_every)
    _log.info(
        "training %d parameters over %d workers, b=%d, %d rounds", problem.d, problem.m, b, rounds
    )
    try:
        with steps("rounds", rounds, shown=progress) as bar:
            found = minimize(
                watched,
                plan.optimizer,
                aggregator=plan.aggregator,
                b=b,
                w0=plan.start,
                seed=seed,
                max_rounds=rounds,
                callback=Telling(bar, rounds, lambda: watched.last, callback),
                checkpoint=checkpoint,
                checkpoint_every=checkpoint_every,
                resume=resume,
                allow=allow,
                certify=False,
            )
    except StoreError as error:
        if error.result is not None:  # a state could not be written; the model so far is not lost
            told = _told(error.result, how, plan, watched, b)
            error.result = problem.load(error.result.w), Fitted(**told)
        raise
    values, trained = _told(found, how, plan, watched, b), problem.load(found.w)
    if judge and found.status.certifiable:
        budget = Budget() if budget is None else budget
        dear = "" if certify else worth_it(problem, found.trace, budget)
        if dear:
            values["message"] += f"; {dear}"
        else:
            values |= certificate_of(
                among_liars(LocalFleet(judge)),
                judge.array_of(trained),
                plan.rule,
                b,
                found,
                plan.optimizer.evidence(found.state),
                budget,
                seed=seed,
                progress=progress,
                assumptions=(*arithmetic(judge), *(() if weights is None else (ALIKE,))),
            )
    fitted = Fitted(**values)
    _log.info("%s after %d rounds: %s", fitted.status, fitted.rounds, fitted.message)
    for sentence in fitted.guarantee:
        _log.info("guarantee: %s", sentence)
    return trained, fitted


def _told(found: Result, how: Options, plan: FitPlan, watched: Watched, b: int) -> dict[str, Any]:
    """The attributes of a `Fitted`, from the loop's result."""
    watched.look(found.w, found.rounds)
    tests = getattr(found.state, "tests", ())
    rounds, metrics = watched.curves()
    return {field.name: getattr(found, field.name) for field in fields(found)} | {
        "tests": tests,
        "history": History(rounds, metrics, *bracketed(tests, found.trace)),
        "guarantee": restated(
            server=plan.server,
            local_steps=how.local_steps,
            sample=how.sampled,
            weighed=how.weights is not None,
            m=len(watched.workers),
            b=b,
            rounds=sum(record.question == "Gradients" for record in found.trace),
        ),
    }
