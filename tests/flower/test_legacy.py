"""`legacy.RobustStrategy` in the place of `flwr.server.strategy.FedAvg`."""

from __future__ import annotations

import inspect
import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flwr.common import Code, EvaluateRes, FitRes, Parameters, Status, ndarrays_to_parameters
from flwr.common import parameters_to_ndarrays as arrays_of
from flwr.server.strategy import FedAvg

import saddleproof as sp
from saddleproof import aggregators as rules
from saddleproof.errors import OptionError
from saddleproof.flower.legacy import RobustStrategy

MODEL = [np.array([[1.0, 2.0]], np.float32), np.zeros(1, np.float32)]


class Manager:
    """A client manager whose clients are there."""

    def __init__(self, m: int) -> None:
        self.clients = {f"{i}": SimpleNamespace(cid=f"{i}") for i in range(m)}

    def num_available(self) -> int:
        return len(self.clients)

    def all(self) -> dict[str, Any]:
        return self.clients

    def sample(self, num_clients: int, min_num_clients: int | None = None) -> list[Any]:
        return list(self.clients.values())[:num_clients]


def fitted(arrays: Any, examples: int = 10, **metrics: Any) -> FitRes:
    sent = arrays if isinstance(arrays, Parameters) else ndarrays_to_parameters(arrays)
    return FitRes(Status(Code.OK, ""), sent, examples, metrics)


def round_of(strategy: Any, updates: Any, changed: Any = None, failures: Any = ()) -> Any:
    manager = Manager(len(updates))
    told = strategy.configure_fit(1, ndarrays_to_parameters(MODEL), manager)
    results = [
        (client, fitted([MODEL[0] + row[None, :2], MODEL[1] + row[2:]], loss=0.5))
        for (client, _), row in zip(told, updates, strict=True)
    ]
    if changed is not None:
        results = changed(results)
    found, metrics = strategy.aggregate_fit(1, results, list(failures))
    if found is None:
        return None, metrics
    pairs = zip(arrays_of(found), MODEL, strict=True)
    return np.concatenate([(new - old).ravel() for new, old in pairs]), metrics


def test_a_round_is_the_rule_over_what_the_clients_changed(updates: Any) -> None:
    for rule in (sp.Median(), rules.Krum, "trimmed_mean"):
        strategy = RobustStrategy(b=2, rule=rule)
        step, _ = round_of(strategy, updates)
        np.testing.assert_allclose(step, strategy._rounds.rule(updates, 2), atol=1e-6)


def test_it_takes_whatever_fedavg_takes() -> None:
    given = {
        name: parameter.default
        for name, parameter in inspect.signature(FedAvg.__init__).parameters.items()
        if name != "self"
    }
    assert given
    strategy = RobustStrategy(b=1, rule="median", **(given | {"fraction_fit": 0.5}))
    assert (strategy.fraction_fit, strategy.min_fit_clients) == (0.5, 3)
    with pytest.raises(OptionError, match=r"saddleproof\.flower\.RobustStrategy"):
        RobustStrategy(b=1, fraction_train=0.5)


BAD = {
    "a missing layer": fitted([MODEL[0]]),
    "a wrong shape": fitted([MODEL[0].T, MODEL[1]]),
    "NaN": fitted([MODEL[0] * np.nan, MODEL[1]]),
    "junk": fitted(Parameters([b"junk", b"junk"], "numpy.ndarray")),
    "another encoding": fitted(Parameters([b"", b""], "pickle")),
}


@pytest.mark.parametrize("result", BAD.values(), ids=BAD)
def test_a_result_that_is_no_model_is_charged(result: FitRes, updates: Any) -> None:
    strategy = RobustStrategy(b=2, rule="median")
    step, _ = round_of(strategy, updates, lambda results: [(results[0][0], result), *results[1:]])
    np.testing.assert_allclose(step, sp.Median()(updates[1:], 1), atol=1e-6)
    assert list(strategy.reports[0].charged) == ["0"]


def test_failures_and_two_answers_of_one_client_are_silence(updates: Any) -> None:
    strategy = RobustStrategy(b=2, rule="median")
    twice = round_of(strategy, updates, lambda results: [results[0], *results[:-1]], [OSError()])
    np.testing.assert_allclose(twice[0], sp.Median()(updates[1:-1], 2), atol=1e-6)
    assert set(strategy.reports[0].silent) == {"0", "8"}
    assert strategy.reports[0].b == 2
    refusing = RobustStrategy(b=2, rule="median", accept_failures=False)
    assert round_of(refusing, updates, failures=[OSError()]) == (None, {})


def test_the_loss_of_an_evaluation_is_the_middle_one() -> None:
    said = [(None, EvaluateRes(Status(Code.OK, ""), 0.5, 10, {})) for _ in range(3)]
    said += [(None, EvaluateRes(Status(Code.OK, ""), loss, 10**9, {})) for loss in (1e9, np.nan)]
    assert RobustStrategy(b=1, rule="median").aggregate_evaluate(1, said, [])[0] == 0.5


def test_an_apps_own_function_that_fails_on_claims_ends_nothing(updates: Any) -> None:
    def own(said: Any) -> dict[str, Any]:
        raise ZeroDivisionError

    strategy = RobustStrategy(b=2, rule="median", fit_metrics_aggregation_fn=own)
    step, metrics = round_of(strategy, updates)
    assert step is not None
    assert metrics == {}


def test_a_report_is_logged_though_flower_has_switched_every_logger_off(
    updates: Any, caplog: pytest.LogCaptureFixture
) -> None:
    strategy = RobustStrategy(b=2, rule="median")
    logging.getLogger("saddleproof.flower.legacy").disabled = True
    round_of(strategy, updates, lambda results: [(results[0][0], BAD["NaN"]), *results[1:]])
    assert str(strategy.reports[0]) in caplog.text


def test_a_first_model_of_one_client_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    RobustStrategy(b=1).initialize_parameters(Manager(3))
    assert "from one client, which may lie" in caplog.text
