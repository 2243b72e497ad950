"""Five lines for a newcomer: train a module over workers of which some lie, and certify it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from saddleproof.aggregators.base import Aggregator
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.nearest_neighbor_mixing import NearestNeighborMixing
from saddleproof.arrays import Vector
from saddleproof.attacks.base import Attack, Coalition
from saddleproof.certificate import Certificate
from saddleproof.certificate.certify import FULL_HESSIAN
from saddleproof.certificate.certify import certify as certify_point
from saddleproof.errors import OptionError
from saddleproof.fleets.base import Fleet
from saddleproof.fleets.local import LocalFleet
from saddleproof.minimize import minimize
from saddleproof.optimizers.base import Optimizer
from saddleproof.optimizers.certified_pgd import CertifiedPGD
from saddleproof.optimizers.gradient_descent import GradientDescent
from saddleproof.result import Progress, Result
from saddleproof.torch.momentum import WorkerMomentum
from saddleproof.torch.plateau import LossTest, Watch
from saddleproof.torch.problem import TorchProblem

Loss = Callable[[Any, Tensor], Tensor]
Callback = Callable[[Progress], bool | None]


@dataclass(frozen=True, repr=False)
class Fitted(Result):
    """A `Result` of `fit`.

    Attributes:
        tests: whether the loss fell, on all rows, every 25 rounds (`saddleproof.torch.plateau`);
            empty where `CertifiedPGD` or an optimizer of your own trained.
    """

    tests: tuple[LossTest, ...] = ()

    @property
    def inexactness_ratio(self) -> float:
        """Delta_hat / ||g_hat||, the median over the last quarter of the rounds.

        Above 1 the liars could have turned every aggregate around; beyond about 3 it cannot be
        told from zero, and more rounds at this batch size will not help. inf where the rule knows
        no inexactness.
        """
        last = self.trace[-max(len(self.trace) // 4, 1) :]
        ratios = [x.inexactness / x.gradient_norm if x.gradient_norm else np.inf for x in last]
        return float(np.median(ratios)) if ratios else np.inf

    def __repr__(self) -> str:
        ratio = f"Delta_hat / ||g_hat|| was {self.inexactness_ratio:.2g} in the last rounds"
        text = f"{super().__repr__()}\n{'inexactness':>12}: {ratio}"
        if not self.tests:
            return text
        last, change = self.tests[-1], self.tests[-1].change
        told = f"[{change.low:.2g}, {change.high:.2g}] from round {last.since} to {last.round}"
        return f"{text}\n{'loss':>12}: {'fell' if last.fell else 'not certain to fall'}, by {told}"


def fit(
    module: nn.Module,
    loss: Loss,
    shards: Sequence[Any],
    *,
    b: int,
    rounds: int = 250,
    lr: float = 0.25,
    batch_size: int | None = 32,
    momentum: float = 0.9,
    patience: int | None = None,
    aggregator: Aggregator | None = None,
    optimizer: Optimizer[Any] | None = None,
    attack: Attack | None = None,
    liars: Iterable[int] | None = None,
    seed: int | None = None,
    progress: bool = False,
    callback: Callback | None = None,
    certify: bool = True,
) -> tuple[nn.Module, Fitted]:
    """Train a module over workers of which up to b lie.

    Minibatches: momentum on the workers, nearest-neighbour mixing, trimmed mean, steps of a fixed
    length. No escapes: the sampling noise hides every saddle point from all tests, and leaves
    most of them by itself. Every 25 rounds one more, on all rows, tests whether the loss has
    certainly fallen. Full batches (`batch_size=None`) of a module with at most 256
    parameters: `CertifiedPGD` on the median, which leaves saddle points and has no use for
    `lr` and `momentum`; larger modules train as with minibatches.

    Args:
        module: any nn.Module; not changed.
        loss: (output, target) to one number, a mean over the rows.
        shards: one worker's rows each; see `TorchProblem`.
        b: the most Byzantine workers that you expect, counted, not a share.
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
        certify: certify the model on full batches in the end; see `certify` for what it costs.

    Returns:
        A trained copy of the module, and how it came about.

    Raises:
        BreakdownError: b is more than the rule or the optimizer can hold.
        OptionError: an argument that cannot work.
    """
    problem = TorchProblem(module, loss, shards, batch_size=batch_size, seed=seed)
    if patience is not None and patience < 1:
        raise OptionError(f"patience must be at least 1 round, or None; got {patience}")
    fleet: Fleet = LocalFleet(problem)
    start = _start(problem, np.dtype(np.float64))
    watched = optimizer is None
    if optimizer is None and batch_size is None and problem.d <= FULL_HESSIAN:
        optimizer, watched = CertifiedPGD(), False
        aggregator = Median() if aggregator is None else aggregator
    elif optimizer is None:
        optimizer, fleet = GradientDescent(step=lr), WorkerMomentum(fleet, momentum)
        # Sampling noise is far above the last place of a float32, and messages are half as long.
        start = _start(problem, _numpy_dtype(problem))
    aggregator = NearestNeighborMixing() if aggregator is None else aggregator
    members = tuple(range(b) if liars is None else liars)  # several coalitions need them

    def among_liars(honest: Fleet) -> Fleet:
        return honest if attack is None else Coalition(honest, attack, members)

    watch = None
    if watched:
        watch = Watch(among_liars(LocalFleet(problem)), aggregator, b, patience)
    with _bar(rounds, progress) as advance:
        found = minimize(
            among_liars(fleet),
            optimizer,
            aggregator=aggregator,
            b=b,
            w0=start,
            seed=seed,
            max_rounds=rounds,
            callback=_all(_shown(advance), watch, callback),
            certify=False,
        )
    result = Fitted(**{field.name: getattr(found, field.name) for field in fields(found)})
    if watch is not None:
        result = replace(result, tests=watch.tests)
        if watch.impatient and result.status == "stopped":
            why = f"the loss has not certainly fallen since round {watch.since}"
            result = replace(result, message=why)
    trained = problem.load(found.w)
    if certify and found.status not in ("interrupted", "too_few_workers", "diverged"):
        certificate = _certified(
            TorchProblem(_judged(trained), loss, problem.shards),
            b,
            aggregator=aggregator,
            attack=attack,
            liars=members,
            evidence=optimizer.evidence(found.state),
            round_id=found.rounds,
            excluded=tuple(found.excluded),
            seed=seed,
        )
        result = replace(result, certificate=certificate)
    return trained, result


def certify(
    module: nn.Module,
    loss: Loss,
    shards: Sequence[Any],
    *,
    b: int,
    aggregator: Aggregator | None = None,
    attack: Attack | None = None,
    liars: Iterable[int] | None = None,
    seed: int | None = None,
) -> Certificate:
    """Say how nearly a model that anybody trained is second-order stationary (Definition 1).

    On full batches, in float64, in eval mode: the model as it is used. Up to 256 parameters the
    whole Hessian is bracketed; beyond, negative curvature along a direction v can be proved
    (level "witness"), from one number per worker, with v fixed before its own products are asked
    for. That there is none is never proved there: the certificate says what Lanczos did not find.

    A module with ReLU has no second derivative at the kinks; the curvature is then an average
    over the step of the differences, kinks included, and each worker's asymmetry widens it.

    Args:
        module: any nn.Module; not changed.
        loss: (output, target) to one number, a mean over the rows.
        shards: one worker's rows each; see `TorchProblem`.
        b: the most Byzantine workers that you expect.
        aggregator: the rule of the gradient; `Median()` unless given.
        attack: for experiments, how the liars lie.
        liars: for experiments, who they are; the first b unless given.
        seed: for experiments; None draws the start of a Krylov space from fresh entropy.

    Returns:
        Certificate.

    Raises:
        BreakdownError: b is more than the rule can hold.
        OptionError: an argument that cannot work.

    Cost: 13 rounds of up to 9 gradients a worker; up to 256 parameters, one round of 2d + 1.
    """
    return _certified(
        TorchProblem(_judged(module), loss, shards),
        b,
        aggregator=Median() if aggregator is None else aggregator,
        attack=attack,
        liars=range(b) if liars is None else liars,
        seed=seed,
    )


def _certified(
    problem: TorchProblem,
    b: int,
    *,
    aggregator: Aggregator,
    attack: Attack | None,
    liars: Iterable[int],
    **options: Any,
) -> Certificate:
    fleet: Fleet = LocalFleet(problem)
    if attack is not None:
        fleet = Coalition(fleet, attack, liars)
    start = _start(problem, np.dtype(np.float64))
    return certify_point(fleet, start, aggregator, b, **options)


def _start(problem: TorchProblem, dtype: np.dtype[Any]) -> Vector:
    """The module's own parameters."""
    start: Vector = np.asarray(problem.start, dtype=dtype)
    return start


def _numpy_dtype(problem: TorchProblem) -> np.dtype[Any]:
    return np.dtype(str(problem.module_loss.layout.dtype).removeprefix("torch."))


def _judged(module: nn.Module) -> nn.Module:
    """As the model is used, and in numbers that differences can be taken of."""
    return copy.deepcopy(module).double().eval()


def _bar(rounds: int, shown: bool) -> AbstractContextManager[Any]:
    if not shown:
        return nullcontext()
    from rich.console import Console

    from saddleproof.report.progress import Steps

    return Steps(Console(stderr=True), "rounds", rounds, bounded=False)


def _shown(steps: Any) -> Callback:
    def after(progress: Progress) -> None:
        if steps is not None:
            steps.advance(f"||g_hat|| {progress.record.gradient_norm:.3g}")

    return after


def _all(*callbacks: Callback | None) -> Callback:
    """All of them after every round; one that returns True stops the run."""

    def after(progress: Progress) -> bool:
        told = [each(progress) for each in callbacks if each is not None]
        return any(told)

    return after
