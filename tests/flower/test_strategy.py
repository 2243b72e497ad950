"""`RobustStrategy` in the place of FedAvg: what it gives, and what it takes."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Error, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg

import saddleproof as sp
from saddleproof import aggregators as rules
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.flower import RobustStrategy


def test_a_round_is_the_rule_over_what_the_clients_changed(
    federation: Any, round_of: Any, updates: Any
) -> None:
    for rule in (sp.Median(), rules.Krum, "trimmed_mean"):
        strategy = RobustStrategy(b=2, rule=rule)
        step, metrics = round_of(strategy, federation)
        np.testing.assert_allclose(step, strategy.rule(updates, 2), atol=1e-6)
        assert dict(metrics) == {"loss": 0.5}
        assert len(strategy.reports[0].heard) == 9


def test_with_the_mean_and_no_liars_it_is_fedavg(federation: Any, round_of: Any) -> None:
    ours, _ = round_of(RobustStrategy(b=0, rule="mean", weights=True), federation)
    flowers, _ = round_of(FedAvg(), federation)
    np.testing.assert_allclose(ours, flowers, atol=1e-6)


def test_it_takes_whatever_fedavg_takes() -> None:
    given = {
        name: parameter.default
        for name, parameter in inspect.signature(FedAvg.__init__).parameters.items()
        if name != "self"
    }
    assert given
    strategy = RobustStrategy(b=1, rule="median", **(given | {"fraction_train": 0.5}))
    assert isinstance(strategy, FedAvg)
    assert strategy.fraction_train == 0.5


def test_flower_waits_for_as_many_clients_as_the_rule_needs() -> None:
    strategy = RobustStrategy(b=3, rule="krum", min_train_nodes=4)
    assert strategy.min_train_nodes == strategy.min_available_nodes == 9
    assert RobustStrategy(b=3, rule="krum", min_train_nodes=20).min_train_nodes == 20


class Never(sp.Median):
    """A rule that holds no liar."""

    def breakdown(self, m: int) -> int:
        return 0


def test_every_option_that_cannot_work_is_refused_at_once() -> None:
    with pytest.raises(OptionError, match="did you mean median"):
        RobustStrategy(b=1, rule="meidan")
    with pytest.raises(OptionError, match="pass an instance, FLTrust"):
        RobustStrategy(b=1, rule="fltrust")
    with pytest.raises(OptionError, match="server_learning_rate"):
        RobustStrategy(b=1, server_learning_rate=0)
    with pytest.raises(OptionError, match="b must be"):
        RobustStrategy(b=-1)
    with pytest.raises(BreakdownError, match="Never holds at most 0"):
        RobustStrategy(b=1, rule=Never())
    with pytest.raises(OptionError, match=r"saddleproof\.flower\.legacy\.RobustStrategy"):
        RobustStrategy(b=1, fraction_fit=0.5)
    with pytest.raises(TypeError, match="nonsense"):
        RobustStrategy(b=1, nonsense=0.5)


def raw(data: bytes, stype: str = "numpy.ndarray") -> ArrayRecord:
    return ArrayRecord({"w": Array("float32", (1, 2), stype, data), "b": Array(np.zeros(1, "f4"))})


HOSTILE = {
    "a missing layer": {"w": np.zeros((1, 2), "f4")},
    "one layer more": {"w": np.zeros((1, 2), "f4")} | {k: np.zeros(1, "f4") for k in "bx"},
    "a wrong shape": {"w": np.zeros((2, 1), "f4"), "b": np.zeros(1, "f4")},
    "integers": {"w": np.zeros((1, 2), int), "b": np.zeros(1, "f4")},
    "NaN": {"w": np.full((1, 2), np.nan, "f4"), "b": np.zeros(1, "f4")},
    "Inf": {"w": np.full((1, 2), np.inf, "f4"), "b": np.zeros(1, "f4")},
    "beyond float32": {"w": np.full((1, 2), 1e300), "b": np.zeros(1, "f4")},
    "no NumPy file": raw(b"junk"),
    "another encoding": raw(Array(np.zeros((1, 2), "f4")).data, "pickle"),
}


@pytest.mark.parametrize("arrays", HOSTILE.values(), ids=HOSTILE)
def test_a_reply_that_is_no_model_is_charged_and_ends_nothing(
    arrays: Any, federation: Any, round_of: Any, reply: Any, updates: Any
) -> None:
    liar = next(iter(federation.acts))
    federation.acts[liar] = lambda message: reply(message, arrays)
    strategy = RobustStrategy(b=2, rule="median")
    step, _ = round_of(strategy, federation)
    np.testing.assert_allclose(step, sp.Median()(updates[1:], 1), atol=1e-6)
    assert list(strategy.reports[0].charged) == [str(liar)]


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({"metrics": MetricRecord({"loss": 0.1})}),
        RecordDict({"a": ArrayRecord(), "b": ArrayRecord()}),
    ],
)
def test_a_reply_without_one_record_of_arrays_is_charged(
    content: RecordDict, federation: Any, round_of: Any
) -> None:
    liar = next(iter(federation.acts))
    federation.acts[liar] = lambda message: Message(content, reply_to=message)
    strategy = RobustStrategy(b=2, rule="median")
    assert round_of(strategy, federation)[0] is not None
    assert list(strategy.reports[0].charged) == [str(liar)]


def test_a_failure_and_an_absence_are_silence(federation: Any, round_of: Any) -> None:
    fails, absent, *_ = federation.acts
    error = Error(code=1, reason="out of\nmemory")
    federation.acts[fails] = lambda message: Message(error, reply_to=message)
    federation.acts[absent] = lambda message: None
    strategy = RobustStrategy(b=2, rule="median")
    assert round_of(strategy, federation)[0] is not None
    (report,) = strategy.reports
    assert (set(report.silent), report.charged, report.b) == ({str(fails), str(absent)}, {}, 2)
    assert "\n" not in str(report)


def test_an_answer_for_another_node_and_a_second_answer_are_nobodys(
    federation: Any,
    round_of: Any,
    reply: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pull = federation.pull_messages

    def pulled(ids: Any) -> Any:
        replies = list(pull(ids))
        twice = reply(replies[0], {"w": np.full((1, 2), 9.0, "f4"), "b": np.zeros(1, "f4")})
        about = replies[0].metadata.reply_to_message_id
        twice.metadata.__dict__["_reply_to_message_id"] = about
        stranger = reply(replies[0], {"w": np.full((1, 2), 9.0, "f4"), "b": np.zeros(1, "f4")})
        stranger.metadata.__dict__["_reply_to_message_id"] = "another round's"
        return [*replies, twice, stranger]

    monkeypatch.setattr(federation, "pull_messages", pulled)
    strategy = RobustStrategy(b=2, rule="median")
    round_of(strategy, federation)
    (report,) = strategy.reports
    assert len(report.heard) == 8
    assert "answered twice" in next(iter(report.silent.values()))
    assert "a reply to no message of this round is dropped" in caplog.text
    assert report.charged == {}


def test_a_skipped_round_keeps_the_model_and_is_logged(
    federation: Any, round_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for one in list(federation.acts)[:6]:
        federation.acts[one] = lambda message: None
    strategy = RobustStrategy(b=2, rule="median")
    with caplog.at_level(logging.WARNING, "saddleproof"):
        step, _ = round_of(strategy, federation)
    assert step is None
    assert "3 usable messages cannot hold b=2" in strategy.reports[0].skipped
    assert "the model stays" in caplog.text
