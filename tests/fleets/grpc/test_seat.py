"""Who is proved bad loses the seat: it is not asked, not let in, and not waited for."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc.desk import Caller, Desk
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.questions import Gradients

NAMES = tuple(f"worker-{i}" for i in range(5))
POINTS = np.arange(8.0).reshape(2, 4)


@pytest.fixture
def proved(begun, peer, until):
    """A fleet of five whose worker-0 was replaced by one that sent rubbish."""
    begun.announce(Announcement(sp.Median().estimates, 1))
    liar = peer(begun, "worker-0")
    until(lambda: begun.counters()["worker-0"]["connected"] >= 2)
    liar.say(b"rubbish")
    until(lambda: "worker-0" in begun._desk.bad)
    return begun


def test_who_was_proved_bad_is_bad_in_every_later_round_and_asked_in_none(proved, until):
    until(lambda: "worker-0" not in proved._desk.lines)
    for round_id in range(3):
        messages = proved.round(POINTS, round_id=round_id)
        assert messages.status == ("malformed", *["ok"] * 4)
        assert "a frame has" in messages.notes["worker-0"]
    assert proved.counters()["worker-0"]["late"] == 0


def test_who_was_proved_bad_is_not_let_in_again(proved, peer):
    connected = proved.counters()["worker-0"]["connected"]
    refusal = peer(proved, "worker-0").refusal()
    assert refusal.code().name == "PERMISSION_DENIED"
    assert "proved bad: a frame has" in refusal.details()
    assert proved.counters()["worker-0"]["connected"] == connected


def test_a_round_waits_neither_for_the_bad_one_nor_for_one_silent_liar_less(folder, start, answers):
    """Of five with b = 1, four answers are the quorum before the proof and after it."""
    fleet = GrpcFleet(NAMES, folder, deadline=Deadline(grace=60.0, slack=1e6, limit=0.5))
    fleet.announce(Announcement(sp.Median().estimates, 1))
    with contextlib.closing(fleet):
        for name, answer in zip(NAMES[1:], answers[1:], strict=True):
            start(fleet, name, answer)
        fleet.exclude({"worker-0": "NaN or Inf", "eve": "no worker"})
        assert fleet.gather(60) == ()  # nobody waits for it to dial in either
        fleet.deadline = Deadline(grace=60.0, slack=1e6, limit=1e6)
        assert fleet.round(POINTS, round_id=0).status == ("malformed", *["ok"] * 4)


def test_who_the_oracle_proves_bad_loses_the_seat_too(folder, start, answers, bowl):
    def nan(question, round_id, *, losses):
        return np.full(question.shape, np.nan), None

    asked = []

    def counted(question, round_id, *, losses):
        asked.append(round_id)
        return nan(question, round_id, losses=losses)

    fleet = GrpcFleet(NAMES, folder, deadline=Deadline(grace=30.0, limit=60.0))
    with contextlib.closing(fleet):
        client = start(fleet, "worker-0", counted)
        for name, answer in zip(NAMES[1:], answers[1:], strict=True):
            start(fleet, name, answer)
        result = sp.minimize(fleet, b=1, w0=bowl.start, seed=0, max_rounds=5, certify=False)
        client.thread.join(30)
    assert result.excluded == {"worker-0": "NaN or Inf"}
    assert len(asked) == 1
    assert "proved bad" in client.refusal or "NaN or Inf" in client.refusal


def test_a_desk_asks_nobody_without_a_seat():
    desk, line = Desk(("ann", "ben", "cat")), Caller("ann")
    desk.connect(line)
    desk.receive(line, b"rubbish")
    assert desk.out() == {0}
    desk.open(Gradients(POINTS), losses=False, round_id=0)
    assert desk.question_for(line, 0) == (0, ())
    assert desk.away() == (1, 2)
    again = Caller("ann")
    assert "proved bad" in desk.connect(again)
    assert desk.lines.get("ann") is not again


def test_a_liar_that_dials_in_without_end_fills_no_log(begun, peer, caplog, until):
    begun.announce(Announcement(sp.Median().estimates, 1))
    begun.exclude({"worker-0": "NaN or Inf"})
    until(lambda: "worker-0" in begun._desk.bad)
    for _ in range(40):
        peer(begun, "worker-0").refusal()
    lines = [r for r in caplog.records if "proved bad" in r.getMessage() and "line" in r.msg]
    assert 1 <= len(lines) <= 7
