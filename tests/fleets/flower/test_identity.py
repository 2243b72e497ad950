"""Who signed an answer is who voted: forged, copied, replayed and strange answers are no votes."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from flower_grid import POINTS, QUICK, Federation, answers
from flwr.app import Message, RecordDict

from saddleproof.errors import OptionError
from saddleproof.fleets.flower import FlowerFleet, new_key, server_app


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


def test_one_key_written_in_two_ways_is_one_key(keys: Any) -> None:
    with pytest.raises(OptionError, match=r"^two workers have the same key"):
        server_app(lambda fleet, context: None, workers={"a": keys["worker-0"].upper()} | keys)


def test_a_key_is_for_its_owners_eyes_and_is_never_overwritten(tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        new_key(tmp_path / "key")


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
