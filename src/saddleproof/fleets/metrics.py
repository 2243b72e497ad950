"""A Prometheus endpoint for a run, as a callback of `minimize`.

    from saddleproof.fleets.metrics import Exporter

    with Exporter(9400, workers=fleet.workers) as exporter:   # http://127.0.0.1:9400/metrics
        sp.minimize(fleet, b=6, w0=w0, callback=exporter)

What it tells: rounds and query points so far, the aggregate's norm and inexactness, and of each
worker how many rounds it answered, was late or dead, was proved bad or left out by the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from saddleproof.errors import MissingExtraError


class Exporter:
    """Serves the numbers of a run over HTTP, updated after every round.

    Args:
        port: of the endpoint; 0 takes a free one, see `port`.
        workers: the roster, `fleet.workers`. Others are never a label: a stranger who chooses
            names must not choose how much memory the server needs.
        address: where to listen; this machine alone unless told otherwise, since the endpoint
            asks nobody who they are.

    Attributes:
        port: where it listens.

    Raises:
        MissingExtraError: prometheus-client is not installed.
        OSError: the port cannot be had.
    """

    def __init__(
        self, port: int = 0, *, workers: Sequence[str], address: str = "127.0.0.1"
    ) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise MissingExtraError("prometheus-client", "metrics") from error
        self._workers = tuple(workers)
        self._bad: set[str] = set()
        registry = prometheus.CollectorRegistry()
        mine: dict[str, Any] = {"namespace": "saddleproof", "registry": registry}
        self._rounds = prometheus.Counter("rounds", "Parallel iterations.", **mine)
        self._queries = prometheus.Counter("queries", "Query points.", **mine)
        self._refused = prometheus.Counter("refused", "What was turned away.", **mine)
        self._norm = prometheus.Gauge("gradient_norm", "2-norm of the aggregate.", **mine)
        self._off = prometheus.Gauge("inexactness", "How far it may be off.", **mine)
        self._events = prometheus.Counter(
            "worker_rounds", "Rounds by what became of the answer.", ["worker", "event"], **mine
        )
        self._server, self._thread = prometheus.start_http_server(
            port, addr=address, registry=registry
        )
        self.port: int = self._server.server_port

    def __call__(self, progress: Any) -> None:
        """Count the round of a `Progress`; never stops a run."""
        record = progress.record
        self._rounds.inc()
        self._queries.inc(record.queries)
        self._refused.inc(sum(record.refused.values()))
        self._norm.set(record.gradient_norm)
        self._off.set(record.inexactness)
        self._bad |= record.charged.keys()
        for name in self._workers:
            if name in record.charged:
                self._events.labels(name, "proved_bad").inc()
            elif name in record.absent:
                self._events.labels(name, record.absent[name]).inc()
            elif name not in self._bad:
                self._events.labels(name, "answered").inc()
                if name in record.left_out:
                    self._events.labels(name, "left_out").inc()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
