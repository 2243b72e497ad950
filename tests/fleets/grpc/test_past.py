"""Late answers: what an honest worker may still send, and what proves a worker bad."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.fleets.grpc import past
from saddleproof.fleets.grpc.desk import Caller, Desk
from saddleproof.fleets.grpc.frames import answer_to, decode, frames
from saddleproof.fleets.grpc.header import PIECE
from saddleproof.questions import Gradients

LONG = np.zeros((1, 3 * PIECE // 8))  # three pieces
SHORT = np.zeros((1, 4))


@pytest.fixture
def desk():
    made = Desk(("ann", "ben", "cat"))
    made.line = Caller("ann")
    made.connect(made.line)
    return made


def asked(desk, points=LONG):
    """The pieces of ann's answer to a question that is over by now."""
    desk.open(Gradients(points), losses=False, round_id=0)
    header, _ = decode(desk.question_for(desk.line, 0)[1][0])
    desk.close()
    return list(frames(answer_to(header), points))


def test_the_pieces_of_an_old_answer_are_dropped_in_order_and_counted_once(desk):
    for piece in asked(desk):
        assert desk.receive(desk.line, piece) is None
        assert desk.line.assembly is None
    assert desk.counters()["ann"]["stale"] == 1
    assert desk.bad == {}


def test_a_first_piece_twice_proves_the_worker_bad(desk):
    first, *_ = asked(desk)
    assert desk.receive(desk.line, first) is None
    assert "not the next one" in desk.receive(desk.line, first)
    assert list(desk.bad) == ["ann"]


def test_an_answer_that_was_begun_before_its_round_closed_goes_on_after_it(desk):
    desk.open(Gradients(LONG), losses=False, round_id=0)
    header, _ = decode(desk.question_for(desk.line, 0)[1][0])
    first, second, third = frames(answer_to(header), LONG)
    assert desk.receive(desk.line, first) is None
    desk.close()
    assert desk.line.assembly is None  # nothing of it is kept
    desk.open(Gradients(SHORT), losses=False, round_id=1)
    assert desk.receive(desk.line, second) is None
    assert desk.receive(desk.line, third) is None
    assert desk.counters()["ann"]["stale"] == 1
    answer = answer_to(decode(desk.question_for(desk.line, 0)[1][0])[0])
    assert desk.receive(desk.line, next(frames(answer, SHORT))) is None
    assert desk.close().status[0] == "ok"


def test_another_answer_before_the_first_is_complete_proves_the_worker_bad(desk):
    first, *_ = asked(desk)
    other, *_ = asked(desk)
    assert desk.receive(desk.line, first) is None
    assert "not the next one" in desk.receive(desk.line, other)


def test_a_vote_before_an_old_answer_is_complete_proves_the_worker_bad(desk):
    first, *_ = asked(desk)
    assert desk.receive(desk.line, first) is None
    desk.open(Gradients(SHORT), losses=False, round_id=1)
    answer = answer_to(decode(desk.question_for(desk.line, 0)[1][0])[0])
    assert "not the next one" in desk.receive(desk.line, next(frames(answer, SHORT)))


def test_an_old_answer_of_another_size_than_was_asked_proves_the_worker_bad(desk):
    header, _ = decode(asked(desk)[0])
    larger = past.replace(header, rows=32)
    assert "not what was asked" in desk.receive(
        desk.line, next(frames(larger, np.zeros(32 * LONG.size)))
    )


def test_who_sends_more_old_bytes_in_a_round_than_it_may_loses_the_connection_only(
    desk, monkeypatch
):
    monkeypatch.setattr(past, "ROUND", 2 * PIECE)
    answers = [asked(desk) for _ in range(3)]
    desk.open(Gradients(SHORT), losses=False, round_id=9)
    for piece in answers[0]:
        assert desk.receive(desk.line, piece) is None
    assert "old answers in one round" in desk.receive(desk.line, answers[1][0])
    assert desk.bad == {}
    assert desk.counters()["ann"]["refused"] == 1
    desk.close()
    desk.open(Gradients(SHORT), losses=False, round_id=10)
    assert desk.receive(desk.line, answers[1][0]) is None


def test_a_question_that_nobody_remembers_is_refused_without_a_proof(desk, monkeypatch):
    monkeypatch.setattr(past, "_REMEMBERED", 3)
    oldest = asked(desk, SHORT)
    for _ in range(3):
        asked(desk, SHORT)
    assert "long ago" in desk.receive(desk.line, oldest[0])
    assert desk.bad == {}
    assert len(desk._past._expected) == 3


@settings(max_examples=25)
@given(st.lists(st.booleans(), max_size=30))
def test_however_late_an_honest_worker_is_it_is_never_proved_bad(closes):
    """It takes the newest question and sends all pieces of its answer; rounds end in between."""
    desk, line = Desk(("ann", "ben")), Caller("ann")
    desk.connect(line)
    points, round_id, pieces, seen, opened = np.zeros((1, 2 * PIECE // 8 + 1)), 0, [], 0, False
    for close in closes:
        if close and opened:
            desk.close()
        if close or not opened:
            desk.open(Gradients(points), losses=False, round_id=round_id)
            round_id, opened = round_id + 1, True
        if not pieces:
            seen, question = desk.question_for(line, seen)
            pieces = list(frames(answer_to(decode(question[0])[0]), points)) if question else []
        if pieces:
            assert desk.receive(line, pieces.pop(0)) is None
    assert desk.bad == {}
