"""What proves a worker bad at the desk; every rule of its table, without a network."""

from __future__ import annotations

import numpy as np
import pytest
from desk_talk import ASKED, Connection, answer, ask, say
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.fleets.grpc import frames as f
from saddleproof.fleets.grpc.desk import Desk
from saddleproof.fleets.grpc.frames import answer_to, decode, frames


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("answered", ASKED)
def test_an_answer_to_another_kind_of_question_proves_the_worker_bad(desk, asked, answered):
    """Even where the payload has as many numbers: the header is not the question's."""
    if asked == answered:
        return
    header, other = ask(desk, ASKED[asked]), ASKED[answered]
    mine = f.header_of(
        other, losses=False, session=header.session, ask=header.ask, round_id=header.round
    )
    (lie,) = frames(answer_to(mine), np.zeros(other.shape))
    assert "not what was asked" in say(desk, "cat", lie)
    assert desk.close().status == ("late", "late", "malformed")


@pytest.mark.parametrize(
    "change",
    [{"steps": 3}, {"seed": 4}, {"seed": None}, {"delta": 0.5}, {"seconds": 1.0}, {"d": 2}],
)
def test_an_answer_to_a_question_that_differs_in_one_field_proves_the_worker_bad(desk, change):
    header = f.replace(answer_to(ask(desk, ASKED["least"])), **change)
    (lie,) = frames(header, np.zeros(3 + header.d))
    assert "not what was asked" in say(desk, "cat", lie)


def test_a_second_vote_voids_both(desk):
    asked = ask(desk)
    assert say(desk, "ann", answer(asked)) is None
    assert say(desk, "ann", answer(asked)) == "second vote"
    messages = desk.close()
    assert messages.status[0] == "malformed"
    assert messages.answers[0] is None
    assert messages.notes == {"ann": "second vote"}


def test_a_replay_of_an_old_answer_is_a_second_vote_in_the_next_round(desk):
    old = answer(ask(desk))
    say(desk, "ann", old)
    assert desk.close().status[0] == "ok"
    assert say(desk, "ann", old) == "second vote"  # between two rounds
    ask(desk, line=desk.made["ben"])
    assert desk.out() == {0}
    assert desk.close().status[0] == "malformed"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ask": 2}, "never asked"),
        ({"ask": 0}, "never asked"),
        ({"round": 5}, "not what was asked"),
        ({"rows": 1, "d": 6}, "not what was asked"),
        ({"dtype": 1, "d": 6}, "announced"),
        ({"losses": 1}, "announced"),
        ({"kind": f.QUESTION}, "a worker sends answers"),
        ({"about": f.CURVATURES, "rows": 3}, "not what was asked"),
        ({"about": f.CHANGES, "columns": 3}, "not what was asked"),
    ],
)
def test_what_was_not_asked_proves_the_worker_bad(desk, change, why):
    asked = ask(desk)
    assert why in say(desk, "cat", answer(asked, **change))
    messages = desk.close()
    assert messages.status == ("late", "late", "malformed")
    assert why in messages.notes["cat"]
    assert desk.counters()["cat"]["malformed"] == 1


FUZZ = st.one_of(
    st.binary(max_size=120),
    st.tuples(st.binary(max_size=60), st.integers(0, 119), st.integers(0, 255)),
)


@given(
    st.sampled_from(sorted(ASKED)),
    st.lists(st.tuples(st.sampled_from(["ann", "ben"]), FUZZ), max_size=30),
)
def test_whatever_two_liars_say_the_third_is_heard(kind, mail):
    question = ASKED[kind]
    told = np.arange(float(np.prod(question.shape))).reshape(question.shape)
    desk = Desk(("ann", "ben", "cat"))
    lines = {name: Connection(name) for name in desk.workers}
    for line in lines.values():
        desk.connect(line)
    desk.open(question, losses=False, round_id=0)
    asked = decode(desk.question_for(lines["cat"], 0)[1][0])[0]
    true = answer(asked, told)
    for name, data in mail:
        if isinstance(data, tuple):  # the true frame, spliced
            middle, at, byte = data
            spliced = true[: at % len(true)] + bytes([byte]) + middle + true[at % len(true) + 1 :]
            frame = spliced[: len(true)]
        else:
            frame = data
        why = desk.receive(lines[name], frame)
        assert why is None or isinstance(why, str)
    assert desk.receive(lines["cat"], true) is None
    messages = desk.close()
    assert messages.status[2] == "ok"
    np.testing.assert_array_equal(messages.answers[2], told)
    for value, status in zip(messages.answers, messages.status, strict=True):
        assert (value is not None) == (status == "ok")
        assert value is None or value.shape == question.shape
