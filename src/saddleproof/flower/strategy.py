"""`RobustStrategy` for Flower's Message API: FedAvg with a robust rule instead of the mean."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg, Result

from saddleproof import arguments
from saddleproof.aggregators.base import Aggregator
from saddleproof.certificate import Budget
from saddleproof.claims import Certificate
from saddleproof.fleets.logs import speak_again
from saddleproof.flower.certifying import certificate_of
from saddleproof.flower.metrics import medians
from saddleproof.flower.payload import UnreadableError, read
from saddleproof.flower.rounds import Reply, RoundReport
from saddleproof.flower.settings import check_names, fewest, rounds_of

_log = logging.getLogger(__name__)
#: How Flower marks the bytes of a NumPy file.
_NUMPY = "numpy.ndarray"


class RobustStrategy(FedAvg):
    """Flower's `flwr.serverapp.strategy.FedAvg`, with up to b lying clients in every round.

    The clients of an app stay as they are. What they send is judged and aggregated as
    `saddleproof.flower.rounds` says; a round with too few usable replies is skipped, and the global
    model stays. So that this is rare, `min_train_nodes` and `min_available_nodes` are raised to the
    fewest clients that the rule needs for b.

    Metrics are the median of what the clients say, unless the app brings functions of its own
    (`train_metrics_aggr_fn`, `evaluate_metrics_aggr_fn`), which then see claims that may be lies.

    A client is a node of Flower. Unless SuperNodes are authenticated anybody may register many of
    them, and b counts them all.

    Args:
        b: the most lying clients of the whole federation, whichever of them a round samples.
        rule: an aggregation rule: an instance, a class or a name such as "median"; None takes
            nearest-neighbour mixing and the trimmed mean.
        weights: let clients count by the number of examples that they say they have
            (`weighted_by_key`). That number is the client's own word, so shares are capped as
            `saddleproof.aggregators.shares.capped` says: whatever b clients claim, they hold less
            than 1/3 (1/2 where b is a third or more). By default all clients count alike.
        server_learning_rate: > 0, length of the server's step over that of the aggregate. Buffers
            such as BatchNorm's statistics take it too.
        certify: ask for a certificate of the final model at the end of `start`. The clients must
            answer questions (`saddleproof.flower.answer_questions`).
        budget: what a certificate may cost a client; see `saddleproof.certificate.Budget`.
        workers: for the certificate, worker to public key as `saddleproof.flower.new_key` returned
            it; without it an answer counts for the node that was asked.
        **fedavg: everything that FedAvg takes, such as `fraction_train` and `min_available_nodes`.

    Attributes:
        reports: what became of every round, `saddleproof.flower.RoundReport`.
        certificate: of the final model; None before the end, and without `certify`.

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
        certify: bool = False,
        budget: Budget | None = None,
        workers: Mapping[str, str] | None = None,
        **fedavg: Any,
    ) -> None:
        from flwr.server.strategy import FedAvg as OlderFedAvg

        check_names(
            fedavg,
            taken=FedAvg,
            other=OlderFedAvg,
            instead="saddleproof.flower.legacy.RobustStrategy",
        )
        self._rounds = rounds_of(
            rule, b, weights=weights, server_learning_rate=server_learning_rate
        )
        self.certify, self.budget, self.workers = (
            arguments.flag("certify", certify),
            budget,
            workers,
        )
        self.reports: list[RoundReport] = []
        self.certificate: Certificate | None = None
        needed = fewest(self._rounds.rule, self._rounds.b)
        for name in ("min_train_nodes", "min_available_nodes"):
            fedavg[name] = max(needed, fedavg.get(name, 2))
        for name in ("train_metrics_aggr_fn", "evaluate_metrics_aggr_fn"):
            fedavg[name] = fedavg.get(name) or _medians
        super().__init__(**fedavg)
        self._arrays: ArrayRecord | None = None
        self._asked: list[Message] = []
        self._roster: tuple[str, ...] = ()

    @property
    def b(self) -> int:
        """The most lying clients of a round."""
        return self._rounds.b

    @property
    def rule(self) -> Aggregator:
        """The aggregation rule."""
        return self._rounds.rule

    def summary(self) -> None:
        """Log the settings, FedAvg's own among them."""
        _log.info("%s, b=%d", self.rule, self.b)
        super().summary()

    def start(self, grid: Grid, initial_arrays: ArrayRecord, *args: Any, **kwargs: Any) -> Result:
        """Run all rounds, as FedAvg does, and then ask for a certificate where `certify` says so.

        Args:
            grid: Flower's.
            initial_arrays: the first global model.
            *args: as for FedAvg: num_rounds, timeout, train_config, evaluate_config, evaluate_fn.
            **kwargs: the same, by name.

        Returns:
            flwr.serverapp.strategy.Result, as FedAvg's; the certificate is `self.certificate`.
        """
        self.reports, self.certificate = [], None
        result = super().start(grid, initial_arrays, *args, **kwargs)
        if self.certify:
            final = {
                name: array.numpy() for name, array in (result.arrays or initial_arrays).items()
            }
            self.certificate = certificate_of(
                grid, final, self.rule, self.b, workers=self.workers, budget=self.budget
            )
            _log.warning("the final model is %s", self.certificate)
        return result

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """The round's messages, as FedAvg's; what they hold and whom they go to is kept."""
        self._arrays = arrays
        self._asked = list(super().configure_train(server_round, arrays, config, grid))
        self._roster = self._roster or tuple(str(node) for node in sorted(grid.get_node_ids()))
        return self._asked

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The next global model and the metrics; None for the model where the round is skipped."""
        replies = list(replies)
        if self._arrays is None or not self._asked:
            return None, None  # FedAvg was told to train nobody
        self._check_and_log_replies(replies, is_train=True, validate=False)
        model = {name: array.numpy() for name, array in self._arrays.items()}
        whose = [str(message.metadata.dst_node_id) for message in self._asked]
        came = self._by_client(replies)
        said = {name: _reply(came.get(name, ()), model, self.weighted_by_key) for name in whose}
        found, report = self._rounds.after(
            model,
            said,
            number=server_round,
            roster=self._roster,
        )
        self.reports.append(report)
        speak_again()
        serious = report.skipped or report.charged or report.left_out
        _log.log(logging.WARNING if serious else logging.INFO, "%s", report)
        contents = [came[name][0].content for name in report.heard]
        metrics = self._metrics(contents, self.train_metrics_aggr_fn)
        if found is None:
            return None, metrics
        return ArrayRecord({name: Array(array) for name, array in found.items()}), metrics

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """The metrics of an evaluation; a client that reports none does not end the run."""
        good, _ = self._check_and_log_replies(list(replies), is_train=False, validate=False)
        contents = [message.content for message in good]
        return self._metrics(contents, self.evaluate_metrics_aggr_fn)

    def _by_client(self, replies: list[Message]) -> dict[str, list[Message]]:
        """Client to its replies; what answers none of this round's messages is nobody's.

        A reply names its sender itself. The message that it answers is Flower's own number.
        """
        whose = {
            message.metadata.message_id: str(message.metadata.dst_node_id)
            for message in self._asked
        }
        came: dict[str, list[Message]] = {}
        for reply in replies:
            name = whose.get(reply.metadata.reply_to_message_id)
            if name is None:
                _log.warning("a reply to no message of this round is dropped")
            else:
                came.setdefault(name, []).append(reply)
        return came

    def _metrics(self, contents: list[RecordDict], merged: Any) -> MetricRecord | None:
        """What the function of the app, or ours, makes of the clients' metrics."""
        usual = Counter(_names_of(content) for content in contents).most_common(1)
        alike = [content for content in contents if usual and _names_of(content) == usual[0][0]]
        if merged is _medians:
            alike = contents
        if not alike:
            return None
        try:
            found: MetricRecord | None = merged(alike, self.weighted_by_key)
        except Exception as error:  # noqa: BLE001 - the app's function, over what liars may claim
            _log.warning("no metrics: %s fails on what the clients claim: %s", merged, error)
            return None
        return found


