"""Flower's own link state in memory, whose nodes answer as soon as they are asked."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.fleets.deadline import Deadline

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Flower's own imports warn of is not ours
    pytest.importorskip("flwr")
    from flwr.app import Array, Context, Message, RecordDict
    from flwr.common.constant import SUPERLINK_NODE_ID
    from flwr.proto.task_pb2 import Task
    from flwr.server.superlink.linkstate import LinkStateFactory
    from flwr.server.superlink.linkstate.in_memory_linkstate import RunRecord
    from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME, NOOP_FEDERATION_ID
    from flwr.supercore.object_store import ObjectStoreFactory
    from flwr.supercore.run import Run
    from flwr.supercore.task_identity import TaskIdentity
    from flwr.superlink.federation import NoOpFederationManager
    from flwr.superlink.grid import InMemoryGrid

from saddleproof.fleets.flower import FlowerFleet

POINTS = np.arange(8.0).reshape(2, 4)
QUICK = Deadline(grace=0.1, slack=0.0, limit=0.4)


class Federation(InMemoryGrid):
    """Flower's link state; every node answers by its own function as soon as it is asked."""

    def __init__(self) -> None:
        factory = LinkStateFactory(
            FLWR_IN_MEMORY_DB_NAME, NoOpFederationManager(), ObjectStoreFactory()
        )
        super().__init__(factory)
        run = Run.create_empty(run_id=7)
        run.primary_task_id, run.federation_id = 1, NOOP_FEDERATION_ID
        TaskIdentity.task_id, TaskIdentity.run_id = 1, 7
        TaskIdentity.node_id = SUPERLINK_NODE_ID
        self.state.run_ids[7] = RunRecord(run=run)
        self.state.task_store[1] = Task(task_id=1, run_id=7)
        self.set_run(run)
        self.acts: dict[int, Callable[[Message], Message | None]] = {}

    def join(self, act: Callable[[Message], Message | None]) -> int:
        node = self.state.create_node("", "", secrets.token_bytes(32), heartbeat_interval=1e6)
        self.state.acknowledge_node_heartbeat(node_id=node, heartbeat_interval=1e6)
        self.acts[node] = act
        return node

    def push_messages(self, messages: Any) -> Any:
        pushed = super().push_messages(messages)
        for node, act in self.acts.items():
            for message in self.state.get_message_ins(node, limit=None):
                reply = act(message)
                if reply is not None:
                    reply.metadata.__dict__["_message_id"] = str(uuid4())
                    self.state.store_message_res(reply)
        return pushed


def node(app: Any, partition: int, **config: Any) -> Callable[[Message], Message]:
    """A node that runs the client app."""

    def act(message: Message) -> Message:
        told = {"partition-id": partition, **config}
        return app(message, Context(7, message.metadata.dst_node_id, told, RecordDict(), {}))

    return act


def answers(fleet: FlowerFleet, round_id: int = 0) -> sp.fleets.Messages:
    with closing(fleet):
        return fleet.round(POINTS, round_id=round_id)


def raw(shape: tuple[int, ...], data: bytes, dtype: str = "float64") -> Array:
    return Array(dtype, shape, "saddleproof.raw", data)
