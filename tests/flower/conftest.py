"""A federation of nine clients that train a small model, and one round of it by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flwr")  # the rest of what is here needs the extra


from flower_grid import Federation, node
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

CLIENTS = 9
UPDATES = np.random.default_rng(0).standard_normal((CLIENTS, 3)).astype(np.float32)
MODEL = {"w": np.array([[1.0, 2.0]], np.float32), "b": np.zeros(1, np.float32)}


def honest(message: Message, context: Context) -> Message:
    """Add this client's update to the model."""
    model = {name: array.numpy() for name, array in message.content["arrays"].items()}
    own = UPDATES[context.node_config["partition-id"]]
    return answer(message, {"w": model["w"] + own[None, :2], "b": model["b"] + own[2:]})


def answer(message: Message, arrays: Any, **metrics: Any) -> Message:
    """A reply with these arrays, and metrics beside 10 examples and a loss of 0.5."""
    if not isinstance(arrays, ArrayRecord):
        arrays = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    said = {"num-examples": 10, "loss": 0.5} | metrics
    records = {"arrays": arrays, "metrics": MetricRecord(said)}
    return Message(RecordDict(records), reply_to=message)


@pytest.fixture
def federation() -> Federation:
    """Nine honest clients; `federation.acts` says what each does."""
    app = ClientApp()
    app.train()(honest)
    found = Federation()
    for i in range(CLIENTS):
        found.join(node(app, i))
    return found


@pytest.fixture
def reply() -> Callable[..., Message]:
    return answer


@pytest.fixture
def updates() -> np.ndarray:
    """(9, 3): what each honest client adds, in the order in which they joined."""
    return UPDATES


@pytest.fixture
def round_of() -> Callable[..., Any]:
    """round_of(strategy, federation): one round of training, without Flower's waits."""

    def run(strategy: Any, federation: Federation, number: int = 1) -> Any:
        arrays = ArrayRecord({name: Array(array) for name, array in MODEL.items()})
        asked = list(strategy.configure_train(number, arrays, ConfigRecord(), federation))
        ids = list(federation.push_messages(asked))
        replies = list(federation.pull_messages(ids))
        found, metrics = strategy.aggregate_train(number, replies)
        if found is None:
            return None, metrics
        model = {name: array.numpy() for name, array in found.items()}
        moved = [(model[name] - MODEL[name]).ravel() for name in ("w", "b")]
        return np.concatenate(moved), metrics

    return run
