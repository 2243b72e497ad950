"""Metrics of a run: clients may claim anything, and set nothing."""

from __future__ import annotations

from typing import Any

import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.exception import InconsistentMessageReplies
from flwr.serverapp.strategy import FedAvg

from saddleproof.flower import RobustStrategy

CLAIMS = {
    "a lie": {"loss": 1e30, "num-examples": 10**15},
    "NaN": {"loss": float("nan")},
    "a list": {"loss": [0.1, 0.2]},
    "other names": {"accuracy": 1.0},
    "no examples": {"num-examples": 0},
    "negative examples": {"num-examples": -80},
}


def evaluated(strategy: Any, federation: Any, claim: Any) -> Any:
    """One evaluation in which two of nine clients claim something."""
    for i, one in enumerate(federation.acts):
        said = {"num-examples": 10, "loss": 0.5} | (claim(i) if callable(claim) else {})
        said |= claim if i < 2 and not callable(claim) else {}
        federation.acts[one] = lambda message, said=said: Message(
            RecordDict({"metrics": MetricRecord(said)}), reply_to=message
        )
    asked = list(strategy.configure_evaluate(1, ArrayRecord(), ConfigRecord(), federation))
    replies = federation.pull_messages(list(federation.push_messages(asked)))
    return strategy.aggregate_evaluate(1, list(replies))


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_the_metrics_of_an_evaluation_are_the_middle_of_what_is_said(
    claim: Any, federation: Any
) -> None:
    found = evaluated(RobustStrategy(b=2, rule="median"), federation, claim)
    assert found["loss"] == 0.5
    assert "num-examples" not in found


def test_liars_that_agree_do_not_outvote_honest_clients_that_report_different_things(
    federation: Any,
) -> None:
    found = evaluated(
        RobustStrategy(b=2, rule="median"),
        federation,
        lambda i: {"loss": 1e9} if i < 2 else {f"own-{i}": 1.0},
    )
    assert dict(found) == {"loss": 0.5}


def test_one_client_ends_a_run_of_fedavg(federation: Any) -> None:
    """What the above is against; a Flower that mends this needs no guard of ours."""
    with pytest.raises(InconsistentMessageReplies):
        evaluated(FedAvg(), federation, CLAIMS["other names"])


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_an_apps_own_function_sees_replies_alike_and_may_fail(claim: Any, federation: Any) -> None:
    seen = []

    def own(contents: Any, key: str) -> MetricRecord:
        seen.append(len({tuple(c["metrics"]) for c in contents}))
        return MetricRecord({"sum": 1 / sum(c["metrics"][key] - 10 for c in contents)})

    strategy = RobustStrategy(b=2, rule="median", evaluate_metrics_aggr_fn=own)
    evaluated(strategy, federation, claim)
    assert seen == [1]
