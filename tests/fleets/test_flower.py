"""Flower's own link state and messages, with nodes that are honest, broken, forging or hostile."""

from __future__ import annotations

import secrets
import stat
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.errors import FleetError, OptionError
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.deadline import Deadline
from saddleproof.testing import Bowl, check_fleet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Flower's own imports warn of is not ours
    pytest.importorskip("flwr")
    from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, RecordDict
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

from saddleproof.fleets.flower import FlowerFleet, client_app, new_key, server_app
from saddleproof.fleets.worker import RowOf
from saddleproof.questions import Changes, Curvatures, LeastCurvature, Question

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


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Private keys of four workers and a stranger as files, and the workers' public ones."""
    new_key(tmp_path / "eve")
    return {f"worker-{i}": new_key(tmp_path / f"worker-{i}") for i in range(4)}


@pytest.fixture
def honest(tmp_path: Path, keys: Any) -> Any:
    app = client_app(RowOf(Bowl(m=4)), lambda context: context.node_config["partition-id"])
    return lambda i, **config: node(
        app, i, **({"key-file": str(tmp_path / f"worker-{i}")} | config)
    )


@pytest.fixture
def federation() -> Federation:
    return Federation()


def answers(fleet: FlowerFleet, round_id: int = 0) -> sp.fleets.Messages:
    with closing(fleet):
        return fleet.round(POINTS, round_id=round_id)


def test_the_flower_fleet_passes_the_suite(federation: Federation, honest: Any) -> None:
    for i in range(4):
        federation.join(honest(i))
    check_fleet(FlowerFleet(federation, 4, insecure=True), POINTS)


def test_signed_answers_are_the_local_ones_to_the_bit_losses_too(
    federation: Federation, honest: Any, keys: Any
) -> None:
    for i in (2, 0, 3, 1):
        federation.join(honest(i))
    fleets = [sp.LocalFleet(Bowl(m=4)), FlowerFleet(federation, keys)]
    for fleet in fleets:
        fleet.announce(Announcement(None, 1, sp.optimizers.ValuePGD(step=0.1)))
    local, remote = (fleet.round(POINTS, round_id=0) for fleet in fleets)
    assert remote.status == ("ok",) * 4
    np.testing.assert_array_equal(np.stack(remote.answers, axis=1), local.values)
    np.testing.assert_array_equal(np.stack(remote.loss_answers, axis=1), local.losses)


@pytest.fixture
def joined(tmp_path: Path, federation: Federation) -> Any:
    """joined(problem): a fleet of its workers, with keys."""

    def make(problem: Any) -> FlowerFleet:
        over_shards = hasattr(problem, "shards")
        loss = problem.loss if over_shards else RowOf(problem)
        shards = problem.shards if over_shards else range(problem.m)
        app = client_app(loss, lambda context: shards[context.node_config["partition-id"]])
        roster = {f"worker-{i}": new_key(tmp_path / f"its-{i}") for i in range(problem.m)}
        for i in range(problem.m):
            federation.join(node(app, i, **{"key-file": str(tmp_path / f"its-{i}")}))
        return FlowerFleet(federation, roster)

    return make


def test_signed_answers_to_every_question_are_the_local_ones_to_the_bit(
    joined: Any, problem_of: Any, same_bytes: Any
) -> None:
    problem = problem_of(4)
    same_bytes(joined(problem), problem)


def test_the_flower_fleet_passes_the_suite_with_every_question(
    joined: Any, problem_of: Any, questions_about: Any
) -> None:
    problem = problem_of(2)
    check_fleet(joined(problem), problem.start[None], questions_about(problem))


@pytest.mark.parametrize("kind", ["changes", "curvatures", "least"])
@pytest.mark.parametrize(
    ("name", "shape", "complaint"),
    [
        ("gradient", (2, 4), "sent"),
        ("changes", (3, 2), "sent|wrong shape"),
        ("curvatures", (3, 2), "sent|wrong shape"),
        ("least", (4,), "sent|wrong shape"),
    ],
)
def test_an_answer_of_another_kind_or_shape_is_proved_bad(
    federation: Federation, honest: Any, kind: str, name: str, shape: Any, complaint: str
) -> None:
    w = np.zeros(4)
    question: Question = {
        "changes": Changes(w, np.eye(4)[:2], np.ones(3)),
        "curvatures": Curvatures(w, np.eye(4)[:3]),
        "least": LeastCurvature(w),
    }[kind]

    def hostile(message: Message) -> Message:
        content = honest(3)(message).content
        payload = _raw(shape, bytes(8 * int(np.prod(shape))))
        content["answer"] = ArrayRecord({name: payload})
        return Message(content, reply_to=message)

    def plain(i: int) -> Any:
        def act(message: Message) -> Message:
            content = RecordDict(
                {
                    "vote": ConfigRecord({"name": f"worker-{i}", "signature": b""}),
                    "answer": ArrayRecord({kind: _raw(question.shape, bytes(8 * size))}),
                }
            )
            return Message(content, reply_to=message)

        return act

    size = int(np.prod(question.shape))
    for i in range(3):
        federation.join(plain(i))
    federation.join(hostile)
    with closing(FlowerFleet(federation, 4, insecure=True)) as fleet:
        messages = fleet.ask(question, round_id=0)
    assert messages.status == ("ok", "ok", "ok", "malformed")
    assert any(word in messages.notes["worker-3"] for word in complaint.split("|"))
    assert messages.losses is None


