"""Flower: a robust rule in the place of FedAvg's mean, with a certificate at the end.

    strategy = RobustStrategy(b=3)                          # for FedAvg(), Message API
    strategy = legacy.RobustStrategy(b=3)                   # for flwr.server.strategy.FedAvg()
    answer_questions(app, Net(), cross_entropy, load_data)  # the client's side of a certificate

Names are loaded when they are first used, so that this package can be named without Flower. What
runs our own optimizers over Flower's nodes is in `saddleproof.fleets.flower`, and found here too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from saddleproof.errors import MissingExtraError

if TYPE_CHECKING:
    from saddleproof.fleets.flower.apps import client_app, server_app
    from saddleproof.fleets.flower.fleet import FlowerFleet
    from saddleproof.fleets.flower.keys import new_key
    from saddleproof.flower.client import answer_questions, questions_mod
    from saddleproof.flower.rounds import RoundReport
    from saddleproof.flower.strategy import RobustStrategy

__all__ = [
    "FlowerFleet",
    "RobustStrategy",
    "RoundReport",
    "answer_questions",
    "client_app",
    "new_key",
    "questions_mod",
    "server_app",
]

_HOMES = {
    "FlowerFleet": "saddleproof.fleets.flower.fleet",
    "RobustStrategy": "saddleproof.flower.strategy",
    "RoundReport": "saddleproof.flower.rounds",
    "answer_questions": "saddleproof.flower.client",
    "client_app": "saddleproof.fleets.flower.apps",
    "new_key": "saddleproof.fleets.flower.keys",
    "questions_mod": "saddleproof.flower.client",
    "server_app": "saddleproof.fleets.flower.apps",
}
_EXTRAS = {"flwr": ("Flower", "flower"), "torch": ("torch", "torch")}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = importlib.import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        raise MissingExtraError(*_EXTRAS[error.name]) from error
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
