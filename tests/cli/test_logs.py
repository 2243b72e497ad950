"""The log on stderr: what a line looks like, and that nobody can write one in another's name."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.cli import logs
from saddleproof.fleets.logs import told


def record(text: str, *arguments: Any, name: str = "saddleproof.rounds", **named: Any) -> Any:
    made = logging.LogRecord(name, logging.WARNING, "a.py", 7, text, arguments, None)
    vars(made).update(told(**named))
    return made


def shown(made: Any, about: str = "") -> tuple[str, dict[str, Any]]:
    return logs.Text(about).format(made), json.loads(logs.Json(about).format(made))


def test_a_line_of_text_is_a_time_a_level_and_a_sentence():
    text, _ = shown(record("round %d: %s is lost", 7, "ann"))
    time, level, rest = text.split(" ", 2)
    assert datetime.fromisoformat(time).tzinfo is not None
    assert (level, rest) == ("warning:", "round 7: ann is lost")


def test_a_line_of_json_has_the_record_s_fields_by_name():
    _, found = shown(record("lost", event="lost", round=7, worker="ann"), about="ben")
    time = found.pop("time")
    assert datetime.fromisoformat(time).tzinfo is not None
    assert found == {
        "level": "warning",
        "logger": "saddleproof.rounds",
        "message": "lost",
        "process": "ben",
        "event": "lost",
        "round": 7,
        "worker": "ann",
    }


@given(st.text(max_size=40))
def test_whatever_a_name_holds_a_record_is_one_line_that_a_terminal_only_prints(name: str):
    made = record("%s is lost (%s)", name, "dead", event="lost", worker=name)
    text, found = shown(made)
    packed = logs.Json("").format(made)
    assert len(text.splitlines()) == len(packed.splitlines()) == 1
    for said in (text, packed, found["worker"], found["message"]):
        assert said.isprintable()


def test_numbers_that_json_does_not_know_are_null():
    packed = logs.Json("").format(record("round", norm=float("nan"), off=float("inf"), q=3))
    found = json.loads(packed, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (found["norm"], found["off"], found["q"]) == (None, None, 3)


def test_a_traceback_is_indented_or_a_field():
    error = ValueError("first\n2026-11-30T12:00:00.000Z error: forged")
    made = record("failed")
    made.exc_info = (ValueError, error, None)
    text, found = shown(made)
    first, *rest = text.splitlines()
    assert first.endswith("warning: failed")
    assert all(line.startswith("    ") for line in rest)
    assert "ValueError" in found["exception"]


def test_a_foreign_line_that_repeats_without_end_is_told_ever_more_rarely(capsys):
    logs.begin("text", "info")
    for i in range(1000):
        logging.getLogger("grpc.core").error("broken pipe %d", i)
        logging.getLogger("saddleproof.x").info("ours %d", i)
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "ours" in line]) == 1000
    assert len([line for line in lines if "broken pipe" in line]) == 10


@pytest.mark.parametrize("level", logs.LEVELS)
def test_the_level_is_that_of_our_lines_and_others_tell_warnings_at_least(level, capsys):
    logs.begin("text", level)
    for name in ("saddleproof.x", "grpc.core"):
        for each in logs.LEVELS:
            getattr(logging.getLogger(name), each)("%s of %s", each, name)
    told = capsys.readouterr().err
    for i, each in enumerate(logs.LEVELS):
        assert (f"{each} of saddleproof.x" in told) == (i >= logs.LEVELS.index(level))
        assert (f"{each} of grpc.core" in told) == (each in ("warning", "error"))


def test_a_log_that_is_begun_twice_says_everything_once(capsys):
    logs.begin("text", "info")
    logs.begin("json", "info")
    logging.getLogger("saddleproof.x").info("once")
    assert capsys.readouterr().err.count("once") == 1
