"""What `fit` and `certify` ask of their arguments, before a module is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from saddleproof import arguments
from saddleproof.certificate import Budget
from saddleproof.errors import OptionError
from saddleproof.torch.evaluation import check_metrics
from saddleproof.torch.sampling import Sample
from saddleproof.torch.server_steps import ServerStep
from saddleproof.torch.trainer import check_schedule

#: What `optimizer=` may be.
NONE, STEP, FACTORY, ASKS = "none", "step", "factory", "asks"


def check_experiment(
    aggregator: Any, attack: Any, liars: Iterable[int | str] | None, budget: Any, progress: Any
) -> None:
    """Refuse a rule, an attack, liars or a budget that cannot work.

    Raises:
        OptionError: one of them is no member of its family; liars without an attack.
    """
    if aggregator is not None:
        arguments.aggregator("aggregator", aggregator)
    if attack is not None:
        arguments.attack("attack", attack)
    elif liars is not None:
        raise OptionError(
            "liars tell the truth without an attack; got liars and attack=None. "
            "Pass attack=, such as SignFlip(), or leave liars out"
        )
    if not isinstance(budget, Budget | None):
        raise OptionError(f"budget must be a Budget(products=...), or None; got {budget!r}")
    arguments.flag("progress", progress)


def check_training(rounds: Any, momentum: Any, patience: Any, callback: Any, certify: Any) -> None:
    """Refuse an option of the training that cannot work.

    Raises:
        OptionError: names it.
    """
    arguments.whole("rounds", rounds)
    if momentum is not None and not 0 <= arguments.real("momentum", momentum) < 1:
        raise OptionError(f"momentum must be in [0, 1); got {momentum}")
    if patience is not None:
        arguments.whole("patience", patience, least=1)
    arguments.callback("callback", callback)
    if certify is not None:
        arguments.flag("certify", certify)


def check_evaluation(evaluate: Any, metrics: Any, every: Any) -> None:
    """Refuse metrics without a test set, and what is no metric.

    Raises:
        OptionError: names it.
    """
    check_metrics(metrics)
    arguments.whole("evaluate_every", every, least=1)
    if metrics is not None and evaluate is None:
        raise OptionError("metrics are of a test set; pass evaluate=(inputs, target) beside them")


def kind_of(optimizer: Any) -> str:
    """What `optimizer=` is: nothing, a server's step, a factory, or one that asks and is told.

    Raises:
        OptionError: none of these; an optimizer of PyTorch's itself is told how to make a factory.
    """
    if optimizer is None:
        return NONE
    if not isinstance(optimizer, type) and hasattr(optimizer, "ask"):
        arguments.optimizer("optimizer", optimizer)
        return ASKS
    if not isinstance(optimizer, type) and isinstance(optimizer, ServerStep):
        return STEP
    kind = optimizer if isinstance(optimizer, type) else type(optimizer)
    if issubclass(kind, torch.optim.Optimizer):
        raise OptionError(
            f"optimizer must be a function of the parameters, which are the server's; got the "
            f"{'class' if kind is optimizer else 'optimizer'} {kind.__name__}. Write optimizer="
            f"lambda parameters: torch.optim.{kind.__name__}(parameters, lr=...)"
        )
    if callable(optimizer) and not isinstance(optimizer, type):
        return FACTORY
    arguments.optimizer("optimizer", optimizer)
    return ASKS


def check_rates(lr: Any, schedule: Any, local_lr: Any, rounds: int) -> None:
    """Refuse learning rates that cannot work.

    Raises:
        OptionError: names them; two of them for the same steps.
    """
    if lr is not None:
        arguments.real("lr", lr, above=0)
    if local_lr is not None:
        arguments.real("local_lr", local_lr, above=0)
    if schedule is not None:
        check_schedule(schedule, rounds)
    if lr is not None and schedule is not None:
        raise OptionError("schedule gives the learning rate of every step; leave lr out")


def check_local(kind: str, local_steps: Any, local_lr: Any, schedule: Any) -> None:
    """Refuse local steps without a learning rate, and a learning rate without local steps.

    Raises:
        OptionError: says what to pass.
    """
    arguments.whole("local_steps", local_steps, least=1)
    if local_steps == 1 and local_lr is not None:
        raise OptionError("local_lr is for local_steps above 1; got local_steps=1")
    if local_steps > 1 and local_lr is None and (kind in (STEP, FACTORY) or schedule is not None):
        raise OptionError(
            "local_steps with an optimizer or a schedule of the server's needs local_lr, the "
            "learning rate of the workers' own steps"
        )


def check_sample(sample: Any) -> None:
    """Refuse what is no number of workers and no `Sample`.

    Raises:
        OptionError: says what is needed.
    """
    if sample is not None and not isinstance(sample, Sample):
        arguments.whole("sample", sample, least=1)


def check_alone(kind: str, optimizer: Any, given: dict[str, Any]) -> None:
    """Refuse options that have no effect beside an optimizer.

    Args:
        kind: of the optimizer.
        optimizer: what was given.
        given: option to value, None where it was not given.

    Raises:
        OptionError: names the first of them.
    """
    for name, value in given.items():
        if value is None:
            continue
        if kind == FACTORY and name in ("lr", "schedule"):
            raise OptionError(
                f"{name} has no effect beside an optimizer of PyTorch's, which brings its own: "
                "optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-3), or "
                "(optimizer, scheduler)"
            )
        if kind == ASKS:
            raise OptionError(
                f"{name} is for the training of fit itself, and {type(optimizer).__name__} asks "
                f"its own questions; leave {name} out, or optimizer="
            )
