"""PyTorch: any nn.Module, trained over workers that may lie, with a certificate at the end.

    model, result = sp.torch.fit(model, loss, shards, b=6)          # train
    print(sp.torch.certify(model, loss, shards, b=6))               # judge what others trained
    state = sp.torch.aggregate(sp.Median(), state_dicts, b=6)       # inside a loop of your own

Names are loaded when they are first used, so that this package can be named without PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from saddleproof.errors import MissingExtraError

if TYPE_CHECKING:
    from saddleproof.torch.certified import certify
    from saddleproof.torch.convert import convert
    from saddleproof.torch.curves import History
    from saddleproof.torch.ddp import ddp_hook
    from saddleproof.torch.fitted import Fitted
    from saddleproof.torch.momentum import WorkerMomentum
    from saddleproof.torch.problem import TorchProblem
    from saddleproof.torch.sampling import Sample
    from saddleproof.torch.server_steps import ServerAdam, ServerMomentum, ServerYogi
    from saddleproof.torch.training import fit
    from saddleproof.torch.trees import aggregate

__all__ = [
    "Fitted",
    "History",
    "Sample",
    "ServerAdam",
    "ServerMomentum",
    "ServerYogi",
    "TorchProblem",
    "WorkerMomentum",
    "aggregate",
    "certify",
    "convert",
    "ddp_hook",
    "fit",
]

_HOMES = {
    "Fitted": "fitted",
    "History": "curves",
    "Sample": "sampling",
    "ServerAdam": "server_steps",
    "ServerMomentum": "server_steps",
    "ServerYogi": "server_steps",
    "TorchProblem": "problem",
    "WorkerMomentum": "momentum",
    "aggregate": "trees",
    "certify": "certified",
    "convert": "convert",
    "ddp_hook": "ddp",
    "fit": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("torch", "torch") from error
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
