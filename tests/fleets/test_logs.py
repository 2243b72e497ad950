"""The log of a run: a line a round, and a line when a worker comes or goes."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.checkpoint import RoundRecord
from saddleproof.fleets.base import DEAD, LATE, OK
from saddleproof.fleets.logs import RoundLog, fields, log_messages
from saddleproof.questions import Curvatures

#: What a program that reads the log may count on.
ROUND = {
    "event", "round", "question", "answered", "absent", "unseated", "refused", "queries",
    "gradient_norm", "inexactness", "seconds", "outcome",
}  # fmt: skip


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Any:
    """heard(): the level and the fields of every record of a round log."""
    caplog.set_level(logging.INFO, logger="saddleproof")

    def records() -> list[tuple[str, dict[str, Any]]]:
        ours = [r for r in caplog.records if r.name == "saddleproof.rounds"]
        return [(r.levelname, fields(r)) for r in ours]

    return records


def after(number: int, **known: Any) -> Any:
    """What a callback sees of this round."""
    return SimpleNamespace(record=RoundRecord(number, 1, 0.5, 0.25, **known))


def moved(heard: Any) -> list[tuple[str, int, str, str]]:
    """Level, round, event and status of all lines but those of the rounds."""
    return [
        (level, found["round"], found["event"], found["status"])
        for level, found in heard()
        if found["event"] != "round"
    ]


def test_a_round_is_one_line_whose_fields_are_those_of_the_trace(faulty, run, heard):
    result = run(faulty, callback=RoundLog(faulty.workers))
    rounds = [found for _, found in heard() if found["event"] == "round"]
    assert [found["round"] for found in rounds] == list(range(result.rounds))
    for found, record in zip(rounds, result.trace, strict=True):
        assert set(found) == ROUND
        assert found["gradient_norm"] == record.gradient_norm
        assert found["absent"] == len(record.absent)
        assert found["answered"] + found["absent"] + found["unseated"] == 9
    assert [found["unseated"] for found in rounds] == [0, 0, 1, 1, 1, 1]


def test_a_worker_that_goes_and_comes_back_is_told_at_each_change_and_not_in_between(heard):
    log = RoundLog(["ann"])
    for number, status in enumerate([OK, LATE, LATE, DEAD, DEAD, OK, OK, LATE]):
        log(after(number, absent={} if status == OK else {"ann": status}))
    assert moved(heard) == [
        ("WARNING", 1, "lost", LATE),
        ("WARNING", 3, "lost", DEAD),
        ("INFO", 5, "returned", OK),
        ("WARNING", 7, "lost", LATE),
    ]


def test_who_is_proved_bad_is_told_once_with_the_reason_and_never_comes_back(heard):
    log = RoundLog(["ann"])
    log(after(0, charged={"ann": "NaN or Inf"}))
    log(after(1, absent={"ann": DEAD}))
    log(after(2))
    assert moved(heard) == [("WARNING", 0, "unseated", "unseated")]
    assert heard()[0][1]["reason"] == "NaN or Inf"


def test_who_lost_the_seat_before_a_resume_is_not_counted_among_those_who_answer(heard):
    log = RoundLog(["ann", "ben"], unseated=lambda: {"ben": "second vote"})
    log(after(7))
    assert moved(heard) == [("WARNING", 7, "unseated", "unseated")]
    assert [found["answered"] for _, found in heard() if found["event"] == "round"] == [1]


def test_a_stranger_is_not_named(heard, caplog):
    RoundLog(["ann"])(after(0, strangers={"mallory": "not on the roster"}, refused={"mallory": 3}))
    assert "mallory" not in caplog.text
    assert heard()[0][1]["refused"] == 3


def test_the_seconds_of_a_round_are_those_since_the_round_before(heard):
    times = iter([10.0, 12.5, 13.0])
    log = RoundLog([], clock=lambda: next(times))
    log(after(0))
    log(after(1))
    assert [found["seconds"] for _, found in heard()] == [2.5, 0.5]


def test_a_transport_tells_who_did_not_answer_and_why_at_the_level_of_details(caplog):
    caplog.set_level(logging.DEBUG, logger="saddleproof")
    messages = sp.fleets.Messages([None, None, 1], (LATE, DEAD, OK), {"b": "connection lost"})
    asked = Curvatures(np.zeros(2), np.eye(2))
    log_messages(logging.getLogger("saddleproof.test"), 4, ("a", "b", "c"), messages, 0.5, asked)
    assert {r.levelno for r in caplog.records} == {logging.DEBUG}
    assert [r.getMessage() for r in caplog.records] == [
        "round 4: a is late (no answer in time)",
        "round 4: b is dead (connection lost)",
        "round 4: 1 of 3 answered Curvatures in 0.500 s",
    ]
    assert {fields(r)["question"] for r in caplog.records} == {"Curvatures"}


def test_the_library_is_silent_unless_logging_is_set_up() -> None:
    handlers = logging.getLogger("saddleproof").handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)
