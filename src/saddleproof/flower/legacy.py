"""`RobustStrategy` for Flower's older strategies, those of `flwr.server.strategy`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flwr.common import (
    FitRes,
    NDArray,
    Parameters,
    Scalar,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.server.client_manager import ClientManager
from flwr.server.client_proxy import ClientProxy
from flwr.server.strategy import FedAvg

from saddleproof.aggregators.base import Aggregator
from saddleproof.fleets.logs import speak_again
from saddleproof.flower.metrics import middle_loss
from saddleproof.flower.payload import UnreadableError, read
from saddleproof.flower.rounds import Reply, RoundReport
from saddleproof.flower.settings import check_names, fewest, rounds_of

_log = logging.getLogger(__name__)

Fitted = list[tuple[ClientProxy, FitRes]]
Failures = list[tuple[ClientProxy, Any] | BaseException]


class RobustStrategy(FedAvg):
    """Flower's `flwr.server.strategy.FedAvg`, with up to b lying clients in every round.

    As `saddleproof.flower.RobustStrategy`, for apps with a `server_fn` or `start_server`. The loss
    of an evaluation is the median of the clients' losses. An app's own functions for metrics
    (`fit_metrics_aggregation_fn`, `evaluate_metrics_aggregation_fn`) see claims that may be lies.
    Flower hands these strategies no grid, so that they cannot ask for a certificate.

    Args:
        b: see `saddleproof.flower.RobustStrategy`, as rule, weights (by `num_examples`, the
            client's own word) and server_learning_rate.
        **fedavg: everything that FedAvg takes. Pass `initial_parameters`: without it Flower takes
            the first model from one client, which may lie.

    Attributes:
        reports: what became of every round, `saddleproof.flower.RoundReport`.

    Raises:
        OptionError: an option that cannot work.
        BreakdownError: no number of clients is enough for the rule and b.
    """

    def __init__(
        self,
        *,
        b: int,
        rule: Aggregator | type[Aggregator] | str | None = None,
        weights: bool = False,
        server_learning_rate: float = 1.0,
        **fedavg: Any,
    ) -> None:
        from flwr.serverapp.strategy import FedAvg as NewerFedAvg

        check_names(
            fedavg, taken=FedAvg, other=NewerFedAvg, instead="saddleproof.flower.RobustStrategy"
        )
        self._rounds = rounds_of(
            rule, b, weights=weights, server_learning_rate=server_learning_rate
        )
        self.reports: list[RoundReport] = []
        needed = fewest(self._rounds.rule, self._rounds.b)
        for name in ("min_fit_clients", "min_available_clients"):
            fedavg[name] = max(needed, fedavg.get(name, 2))
        super().__init__(**fedavg)
        self._model: dict[str, NDArray] = {}
        self._asked: list[str] = []
        self._roster: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"RobustStrategy(b={self._rounds.b}, rule={self._rounds.rule})"

    def initialize_parameters(self, client_manager: ClientManager) -> Parameters | None:
        """The first global model, where the app gave one."""
        found = super().initialize_parameters(client_manager)
        if found is None:
            _log.warning(
                "Flower now takes the first model from one client, which may lie; pass "
                "initial_parameters"
            )
        return found

    def configure_fit(
        self, server_round: int, parameters: Parameters, client_manager: ClientManager
    ) -> Any:
        """The round's instructions, as FedAvg's; what they hold and whom they go to is kept."""
        told = super().configure_fit(server_round, parameters, client_manager)
        self._model = {str(k): x for k, x in enumerate(parameters_to_ndarrays(parameters))}
        self._asked = [client.cid for client, _ in told]
        self._roster = self._roster or tuple(sorted(client_manager.all()))
        return told

    def aggregate_fit(
        self, server_round: int, results: Fitted, failures: Failures
    ) -> tuple[Parameters | None, dict[str, Scalar]]:
        """The next global model and the metrics; None for the model where the round is skipped."""
        if not self._asked or (failures and not self.accept_failures):
            return None, {}
        came: dict[str, list[FitRes]] = {}
        for client, result in results:
            came.setdefault(client.cid, []).append(result)
        found, report = self._rounds.after(
            self._model,
            {name: _reply(came.get(name, []), self._model) for name in self._asked},
            number=server_round,
            roster=self._roster,
        )
        self.reports.append(report)
        speak_again()
        serious = report.skipped or report.charged or report.left_out
        _log.log(logging.WARNING if serious else logging.INFO, "%s", report)
        said = [(came[name][0].num_examples, came[name][0].metrics) for name in report.heard]
        metrics = _merged(self.fit_metrics_aggregation_fn, said)
        if found is None:
            return None, metrics
        return ndarrays_to_parameters(list(found.values())), metrics

    def aggregate_evaluate(
        self, server_round: int, results: Any, failures: Any
    ) -> tuple[float | None, dict[str, Scalar]]:
        """The median of the clients' losses, and the metrics by the app's own function."""
        if not results or (failures and not self.accept_failures):
            return None, {}
        said = [(result.num_examples, result.metrics) for _, result in results]
        losses = [result.loss for _, result in results]
        return middle_loss(losses), _merged(self.evaluate_metrics_aggregation_fn, said)


def _reply(came: list[FitRes], model: Mapping[str, NDArray]) -> Reply:
    """What one client's results say."""
    if not came:
        return Reply(silence="no reply, or a failure")
    if len(came) > 1:
        return Reply(silence="answered twice, so that nobody knows which is its own")
    sent = came[0].parameters
    if sent.tensor_type != "numpy.ndarray":
        return Reply(flaw=f"arrays of type {sent.tensor_type!a:.20}, not numpy.ndarray")
    if len(sent.tensors) != len(model):
        return Reply(flaw=f"{len(sent.tensors)} arrays, not {len(model)}")
    try:
        pairs = zip(sent.tensors, model.values(), strict=True)
        arrays = [read(data, array.shape, array.dtype) for data, array in pairs]
    except UnreadableError as why:
        return Reply(flaw=str(why))
    return Reply(arrays, examples=came[0].num_examples)


def _merged(function: Any, said: list[tuple[int, Any]]) -> dict[str, Scalar]:
    """What the app's own function makes of the clients' metrics; nothing where it fails on them."""
    if function is None or not said:
        return {}
    try:
        found: dict[str, Scalar] = function(said)
    except Exception as error:  # noqa: BLE001 - the app's function, over what liars may claim
        _log.warning("no metrics: %s fails on what the clients claim: %s", function, error)
        return {}
    return found