def test_losses_that_were_announced_come_beside_gradients_only(
    joined: Any, problem_of: Any, questions_about: Any
) -> None:
    problem = problem_of(2)
    fleet = joined(problem)
    fleet.announce(Announcement(None, 0, sp.optimizers.ValuePGD(step=0.1)))
    for round_id, question in enumerate(questions_about(problem)):
        messages = fleet.ask(question, round_id=round_id)
        assert messages.status == ("ok", "ok")
        assert (messages.losses is not None) == (round_id == 0)


def test_a_question_of_no_known_kind_is_not_answered(honest: Any) -> None:
    told = ConfigRecord({"session": b"", "ask": 1, "losses": False, "kind": "Pickle"})
    message = Message(RecordDict({"question": told, "arrays": ArrayRecord()}), 1, "query")
    with pytest.raises(FleetError, match="no known kind"):
        honest(0)(message)


def test_a_forged_name_has_no_vote_and_the_owner_keeps_his(
    federation: Federation, honest: Any, keys: Any, tmp_path: Path
) -> None:
    forger = federation.join(honest(1, **{"key-file": str(tmp_path / "eve")}))
    for i in range(4):
        federation.join(honest(i))
    messages = answers(FlowerFleet(federation, keys))
    assert messages.status == ("ok",) * 4
    assert messages.notes == {f"node {forger}": "not signed by worker-1 for this question"}


def test_a_forged_sender_id_is_no_identity(federation: Federation, honest: Any, keys: Any) -> None:
    """A node answers another node's question, with that node's number as the sender."""
    for i in (0, 1, 2):
        federation.join(honest(i))
    victim = federation.join(lambda message: None)  # worker-3 is slow today

    def forge(message: Message) -> Message:
        question = next(
            m
            for m in federation.state.message_ins_store.values()
            if m.metadata.dst_node_id == victim
        )
        lie = honest(1)(message).content  # signed by worker-1, for this node's question
        lie["vote"]["name"] = "worker-3"
        return Message(lie, reply_to=question)  # src_node_id is now the victim's

    federation.join(forge)
    messages = answers(FlowerFleet(federation, keys, deadline=QUICK))
    assert messages.status[3] == "late"
    assert messages.notes == {f"node {victim}": "not signed by worker-3 for this question"}


def test_an_answer_of_another_node_or_of_yesterday_is_not_a_vote(
    federation: Federation, honest: Any, keys: Any
) -> None:
    for i in range(4):
        federation.join(honest(i))
    kept: list[RecordDict] = []

    def replay(message: Message) -> Message:
        if not kept:
            kept.append(honest(2)(message).content)
        return Message(kept[0], reply_to=message)

    replayer = federation.join(replay)
    fleet = FlowerFleet(federation, keys)
    assert fleet.round(POINTS, round_id=0).notes == {"worker-2": "second vote"}  # has the key
    later = fleet.round(POINTS, round_id=1)
    assert later.notes == {f"node {replayer}": "not signed by worker-2 for this question"}
    assert later.status == ("ok",) * 4


def test_an_answer_that_was_copied_on_its_way_is_not_a_second_vote_of_its_owner(
    federation: Federation, honest: Any, keys: Any
) -> None:
    kept: list[RecordDict] = []

    def overheard(message: Message) -> Message:
        reply = honest(2)(message)
        kept.append(reply.content)
        return reply

    for i in (0, 1, 3):
        federation.join(honest(i))
    federation.join(overheard)
    copier = federation.join(lambda message: Message(kept[-1], reply_to=message))
    messages = answers(FlowerFleet(federation, keys))
    assert messages.status == ("ok",) * 4
    assert messages.notes == {f"node {copier}": "not signed by worker-2 for this question"}


