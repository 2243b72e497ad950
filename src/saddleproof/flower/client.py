"""The client's side of a certificate: an nn.Module and its rows answer the server's questions."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torch import nn

from saddleproof.errors import FleetError
from saddleproof.fleets.flower.apps import answered
from saddleproof.fleets.flower.envelope import Ballot
from saddleproof.fleets.worker import Worker
from saddleproof.torch.layout import Layout
from saddleproof.torch.problem import TorchProblem

Loss = Callable[[Any, Any], Any]
#: Nodes of one process whose rows are kept between the questions of a session; a deployment starts
#: a process for each message, a simulation has few for all nodes.
_PREPARED = 16


def answer_questions(
    app: Any, module: nn.Module, loss: Loss, load_data: Callable[[Any], Any]
) -> Any:
    """Let a ClientApp answer questions about a module's loss on its own rows.

    Args:
        app: a flwr.clientapp.ClientApp of the Message API; it gets an `@app.query()`.
        module: as the app trains it; its values do not count, it is copied and put in eval mode.
        loss: (output, target) to one number, a mean over the rows.
        load_data: `load_data(context)` to the client's rows: a DataLoader, a Dataset or a tuple
            (inputs..., target), see `saddleproof.torch.TorchProblem`.

    Returns:
        The app.

    A client refuses, and says why in its log, where the server's arrays are not its module's
    trainable parameters: a module with floating-point buffers (BatchNorm), frozen or tied ones.
    """
    app.query()(_answers(module, loss, load_data))
    return app


def questions_mod(module: nn.Module, loss: Loss, load_data: Callable[[Any], Any]) -> Any:
    """The same as a Flower mod, for an app of the older kind: ClientApp(client_fn, mods=[...]).

    Args:
        module: see `answer_questions`.
        loss: see there.
        load_data: see there.

    Returns:
        A mod: questions are answered here, all other messages go on to the app.
    """
    answer = _answers(module, loss, load_data)

    def mod(message: Any, context: Any, call_next: Callable[[Any, Any], Any]) -> Any:
        if message.metadata.message_type == "query" and "question" in message.content:
            return answer(message, context)
        return call_next(message, context)

    return mod


def _answers(
    module: nn.Module, loss: Loss, load_data: Callable[[Any], Any]
) -> Callable[[Any, Any], Any]:
    prepared: OrderedDict[tuple[bytes, int], Worker] = OrderedDict()

    def answer(message: Any, context: Any) -> Any:
        def worker(ballot: Ballot) -> Worker:
            key = (ballot.session, context.node_id)
            if key not in prepared:
                check_layout(Layout.of(module), ballot.about)
                still = copy.deepcopy(module).eval()
                problem = TorchProblem(still, loss, [load_data(context)])
                prepared[key] = Worker(problem.judge, problem.shards[0])
            while len(prepared) > _PREPARED:
                prepared.popitem(last=False)
            return prepared[key]

        return answered(message, context, worker)

    return answer


def check_layout(layout: Layout, told: str) -> None:
    """Refuse a vector that does not mean the module's parameters in their order.

    Args:
        layout: the module's.
        told: `ModelLayout.told` of the server's model; "" where it says nothing.

    Raises:
        FleetError: names or shapes differ. Arrays that came to Flower without names are numbered,
            and are compared by shape alone.
    """
    if not told:
        return
    theirs = [(str(name), tuple(shape)) for name, shape in json.loads(told)]
    ours = list(zip(layout.names, layout.shapes, strict=True))
    if all(name.isdigit() for name, _ in theirs):
        ours = [(str(k), shape) for k, (_, shape) in enumerate(ours)]
        theirs = [(str(k), shape) for k, (_, shape) in enumerate(theirs)]
    if theirs == ours:
        return
    differ = [(one, other) for one, other in zip(theirs, ours, strict=False) if one != other]
    where = f"{differ[0][0]} there, {differ[0][1]} here" if differ else ""
    raise FleetError(
        f"the server's model holds {len(theirs)} floating-point arrays, and this client's module "
        f"trains {len(ours)} parameters{': ' * bool(where)}{where}. A certificate is about "
        "parameters alone: no floating-point buffers (take GroupNorm for BatchNorm), none that are "
        "frozen or tied, in the module's own order"
    )
