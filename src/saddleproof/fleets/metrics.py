"""A Prometheus endpoint for a run, as a callback of `minimize`.

    from saddleproof.fleets.metrics import Exporter

    with Exporter(9400, workers=fleet.workers) as exporter:   # http://127.0.0.1:9400/metrics
        sp.minimize(fleet, b=6, w0=w0, callback=exporter)

What it tells: rounds and query points so far and when the last round ended, the aggregate's norm
and inexactness, and of each worker how many rounds it answered, was late or dead, was proved bad or
left out by the rule. Of a fleet that counts, such as `GrpcFleet`, also what it counted.

Whoever asks cannot hold the run: answers come from threads of their own, at most `_SCRAPES` at a
time, each of which gives up after `_PATIENCE` seconds without a word from its peer.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from saddleproof.errors import MissingExtraError

#: Connections at a time; a further one is closed at once. Each holds a descriptor and a thread.
_SCRAPES = 8
#: Seconds of silence after which a connection is closed.
_PATIENCE = 5.0
#: Seconds in which the endpoint notices that it shall close.
_POLL = 0.05

Counted = Callable[[], Mapping[str, Mapping[str, int]]]


class Exporter:
    """Serves the numbers of a run over HTTP, updated after every round.

    Args:
        port: of the endpoint; 0 takes a free one, see `port`.
        workers: the roster, `fleet.workers`. Others are never a label: a stranger who chooses
            names must not choose how much memory the server needs.
        address: where to listen; this machine alone unless told otherwise, since the endpoint
            asks nobody who they are.
        counters: `fleet.counters` of a fleet that has one, read at every scrape.
        unseated: `fleet.unseated` of a fleet that has one: worker to reason, for those that were
            proved bad, before a resume perhaps.

    Attributes:
        port: where it listens.

    Raises:
        MissingExtraError: prometheus-client is not installed.
        OSError: the port cannot be had.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        workers: Sequence[str],
        address: str = "127.0.0.1",
        counters: Counted | None = None,
        unseated: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise MissingExtraError("prometheus-client", "metrics") from error
        self._workers, self._unseated = tuple(workers), unseated
        self._bad: set[str] = set()
        registry = prometheus.CollectorRegistry()
        mine: dict[str, Any] = {"namespace": "saddleproof", "registry": registry}
        self._rounds = prometheus.Counter("rounds", "Parallel iterations.", **mine)
        self._queries = prometheus.Counter("queries", "Query points.", **mine)
        self._refused = prometheus.Counter("refused", "What was turned away.", **mine)
        self._norm = prometheus.Gauge("gradient_norm", "2-norm of the aggregate.", **mine)
        self._off = prometheus.Gauge("inexactness", "How far it may be off.", **mine)
        self._last = prometheus.Gauge(
            "last_round_timestamp_seconds", "When the last round ended, in Unix time.", **mine
        )
        self._events = prometheus.Counter(
            "worker_rounds", "Rounds by what became of the answer.", ["worker", "event"], **mine
        )
        if counters is not None:
            registry.register(_Counted(self._workers, counters))
        app = prometheus.make_wsgi_app(registry)
        self._server = _listening(address, port, app)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(_POLL,),
            name="saddleproof-metrics",
            daemon=True,
        )
        self._thread.start()
        self.port: int = self._server.server_port

    def __call__(self, progress: Any) -> None:
        """Count the round of a `Progress`; never stops a run."""
        record = progress.record
        self._rounds.inc()
        self._queries.inc(record.queries)
        self._refused.inc(sum(record.refused.values()))
        self._norm.set(record.gradient_norm)
        self._off.set(record.inexactness)
        self._last.set_to_current_time()
        self._bad |= record.charged.keys() | self._unseated().keys()
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
        """Stop serving; who is being answered at this moment is not waited for."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Counted:
    """What a fleet counted of every worker, asked for when somebody scrapes."""

    def __init__(self, workers: tuple[str, ...], counters: Counted) -> None:
        self._workers, self._counters = workers, counters

    def collect(self) -> Iterator[Any]:
        """The families of numbers, as prometheus-client asks for them."""
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(
            "saddleproof_worker_events",
            "What the transport counted since the server started.",
            labels=["worker", "event"],
        )
        counted = self._counters()
        for name in self._workers:
            for event, number in counted.get(name, {}).items():
                family.add_metric([name, event], number)
        yield family


class _Handler(WSGIRequestHandler):
    """One request: its peer has so long for each word, and is written no log."""

    def setup(self) -> None:
        """Begin; as the standard library does, with a time limit."""
        self.request.settimeout(_PATIENCE)
        super().setup()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Log nothing: how often somebody asks is not the run's business."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a connection, and so many connections at most."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *args: Any, **options: Any) -> None:
        self._free = threading.BoundedSemaphore(_SCRAPES)
        super().__init__(*args, **options)

    def server_bind(self) -> None:
        """Listen, without asking the network what this machine is called."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; or hang up, where there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread was to be had
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Write nothing: a peer that hangs up is no error of ours, and may do so for ever."""


def _listening(address: str, port: int, app: Any) -> _Server:
    family, _, _, _, found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]

    class Server(_Server):
        address_family = family

    made: _Server = make_server(str(found[0]), port, app, Server, handler_class=_Handler)
    return made
