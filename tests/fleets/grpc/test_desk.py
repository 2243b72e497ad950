"""What the desk makes of honest answers, old ones, and connections, without a network."""

from __future__ import annotations

import numpy as np
import pytest
from desk_talk import ASKED, POINTS, Connection, W, answer, ask, say

from saddleproof.errors import FleetError
from saddleproof.fleets.grpc import frames as f
from saddleproof.fleets.grpc.frames import answer_to, decode, frames
from saddleproof.questions import Curvatures, Gradients


def test_an_answer_in_time_is_a_vote(desk):
    asked = ask(desk)
    assert say(desk, "ben", answer(asked, 2 * POINTS)) is None
    messages = desk.close()
    assert messages.status == ("late", "ok", "late")
    np.testing.assert_array_equal(messages.answers[1], 2 * POINTS)
    assert desk.counters()["ben"]["answered"] == 1
    assert desk.counters()["ann"]["late"] == 1


def test_losses_come_beside_the_gradients(desk):
    asked = ask(desk, losses=True)
    assert say(desk, "ben", answer(asked, POINTS, np.array([5.0, 6.0]))) is None
    messages = desk.close()
    np.testing.assert_array_equal(messages.loss_answers[1], [5, 6])
    assert messages.loss_answers[0] is None


@pytest.mark.parametrize("question", ASKED.values(), ids=ASKED)
def test_an_answer_to_any_question_is_a_vote_of_its_shape(desk, question):
    said = np.random.default_rng(0).standard_normal(question.shape)
    assert say(desk, "ben", answer(ask(desk, question), said)) is None
    found = desk.close().answers[1]
    assert (found.shape, found.dtype) == (question.shape, question.dtype)
    np.testing.assert_array_equal(found, said)


def test_a_question_that_does_not_travel_leaves_the_desk_as_it_was(desk):
    with pytest.raises(FleetError, match="float64; got float32"):
        ask(desk, Curvatures(W.astype(np.float32), POINTS))
    assert say(desk, "ann", answer(ask(desk))) is None
    assert desk.close().status[0] == "ok"


def test_an_answer_after_its_round_is_dropped_and_counted_but_proves_nothing(desk):
    old = answer(ask(desk))
    desk.close()
    asked = ask(desk)
    assert say(desk, "ann", old) is None
    assert say(desk, "ann", answer(asked, 3 * POINTS)) is None
    messages = desk.close()
    assert messages.status[0] == "ok"
    np.testing.assert_array_equal(messages.answers[0], 3 * POINTS)
    assert messages.notes["ann"] == "answered after its round was closed"
    assert desk.counters()["ann"]["stale"] == 1


def test_the_same_round_number_asked_twice_does_not_mix_up_the_answers(desk):
    first = answer(ask(desk))
    desk.close()
    ask(desk)  # round 4 again, as after a resume
    say(desk, "ann", first)
    assert desk.close().status[0] == "late"


def test_an_answer_to_another_server_is_refused_and_proves_nothing(desk):
    asked = ask(desk)
    assert say(desk, "ann", answer(asked, session=asked.session ^ 1)) is not None
    messages = desk.close()
    assert messages.status[0] == "late"
    assert messages.notes["ann"] == "answered another server's question"
    assert desk.counters()["ann"]["refused"] == 1


def test_the_newest_connection_counts(desk):
    asked = ask(desk)
    again = Connection("ann")
    assert desk.connect(again) is None
    assert "took its place" in desk.made["ann"].dropped
    assert "took its place" in say(desk, "ann", answer(asked))
    assert desk.receive(again, answer(asked, 5 * POINTS)) is None
    desk.disconnect(desk.made["ann"])  # the older one's end is not the worker's
    messages = desk.close()
    assert messages.status[0] == "ok"
    np.testing.assert_array_equal(messages.answers[0], 5 * POINTS)


def test_who_comes_back_is_asked_again_unless_he_has_voted(desk):
    asked = ask(desk)
    say(desk, "ben", answer(asked))
    for name, is_asked in (("ann", True), ("ben", False)):
        desk.disconnect(desk.made[name])
        again = Connection(name)
        desk.connect(again)
        assert bool(desk.question_for(again, 0)[1]) == is_asked


def test_who_has_no_connection_is_dead(desk):
    asked = ask(desk)
    say(desk, "ben", answer(asked))
    desk.disconnect(desk.made["ben"])
    desk.disconnect(desk.made["cat"])
    assert desk.away() == (2,)
    assert desk.close().status == ("late", "ok", "dead")
    counted = [(row["late"], row["dead"]) for row in desk.counters().values()]
    assert counted == [(1, 0), (0, 0), (0, 1)]


def test_strangers_are_named_and_there_is_room_for_so_many_only(desk):
    for i in range(500):
        assert desk.connect(Connection(f"eve-{i}")) == "not on the roster"
    ask(desk)
    notes, counters = desk.close().notes, desk.counters()
    assert notes["eve-0"] == "not on the roster"
    assert len(notes) < 100
    assert len(counters) < 100
    assert sum(row["refused"] for row in counters.values()) == 500


def test_what_was_turned_away_is_told_in_the_round_that_follows_and_once(desk):
    old = answer(ask(desk))
    assert desk.close().refused == {}
    for _ in range(3):
        desk.connect(Connection("eve"))
    asked = ask(desk)
    say(desk, "ann", old)
    say(desk, "ben", b"noise")
    say(desk, "cat", answer(asked, session=asked.session ^ 1))
    assert desk.close().refused == {"eve": 3, "ann": 1, "ben": 1, "cat": 1}
    ask(desk)
    assert desk.close().refused == {}


def test_counters_are_a_copy_that_cannot_be_changed(desk):
    counters = desk.counters()
    with pytest.raises(TypeError):
        counters["ann"]["late"] = 9
    ask(desk)
    desk.close()
    assert counters["ann"]["late"] == 0


def test_a_long_answer_is_put_together_from_its_pieces(desk):
    points = np.arange(2.5 * f.PIECE / 8)[None]
    desk.open(Gradients(points), losses=False, round_id=0)
    _, question = desk.question_for(desk.made["ann"], 0)
    first, second, third = frames(answer_to(decode(question[0])[0]), -points)
    assert say(desk, "ann", first) is None
    assert desk.heard() == set()
    assert "not the next one" in say(desk, "ben", second)
    assert say(desk, "ann", second) is None
    assert say(desk, "ann", third) is None
    messages = desk.close()
    assert messages.status == ("ok", "malformed", "late")
    np.testing.assert_array_equal(messages.answers[0], -points)


def test_a_frame_of_a_question_that_is_over_is_not_to_be_had(desk):
    """A writer whose peer does not read holds one frame, and not the whole old question."""
    first = ask(desk).ask
    assert desk.frame(first, 0) is not None
    assert desk.frame(first, 1) is None
    desk.close()
    assert desk.frame(first, 0) is None
    assert ask(desk).ask == first + 1
    assert desk.frame(first, 0) is None


def test_a_connection_that_was_replaced_holds_no_half_answer(desk):
    points = np.zeros((1, f.PIECE // 8 + 1))
    desk.open(Gradients(points), losses=False, round_id=0)
    _, question = desk.question_for(desk.made["ann"], 0)
    say(desk, "ann", next(frames(answer_to(decode(question[0])[0]), points)))
    assert desk.made["ann"].assembly is not None
    desk.connect(Connection("ann"))
    assert desk.made["ann"].assembly is None
