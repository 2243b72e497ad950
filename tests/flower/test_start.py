"""A whole run of `RobustStrategy`, in Flower's own loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord
from flwr.serverapp.grid import Grid

from saddleproof.flower import RobustStrategy


@pytest.fixture
def hasty(federation: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The federation without the three seconds that Flower sleeps between two looks."""
    assert isinstance(federation, Grid)

    def both(messages: Any, *, timeout: float | None = None) -> Any:
        return list(federation.pull_messages(list(federation.push_messages(list(messages)))))

    monkeypatch.setattr(federation, "send_and_receive", both)
    return federation


def started(strategy: Any, federation: Any) -> Any:
    first = ArrayRecord({"w": Array(np.zeros((1, 2), "f4")), "b": Array(np.zeros(1, "f4"))})
    return strategy.start(federation, first, num_rounds=3)


def test_a_run_moves_the_model_once_a_round(hasty: Any, updates: Any) -> None:
    strategy = RobustStrategy(b=2, rule="median", fraction_evaluate=0.0)
    result = started(strategy, hasty)
    moved = np.concatenate([result.arrays[name].numpy().ravel() for name in ("w", "b")])
    np.testing.assert_allclose(moved, 3 * strategy.rule(updates, 2), atol=1e-5)
    assert [report.round for report in strategy.reports] == [1, 2, 3]
    assert strategy.certificate is None


def test_a_certificate_that_nobody_answers_for_is_said_plainly_and_loses_nothing(
    hasty: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hasty.acts = {one: silenced(act) for one, act in hasty.acts.items()}
    strategy = RobustStrategy(b=2, rule="median", fraction_evaluate=0.0, certify=True)
    result = started(strategy, hasty)
    assert len(result.arrays) == 2
    assert strategy.certificate is not None
    assert not strategy.certificate.certified
    assert "none of the 9 clients" in strategy.certificate.reason
    assert "the final model is not certified: none of the 9" in caplog.text


def silenced(act: Any) -> Any:
    """A client whose app has no query function: Flower sends the error back."""
    from flwr.app import Error, Message

    def run(message: Any) -> Any:
        if message.metadata.message_type == "query":
            return Message(Error(code=2, reason="no query function"), reply_to=message)
        return act(message)

    return run


def test_training_nobody_is_left_to_flower(hasty: Any) -> None:
    result = started(RobustStrategy(b=2, fraction_train=0.0, fraction_evaluate=0.0), hasty)
    assert not result.train_metrics_clientapp
