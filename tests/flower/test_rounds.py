"""A round without Flower: what becomes of replies, and what the next model is."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof import aggregators as rules
from saddleproof.aggregators.table import AGGREGATORS
from saddleproof.errors import OptionError
from saddleproof.flower.rounds import Reply, RobustRounds, RoundReport
from saddleproof.flower.settings import fewest, rounds_of, rule_of

MODEL = {
    "w": np.array([[1.0, 2.0]], np.float32),
    "steps": np.array(5),
    "b": np.zeros(1, np.float32),
}
ROWS = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)


def reply(row: np.ndarray, steps: int = 6, **more: object) -> Reply:
    """A client whose model is the global one plus `row`."""
    arrays = [MODEL["w"] + row[None, :2], np.array(steps), MODEL["b"] + row[2:]]
    return Reply(arrays, **more)


def replies(rows: np.ndarray = ROWS) -> dict[str, Reply]:
    return {f"node-{i}": reply(row) for i, row in enumerate(rows)}


def step(model: dict | None) -> np.ndarray:
    assert model is not None
    return np.concatenate([(model["w"] - MODEL["w"]).ravel(), model["b"] - MODEL["b"]])


@pytest.mark.parametrize("name", AGGREGATORS)
def test_the_step_is_what_the_rule_makes_of_the_differences(name: str) -> None:
    rule = rule_of(name)
    b = min(2, rule.breakdown(len(ROWS)))
    model, report = RobustRounds(rule, b).after(MODEL, replies(), number=1)
    exact = (MODEL["w"] + ROWS[:, None, :2]) - MODEL["w"]
    rows = np.concatenate([exact[:, 0], ROWS[:, 2:]], axis=1)
    np.testing.assert_allclose(step(model), rule(rows, b), atol=2e-6)
    assert (report.skipped, report.heard, report.b) == ("", tuple(replies()), b)


def test_every_array_keeps_its_dtype_and_shape_and_a_counter_takes_the_middle_value() -> None:
    said = replies() | {"node-0": reply(ROWS[0], steps=10**9), "node-1": reply(ROWS[1], steps=-7)}
    model, _ = RobustRounds(sp.Median(), 2).after(MODEL, said, number=1)
    assert model is not None
    assert list(model) == list(MODEL)
    for name, array in MODEL.items():
        assert (model[name].dtype, model[name].shape) == (array.dtype, array.shape)
    assert model["steps"] == 6


@given(st.floats(0.01, 10), st.integers(0, 2**32 - 1))
def test_the_servers_learning_rate_scales_the_step(rate: float, seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((9, 3)).astype(np.float32)
    whole, _ = RobustRounds(sp.Median(), 2).after(MODEL, replies(rows), number=1)
    part, _ = rounds_of("median", 2, weights=False, server_learning_rate=rate).after(
        MODEL, replies(rows), number=1
    )
    np.testing.assert_allclose(step(part), rate * step(whole), rtol=1e-4, atol=1e-5)


def test_clipping_is_about_what_a_client_changed_and_not_about_the_model() -> None:
    far = {name: array + 1000 for name, array in MODEL.items() if name != "steps"}
    rule = rules.Clipping(sp.Mean(), radius=1.0, about="origin")
    rows = {f"{i}": Reply([far["w"] + 1, far["b"] + 1]) for i in range(3)}
    model, _ = RobustRounds(rule, 0).after(far, rows, number=1)
    assert model is not None
    np.testing.assert_allclose(model["b"] - far["b"], 3**-0.5, rtol=1e-3)


BAD = {
    "NaN": reply(np.array([np.nan, 0, 0])),
    "Inf": reply(np.array([0, 0, np.inf])),
    "flawed": Reply(flaw="arrays ['w'] are missing"),
}
SILENT = {"failed": Reply(silence="failed: 'out of memory'"), "absent": Reply(silence="no reply")}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_reply_is_charged_to_b_in_this_round_alone(kind: str) -> None:
    rounds = RobustRounds(sp.Median(), 2)
    model, report = rounds.after(MODEL, replies() | {"node-3": BAD[kind]}, number=1)
    others = np.delete(ROWS, 3, axis=0)
    np.testing.assert_allclose(step(model), sp.Median()(others, 1), atol=1e-6)
    assert (list(report.charged), report.b) == (["node-3"], 1)
    assert re.search("NaN or Inf|missing", report.charged["node-3"])
    _, later = rounds.after(MODEL, replies(), number=2)
    assert (later.charged, later.b) == ({}, 2)


@pytest.mark.parametrize("kind", SILENT)
def test_silence_leaves_b_as_it_is(kind: str) -> None:
    said = replies() | {"node-3": SILENT[kind]}
    model, report = RobustRounds(sp.TrimmedMean(), 2).after(MODEL, said, number=1)
    others = np.delete(ROWS, 3, axis=0)
    np.testing.assert_allclose(step(model), sp.TrimmedMean()(others, 2), atol=1e-6)
    assert (report.charged, report.b) == ({}, 2)
    assert report.silent == {"node-3": SILENT[kind].silence}


def test_too_few_usable_replies_skip_the_round_and_say_so() -> None:
    silent = {f"node-{i}": Reply(silence="no reply") for i in range(5)}
    model, report = RobustRounds(sp.Median(), 2).after(MODEL, replies() | silent, number=1)
    assert model is None
    assert "4 usable messages cannot hold b=2" in report.skipped
    assert "skipped, the model stays" in str(report)


def test_more_proved_liars_than_b_skip_the_round() -> None:
    bad = {f"node-{i}": BAD["flawed"] for i in range(3)}
    model, report = RobustRounds(sp.Median(), 2).after(MODEL, replies() | bad, number=1)
    assert model is None
    assert "only b=2 were allowed for" in report.skipped
    assert len(report.charged) == 3


def test_where_more_than_b_answer_nan_the_model_overflows_and_nobody_is_charged() -> None:
    bad = {f"node-{i}": BAD["NaN"] for i in range(3)}
    model, report = RobustRounds(sp.Median(), 2).after(MODEL, replies() | bad, number=1)
    assert model is None
    assert "the model itself overflows" in report.skipped
    assert report.charged == {}


def test_a_step_that_overflows_is_not_taken() -> None:
    huge = {f"node-{i}": reply(np.full(3, 3e38)) for i in range(3)}
    rounds = RobustRounds(sp.Mean(), 0, server_learning_rate=9.0)
    model, report = rounds.after(MODEL, huge, number=1)
    assert model is None
    assert "overflows" in report.skipped


def test_a_model_that_is_not_finite_is_refused() -> None:
    with pytest.raises(OptionError, match="holds NaN or Inf"):
        RobustRounds(sp.Median(), 1).after(MODEL | {"b": np.array([np.nan])}, replies(), number=1)


@pytest.mark.parametrize("array", [np.array(["x"]), np.zeros(1, complex), np.array([None])])
def test_a_model_of_no_numbers_is_refused_by_name(array: np.ndarray) -> None:
    with pytest.raises(OptionError, match="'odd' is"):
        RobustRounds(sp.Median(), 1).after(MODEL | {"odd": array}, replies(), number=1)


def test_who_never_enters_the_aggregate_is_told() -> None:
    said = replies() | {"node-3": reply(np.full(3, 1e6))}
    _, report = RobustRounds(rules.Krum(), 1).after(MODEL, said, number=1)
    assert "node-3" in report.left_out
    assert "left out by the rule" in str(report)


def test_a_rule_that_keeps_books_keeps_them_by_name() -> None:
    """A liar is caught by its sum over rounds, whatever the order in which replies come."""
    rounds = RobustRounds(rules.SafeguardSGD(), 2)
    rng = np.random.default_rng(1)
    for number in range(60):
        rows = rng.standard_normal((9, 3)).astype(np.float32)
        rows[4] += 6.0
        said = replies(rows)
        if number % 2:  # rows come in another order, and somebody is late
            said = dict(reversed(said.items())) | {"node-0": SILENT["absent"]}
        _, report = rounds.after(MODEL, said, number=number, roster=tuple(replies()))
    assert report.left_out == ("node-4",)


def test_who_joins_later_is_not_heard_by_a_rule_that_keeps_books() -> None:
    rounds = RobustRounds(rules.SafeguardSGD(), 2)
    rounds.after(MODEL, replies(), number=1, roster=tuple(replies()))
    model, report = rounds.after(MODEL, replies() | {"new": reply(ROWS[0])}, number=2)
    assert model is not None
    assert "new" not in report.heard
    assert "joined after" in report.silent["new"]


@pytest.mark.parametrize(("rule", "least"), [("median", 3), ("krum", 5), (rules.Krum(omit=1), 3)])
def test_the_fewest_clients_are_what_the_rule_needs(rule: object, least: int) -> None:
    assert fewest(rule_of(rule), 1) == least


def test_a_report_says_all_that_happened_in_one_line() -> None:
    report = RoundReport(3, "too few", 9, ("a",), {"b": "NaN"}, {"c": "no reply"}, ("a",), 1)
    for said in ("round 3", "1 of 9", "too few", "b (NaN)", "c (no reply)"):
        assert said in str(report)
    assert "\n" not in str(report)
