"""The two apps of a Flower project, each in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.flower import envelope
from saddleproof.fleets.flower.fleet import FlowerFleet, roster
from saddleproof.fleets.worker import Worker


def server_app(
    train: Callable[[FlowerFleet, Any], object],
    *,
    workers: int | Mapping[str, str],
    insecure: bool = False,
    deadline: Deadline | None = None,
) -> Any:
    """A Flower ServerApp that calls `train(fleet, context)` once.

    Args:
        train: yours; it calls `saddleproof.minimize(fleet, ...)` and keeps the result. Give it a
            checkpoint: Flower does not resume a run by itself.
        workers: the roster, worker to public key; see `FlowerFleet`.
        insecure: a simulation may do with a number of workers; see `FlowerFleet`.
        deadline: how long a round waits; see `FlowerFleet`.

    Returns:
        flwr.serverapp.ServerApp.

    Raises:
        OptionError: no keys and not `insecure`, or something is no key.
        MissingExtraError: Flower is not installed.

    The keys say who voted. Start the SuperLink with --enable-supernode-auth as well: without it
    anybody may register nodes, which do not vote but are asked, and take up Flower's time.
    """
    envelope.flwr_app()
    from flwr.serverapp import Grid, ServerApp

    roster(workers, insecure=insecure)  # a roster that cannot work is refused here and now
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: object) -> None:
        fleet = FlowerFleet(grid, workers, insecure=insecure, deadline=deadline)
        with closing(fleet):
            train(fleet, context)

    return app


def client_app(loss: object, load_data: Callable[[Any], Any]) -> Any:
    """A Flower ClientApp that answers questions about `loss` over its own data.

    Args:
        loss: `gradient(points, data)`, (q, d) to (q, d), and `value(w, data)`; a
            `product(w, v, data)` where it has one, see `saddleproof.fleets.worker.Worker`.
        load_data: `load_data(context)` to the worker's shard. It is called for every message,
            each of which is a new process in a deployment.

    Returns:
        flwr.clientapp.ClientApp.

    Raises:
        MissingExtraError: Flower is not installed.

    The node configuration says who the worker is: `name`, or else worker-N by its `partition-id`;
    and `key-file`, the private key that `new_key` made, with which it signs its answers.
    """
    envelope.flwr_app()
    from flwr.clientapp import ClientApp

    app = ClientApp()

    @app.query()
    def answer(message: object, context: object) -> Any:
        return answered(message, context, lambda _: Worker(loss, load_data(context)))

    return app


def answered(message: Any, context: Any, worker: Callable[[envelope.Ballot], Worker]) -> Any:
    """A client's reply to a question.

    Args:
        message: Flower's, of a `FlowerFleet`.
        context: Flower's; see `client_app` for what its node configuration says.
        worker: who answers the ballot.

    Returns:
        flwr.app.Message.

    Raises:
        FleetError: the message holds no question.
    """
    ballot = envelope.asked(message.content)
    node_config = context.node_config
    content = envelope.reply(
        ballot,
        worker(ballot).vote(ballot.question, losses=ballot.losses),
        name=str(node_config.get("name", f"worker-{node_config.get('partition-id')}")),
        node=context.node_id,
        key=node_config.get("key-file"),
    )
    return envelope.flwr_app().Message(content, reply_to=message)