def _reply(came: Any, model: Mapping[str, Any], examples: str) -> Reply:
    """What one client's messages say."""
    if not came:
        return Reply(silence="no reply")
    if len(came) > 1:
        return Reply(silence="answered twice, so that nobody knows which is its own")
    if came[0].has_error():
        return Reply(silence=f"failed: {came[0].error.reason!a:.120}")
    content = came[0].content
    if len(content.array_records) != 1:
        return Reply(flaw=f"{len(content.array_records)} array records, not one")
    (record,) = content.array_records.values()
    if record.keys() != model.keys():
        missing = sorted(model.keys() - record.keys())
        return Reply(flaw=f"arrays {missing!a:.80} are missing" if missing else "unknown arrays")
    try:
        arrays = [_array(record[name], array) for name, array in model.items()]
    except UnreadableError as why:
        return Reply(flaw=str(why))
    claims = [metrics.get(examples) for metrics in content.metric_records.values()]
    return Reply(arrays, examples=claims[0] if claims else None)


def _array(array: Any, like: Any) -> Any:
    if array.stype != _NUMPY:
        raise UnreadableError(f"arrays of type {array.stype!a:.20}, not {_NUMPY}")
    return read(array.data, like.shape, like.dtype)


def _names_of(content: RecordDict) -> tuple[Any, ...]:
    """What the metrics of most clients have in common."""
    return tuple(
        (record, *((name, type(value).__name__) for name, value in sorted(metrics.items())))
        for record, metrics in sorted(content.metric_records.items())
    )


def _medians(contents: list[RecordDict], examples: str) -> MetricRecord:
    """The median of each metric, for FedAvg."""
    said = [
        {
            name: value
            for metrics in content.metric_records.values()
            for name, value in metrics.items()
        }
        for content in contents
    ]
    return MetricRecord(medians(said, without=examples))
