"""What `fit` and `certify` ask of their arguments, before a module is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from saddleproof import arguments
from saddleproof.certificate import Budget
from saddleproof.errors import OptionError


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


def check_training(
    optimizer: Any, rounds: Any, lr: Any, momentum: Any, patience: Any, callback: Any, certify: Any
) -> None:
    """Refuse an option of the training that cannot work.

    Raises:
        OptionError: names it.
    """
    if optimizer is not None:
        arguments.optimizer("optimizer", optimizer)
    arguments.whole("rounds", rounds)
    arguments.real("lr", lr, above=0)
    if not 0 <= arguments.real("momentum", momentum) < 1:
        raise OptionError(f"momentum must be in [0, 1); got {momentum}")
    if patience is not None:
        arguments.whole("patience", patience, least=1)
    arguments.callback("callback", callback)
    if certify is not None:
        arguments.flag("certify", certify)