def test_without_keys_who_comes_first_keeps_a_name(federation: Federation, honest: Any) -> None:
    twins = [federation.join(honest(i)) for i in (0, 1, 2, 3, 1)][1::3]
    fleet = FlowerFleet(federation, 4, insecure=True)
    first, second = (fleet.round(POINTS, round_id=i) for i in range(2))
    assert first.status == second.status == ("ok",) * 4
    assert first.notes == second.notes
    assert [*first.notes.values()] == ["worker-1 is taken"]
    assert {*first.notes} < {f"node {twin}" for twin in twins}


def _raw(shape: tuple[int, ...], data: bytes, dtype: str = "float64") -> Array:
    return Array(dtype, shape, "saddleproof.raw", data)


HOSTILE = {
    "wrong shape": _raw((2, 5), bytes(80)),
    "wrong dtype": _raw((2, 4), bytes(32), "float32"),
    "integers of the right length": _raw((2, 4), bytes(64), "int64"),
    "a petabyte": _raw((2**25, 2**25), b""),
    "too short": _raw((2, 4), bytes(63)),
    "too long": _raw((2, 4), bytes(65)),
    "text": Array(np.full((2, 4), "x" * 100)),
    "a NumPy file": Array(np.zeros((2, 4))),
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_an_array_that_was_not_asked_for_is_proved_bad_and_never_read(
    federation: Federation, honest: Any, payload: Array
) -> None:
    def hostile(message: Message) -> Message:
        content = honest(3)(message).content
        content["answer"] = ArrayRecord({"gradient": payload})
        return Message(content, reply_to=message)

    for i in range(3):
        federation.join(honest(i))
    federation.join(hostile)
    messages = answers(FlowerFleet(federation, 4, insecure=True))
    assert messages.status == ("ok", "ok", "ok", "malformed")
    assert messages.notes["worker-3"]


GARBAGE = {
    "nothing": RecordDict(),
    "no vote": RecordDict({"answer": ArrayRecord()}),
    "no name": RecordDict({"vote": ConfigRecord({}), "answer": ArrayRecord()}),
    "a number for a name": RecordDict(
        {"vote": ConfigRecord({"name": 3, "signature": b""}), "answer": ArrayRecord()}
    ),
    "text for a signature": RecordDict(
        {"vote": ConfigRecord({"name": "worker-1", "signature": "x"}), "answer": ArrayRecord()}
    ),
    "config for arrays": RecordDict(
        {"vote": ConfigRecord({"name": "worker-1", "signature": b""}), "answer": ConfigRecord()}
    ),
}


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_nobodys_vote(
    federation: Federation, honest: Any, keys: Any, content: RecordDict, secure: bool
) -> None:
    for i in (0, 2, 3):
        federation.join(honest(i))
    federation.join(lambda message: Message(content, reply_to=message))
    workers = keys if secure else 4
    fleet = FlowerFleet(federation, workers, insecure=not secure, deadline=QUICK)
    messages = answers(fleet)
    assert [messages.status[i] for i in (0, 2, 3)] == ["ok"] * 3
    assert messages.status[1] in {"late", "malformed"}
    assert messages.notes


def test_a_client_that_fails_is_dead_for_the_round(
    federation: Federation, honest: Any, keys: Any
) -> None:
    calls = []

    def fails(message: Message) -> Message:
        calls.append(message)
        if len(calls) == 1:
            return honest(3)(message)
        return Message(Error(code=1, reason="out of memory"), reply_to=message)

    for i in range(3):
        federation.join(honest(i))
    federation.join(fails)
    fleet = FlowerFleet(federation, keys, deadline=QUICK)
    assert fleet.round(POINTS, round_id=0).status == ("ok",) * 4
    assert fleet.round(POINTS, round_id=1).status == ("ok", "ok", "ok", "dead")


def test_one_question_at_a_time_and_an_old_answer_is_never_counted(
    federation: Federation, honest: Any, keys: Any
) -> None:
    seen: list[Message] = []

    def slow(message: Message) -> None:
        seen.append(message)

    for i in range(3):
        federation.join(honest(i))
    node_id = federation.join(slow)
    fleet = FlowerFleet(federation, keys, deadline=QUICK)
    assert fleet.round(POINTS, round_id=0).status[3] == "late"
    assert fleet.round(POINTS, round_id=1).status[3] == "late"
    assert len(seen) == 1
    old = honest(3)(seen[0])
    old.metadata.__dict__["_message_id"] = "old"
    federation.state.store_message_res(old)
    federation.acts[node_id] = honest(3)
    messages = fleet.round(3 * POINTS, round_id=2)
    assert messages.status == ("ok",) * 4
    np.testing.assert_array_equal(messages.answers[3], Bowl(m=4).gradients(3 * POINTS)[:, 3])


def test_without_keys_a_deployment_is_refused_unless_told_so() -> None:
    with pytest.raises(OptionError, match="anybody may register nodes and vote many times"):
        server_app(lambda fleet, context: None, workers=4)
    assert server_app(lambda fleet, context: None, workers=4, insecure=True)


@pytest.mark.parametrize(
    ("roster", "complaint"),
    [({}, "empty roster"), ({"a": "00"}, "64 hexadecimal"), ({"a": "zz"}, "64 hexadecimal")],
)
def test_a_roster_that_cannot_work_is_refused_at_once(roster: Any, complaint: str) -> None:
    with pytest.raises(OptionError, match=complaint):
        server_app(lambda fleet, context: None, workers=roster)


def test_one_key_cannot_be_two_votes(keys: Any) -> None:
    with pytest.raises(OptionError, match="a key is one vote"):
        server_app(lambda fleet, context: None, workers={"a": keys["worker-0"]} | keys)


def test_a_key_is_for_its_owners_eyes_and_is_never_overwritten(tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        new_key(tmp_path / "key")


def test_a_server_app_hands_its_fleet_to_train_and_closes_it(
    federation: Federation, honest: Any, keys: Any
) -> None:
    for i in range(4):
        federation.join(honest(i))
    kept: list[Any] = []

    def train(fleet: FlowerFleet, context: Any) -> None:
        kept.append(fleet)
        kept.append(sp.minimize(fleet, b=1, w0=Bowl().start, seed=0))

    server_app(train, workers=keys)(federation, Context(7, 0, {}, RecordDict(), {}))
    here = sp.minimize(Bowl(m=4), b=1, w0=Bowl().start, seed=0)
    np.testing.assert_array_equal(kept[1].w, here.w)
    with pytest.raises(sp.errors.FleetError, match="closed"):
        kept[0].round(POINTS, round_id=0)


def test_one_key_written_in_two_ways_is_one_key(keys: Any) -> None:
    with pytest.raises(OptionError, match=r"^two workers have the same key"):
        server_app(lambda fleet, context: None, workers={"a": keys["worker-0"].upper()} | keys)


def test_who_changes_a_signed_answer_on_its_way_does_not_charge_its_owner(
    federation: Federation, honest: Any, keys: Any
) -> None:
    def changed(message: Message) -> Message:
        reply = honest(3)(message)
        array = reply.content["answer"]["gradient"]
        array.stype = "numpy.ndarray"  # all else is as worker-3 signed it
        return reply

    for i in range(3):
        federation.join(honest(i))
    node_id = federation.join(changed)
    messages = answers(FlowerFleet(federation, keys, deadline=QUICK))
    assert messages.status[3] == "late"
    assert messages.notes == {f"node {node_id}": "not signed by worker-3 for this question"}


def test_what_a_worker_sends_writes_no_line_into_the_log(
    federation: Federation, honest: Any
) -> None:
    def hostile(message: Message) -> Message:
        content = honest(3)(message).content
        content["answer"] = ArrayRecord({"x\nround 7: all is well": Array(np.zeros(1))})
        return Message(content, reply_to=message)

    for i in range(3):
        federation.join(honest(i))
    federation.join(hostile)
    messages = answers(FlowerFleet(federation, 4, insecure=True))
    assert messages.status[3] == "malformed"
    assert "\n" not in messages.notes["worker-3"]


def test_strangers_nodes_take_so_much_room_only(
    federation: Federation, honest: Any, keys: Any
) -> None:
    for i in range(4):
        federation.join(honest(i))
    for _ in range(100):
        federation.join(lambda message: Message(RecordDict(), reply_to=message))
    messages = answers(FlowerFleet(federation, keys))
    assert messages.status == ("ok",) * 4
    assert len(messages.notes) <= 64


def test_a_reply_that_flower_cannot_read_is_nobodys_vote_and_stops_nothing(
    federation: Federation, honest: Any, keys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Flower's grid of a deployment does, which unpacks the sender's bytes in our process."""
    for i in range(3):
        federation.join(honest(i))
    poisoner = federation.join(honest(3))
    pull = federation.pull_messages

    def unpacking(ids: Any) -> Any:
        store = federation.state.message_ins_store
        poisoned = [i for i in ids if i in store and store[i].metadata.dst_node_id == poisoner]
        if poisoned:
            raise ValueError("Invalid object")
        return pull(ids)

    monkeypatch.setattr(federation, "pull_messages", unpacking)
    fleet = FlowerFleet(federation, keys, deadline=QUICK)
    for round_id in range(2):
        messages = fleet.round(POINTS, round_id=round_id)
        assert messages.status == ("ok", "ok", "ok", "late")
        assert messages.notes == {f"node {poisoner}": "Flower cannot read it"}
