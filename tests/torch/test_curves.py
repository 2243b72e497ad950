"""The curves of a training: metrics of a test set, and proved changes of the training loss."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import network, rows
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

import saddleproof as sp
from saddleproof.checkpoint import RoundRecord
from saddleproof.errors import OptionError
from saddleproof.optimizers.plateaus import LossTest
from saddleproof.torch import History, TorchProblem, fit
from saddleproof.torch.curves import bracketed
from saddleproof.torch.telling import lasting


def unseen(n: int = 30) -> Any:
    torch.manual_seed(7)
    return rows(workers=1, n=n)[0]


def train(**options: Any) -> Any:
    torch.manual_seed(0)
    given = {"b": 1, "rounds": 60, "seed": 0, "batch_size": 5, "certify": False} | options
    given.setdefault("evaluate", unseen())
    return fit(nn.Sequential(network(), nn.Dropout(0.4)), cross_entropy, rows(6), **given)


@pytest.mark.parametrize("n", [30, 1100])  # one piece, and three
def test_the_last_point_of_a_curve_is_the_model_that_comes_back(n: int) -> None:
    x, y = unseen(n)
    trained, result = train(rounds=9, evaluate=(x, y))
    output = trained.eval()(x)
    assert result.history["loss"][-1] == pytest.approx(cross_entropy(output, y).item())
    right = (output.argmax(dim=1) == y).double().mean().item()
    assert result.history["accuracy"][-1] == pytest.approx(right)
    assert result.history.rounds.tolist() == [0, 9]
    assert f"loss {result.history['loss'][-1]:.4g}" in repr(result)


def test_a_curve_has_the_start_the_end_and_a_point_every_so_many_rounds() -> None:
    history = train(evaluate_every=20)[1].history
    assert history.rounds.tolist() == [0, 20, 40, 60]
    assert set(history.metrics) == {"loss", "accuracy"}
    # Rounds 25 and 51 test the loss; the point of a curve is the next one of a gradient.
    assert train(evaluate_every=25)[1].history.rounds.tolist() == [0, 26, 50, 60]


def test_every_point_is_the_model_that_a_shorter_training_gives() -> None:
    history = train(evaluate_every=7, rounds=15)[1].history
    for at, rounds in enumerate((0, 7, 14)):
        short = train(rounds=rounds)[1].history
        assert short["loss"][-1] == history["loss"][at]


def test_looking_changes_nothing() -> None:
    looked = train(evaluate_every=1, rounds=12)[1].w
    np.testing.assert_array_equal(looked, train(evaluate=None, rounds=12)[1].w)
    assert len(train(evaluate=None, rounds=1)[1].history.rounds) == 0


def test_metrics_of_ones_own_get_all_outputs_and_targets() -> None:
    seen = []

    def rows_of(output: Any, target: Any) -> int:
        seen.append((output.shape, target.shape, torch.is_grad_enabled()))
        return len(output)

    history = train(rounds=2, metrics={"rows": rows_of, "tensor": lambda o, _: o.mean()})[1].history
    assert history["rows"].tolist() == [30, 30]
    assert set(history.metrics) == {"rows", "tensor"}
    assert set(seen) == {((30, 3), (30,), False)}


def test_a_metric_that_fails_on_the_way_is_nan_and_training_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = iter(range(100))

    def fails_later(*_: Any) -> float:
        if next(calls) > 1:
            raise ZeroDivisionError("no rows left")
        return 1.0

    result = train(rounds=8, evaluate_every=4, metrics={"odd": fails_later})[1]
    np.testing.assert_array_equal(result.history["odd"], [1.0, np.nan, np.nan])
    assert result.rounds == 8
    assert "metric odd failed: ZeroDivisionError: no rows left" in caplog.text


def test_regression_has_no_accuracy() -> None:
    data = [(torch.randn(9, 2), torch.randn(9, 1)) for _ in range(5)]
    result = fit(nn.Linear(2, 1), mse_loss, data, b=1, rounds=2, evaluate=data[0], certify=False)[1]
    assert set(result.history.metrics) == {"loss"}


def test_a_test_set_may_come_as_a_loader() -> None:
    x, y = unseen()
    loader = DataLoader(TensorDataset(x, y), batch_size=7)
    one, other = (train(rounds=3, evaluate=given)[1].history for given in ((x, y), loader))
    np.testing.assert_array_equal(one["loss"], other["loss"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"evaluate": 3}, "the test set's shard must be"),
        ({"evaluate": {"x": torch.ones(3, 4)}}, "the test set's have 'x'"),
        ({"evaluate": (torch.ones(3, 9), torch.zeros(3).long())}, "evaluate= fails.*shapes"),
        ({"evaluate": (torch.ones(3, 4), torch.full((3,), 9))}, "evaluate= fails"),
        ({"metrics": {}}, "metrics must be a dict"),
        ({"metrics": [len]}, "metrics must be a dict"),
        ({"metrics": {1: len}}, "named by strings"),
        ({"metrics": {"a": 3}}, "the metric 'a' must be a function"),
        ({"metrics": {"a": lambda o, _: o}}, "the metric 'a' must return one number; got Tensor"),
        ({"metrics": {"a": lambda *_: None}}, "the metric 'a' must return one number"),
        ({"metrics": {"a": lambda *_: 1}, "evaluate": None}, "pass evaluate="),
        ({"evaluate_every": 0}, "evaluate_every must be"),
        ({"evaluate_every": 2.5}, "evaluate_every must be"),
    ],
)
def test_an_evaluation_that_cannot_work_is_refused_before_the_first_round(
    options: dict[str, Any], message: str
) -> None:
    heard: list[object] = []
    with pytest.raises(OptionError, match=message):
        train(callback=heard.append, **options)
    assert heard == []


def test_brackets_hold_the_change_of_the_honest_mean_since_the_start() -> None:
    attack = sp.attacks.LyingAnswers(sp.attacks.SignFlip(), says="for", size=0.1)
    torch.manual_seed(0)
    module, data = network(), rows(7, 20)
    points = []
    _, result = fit(
        module, cross_entropy, data, b=2, rounds=60, seed=0, batch_size=10, attack=attack,
        certify=False, callback=lambda p: points.append(p.w),
    )  # fmt: skip
    problem, history = TorchProblem(module, cross_entropy, data), result.history
    assert history.loss_rounds.tolist() == [25, 51]
    start = problem.values(problem.start)[2:].mean()  # the first two lie
    for at, low, high in zip(history.loss_rounds, history.loss_low, history.loss_high, strict=True):
        true = problem.values(np.asarray(points[at - 1], dtype=float))[2:].mean() - start
        assert low - 1e-9 <= true <= high + 1e-9


def record(number: int, question: str) -> RoundRecord:
    return RoundRecord(number, 1, 1.0, 1.0, question=question)


def test_brackets_add_up_from_fall_to_fall_and_end_at_a_jump() -> None:
    kinds = ["Gradients", "Gradients", "Changes"] * 4
    trace = [record(i, kind) for i, kind in enumerate(kinds)]
    tests = (
        LossTest(0, 2, -3.0, -1.0, 0.0),
        LossTest(2, 4, -1.0, 2.0, 1.0),
        LossTest(2, 6, -2.0, -0.5, 1.0),
        LossTest(7, 8, -9.0, -8.0, 0.0),  # counted from a jump
    )
    rounds, low, high = bracketed(tests, trace)
    assert (rounds.tolist(), low.tolist(), high.tolist()) == (
        [2, 5, 8], [-3.0, -4.0, -5.0], [-1.0, 1.0, -1.5],
    )  # fmt: skip
    assert [len(x) for x in bracketed((), trace)] == [0, 0, 0]


def test_a_plot_has_a_panel_a_curve(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = train(rounds=27)[1].history
    figure = history.plot(tmp_path / "curves.svg")
    assert [ax.get_ylabel() for ax in figure.axes][:2] == ["loss", "accuracy"]
    assert len(figure.axes) == 3
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xydata()[:, 1], history["loss"])
    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")
    with pytest.raises(OptionError, match="no curve to plot"):
        History().plot()


def test_a_metric_that_is_not_there_is_named() -> None:
    with pytest.raises(OptionError, match="no metric 'f1'; there are loss, accuracy"):
        train(rounds=0)[1].history["f1"]
    assert "no evaluation" in repr(History())


def test_the_log_has_what_the_terminal_has(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG, logger="saddleproof"):
        result = train(rounds=30, progress=True, sample=5, evaluate_every=10)[1]
    text = caplog.text
    assert "training 43 parameters over 6 workers, b=1, 30 rounds" in text
    assert "after 10 rounds: loss" in text
    assert "round 25 of 30: the loss has" in text
    assert text.count(" of 30: ") == 30
    assert result.message in text
    assert all(sentence in text for sentence in result.guarantee)
    shown = capsys.readouterr().err
    assert "25 of 30" in shown
    assert "accuracy" in shown
    assert " left" in shown


def test_a_time_is_told_to_the_second() -> None:
    assert [lasting(x) for x in (0.4, 61, 90_000)] == ["0:00:00", "0:01:01", "1 day, 1:00:00"]
