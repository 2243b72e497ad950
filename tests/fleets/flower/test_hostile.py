"""What hostile nodes send: it is proved bad or nobody's vote, and it stops nothing."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np
import pytest
from flower_grid import POINTS, QUICK, Federation, answers, raw
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from saddleproof.fleets.flower import FlowerFleet
from saddleproof.questions import Changes, Curvatures, LeastCurvature, Question

HOSTILE = {
    "wrong shape": raw((2, 5), bytes(80)),
    "wrong dtype": raw((2, 4), bytes(32), "float32"),
    "integers of the right length": raw((2, 4), bytes(64), "int64"),
    "a petabyte": raw((2**25, 2**25), b""),
    "too short": raw((2, 4), bytes(63)),
    "too long": raw((2, 4), bytes(65)),
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
        payload = raw(shape, bytes(8 * int(np.prod(shape))))
        content["answer"] = ArrayRecord({name: payload})
        return Message(content, reply_to=message)

    def plain(i: int) -> Any:
        def act(message: Message) -> Message:
            content = RecordDict(
                {
                    "vote": ConfigRecord({"name": f"worker-{i}", "signature": b""}),
                    "answer": ArrayRecord({kind: raw(question.shape, bytes(8 * size))}),
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
