"""`GrpcFleet`: the server's side. One event loop in one thread; every worker is one stream in it.

Memory: the question once, each worker's answer once, and one frame of 1 MiB for every worker,
whatever the workers send: for gradients m (q d 8 + 2^20) bytes and what gRPC itself keeps of a
frame, for numbers less.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import threading
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from saddleproof.arrays import Vector
from saddleproof.errors import FleetError, OptionError
from saddleproof.fleets.base import Announcement, Messages
from saddleproof.fleets.deadline import Deadline, Patience
from saddleproof.fleets.grpc import transport
from saddleproof.fleets.grpc.desk import Desk
from saddleproof.fleets.grpc.keys import Credentials, load
from saddleproof.fleets.grpc.streams import Stream, Streams
from saddleproof.fleets.logs import log_messages
from saddleproof.questions import QUESTIONS, Gradients, Question

T = TypeVar("T")
_log = logging.getLogger(__name__)
#: How long a worker may take to hear that the run is over.
_FAREWELL = 2.0


class GrpcFleet:
    """Workers in other processes, on other machines, of other parties, behind mutual TLS.

    Each worker dials in with its certificate, and the name in it is who it is. A round is one
    question to everybody and one vote a worker; see `Desk` for what happens to everything else
    that workers may send, and `Deadline` for when a round ends without them.

    Args:
        workers: the roster, names as issued by `saddleproof keys issue`.
        keys: the folder with authority.pem, server.pem and server.key, or the credentials.
        listen: host and port to listen at; port 0 takes a free one, see `address`.
        deadline: how long a round waits for the last workers; the first round also waits up to
            its `limit` for the whole roster to connect.
        keepalive: seconds of silence after which a connection is asked whether it is alive.

    Attributes:
        address: "host:port" where the workers dial in.
        questions: all four. A worker whose loss has no `value` is late with `Changes`.
        handshakes: connections that began one. Those that failed are known to gRPC alone; what is
            far beyond the connections that `counters` has did not get through.

    Raises:
        OptionError: no workers, or one name twice.
        FleetError: the keys cannot be read, or the port cannot be had.

    Workers may stay away: those without a connection are "dead" in a round, those that were
    silent "late". The rounds of a `Desk` are numbered by itself, so `round_id` may repeat.

    Cost: a round is one message to and one from each worker, in pieces of 1 MiB.
    """

    questions = QUESTIONS

    def __init__(
        self,
        workers: Iterable[str],
        keys: str | os.PathLike[str] | Credentials,
        *,
        listen: str = "127.0.0.1:0",
        deadline: Deadline | None = None,
        keepalive: float = 10.0,
    ) -> None:
        self.workers = tuple(workers)
        if not self.workers or len(set(self.workers)) != len(self.workers):
            raise OptionError(f"a roster needs workers of different names; got {self.workers}")
        self.deadline = Deadline() if deadline is None else deadline
        credentials = keys if isinstance(keys, Credentials) else load(keys)
        self._desk = Desk(self.workers)
        self._patience = Patience(len(self.workers))
        self._b, self._losses, self._begun, self._closed = 0, False, False, False
        self.handshakes, self._beginning = 0, threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._streams = Streams(self._desk, self._changed, self._wake)
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="saddleproof-grpc", daemon=True
        )
        self._thread.start()
        try:
            self._server, self.address = self._wait(self._start(listen, credentials, keepalive))
        except BaseException:
            self._closed = True
            self._stop_loop()
            raise

    def announce(self, announcement: Announcement) -> None:
        """Hear b, for the deadline, and whether losses are wanted."""
        self._b, self._losses = announcement.b, announcement.losses

    def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
        """Every worker's gradients at the (q, d) points, and its losses where they were announced.

        As `ask`, with points of float64 or float32.
        """
        return self.ask(Gradients(points), round_id=round_id, timeout=timeout)

    def ask(self, question: Question, *, round_id: int, timeout: float | None = None) -> Messages:
        """Every worker's answer to the question, as far as they come in time.

        Args:
            question: about the workers' own losses; its arrays are float64, points may be float32.
            round_id: told to the workers.
            timeout: seconds after which the round ends in any case; what `deadline` allows for
                this question unless given. The first round, unless `gather` came before it, first
                waits up to `deadline.limit` for the roster.

        Raises:
            FleetError: the fleet is closed, or the question does not travel.
        """
        self._open()
        return self._wait(self._round(question, round_id, timeout))

    def gather(self, timeout: float) -> tuple[str, ...]:
        """Wait until the whole roster is connected, or `timeout` seconds; who is missing then.

        The first round does not wait for them again.
        """
        self._open()
        missing = self._wait(self._gather(timeout))
        self._begun = True
        return missing

    def counters(self) -> Mapping[str, Mapping[str, int]]:
        """Worker, or stranger, to what was counted since the start; see `desk.COUNTERS`.

        answered, late (rounds that ended without it), stale (answers after their round), malformed
        (proofs that it is bad), refused (connections), connected (connections).
        """
        return self._desk.counters()

    def close(self, *, done: bool = True) -> None:
        """Tell the workers that the run is over, and stop; closing twice is harmless.

        Args:
            done: False hangs up without a word, and the workers will dial in again.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._wait(self._stop(done=done))
        finally:
            self._stop_loop()

    # --- in the caller's thread, or one of gRPC's ---

    def _open(self) -> None:
        if self._closed:
            raise FleetError("this fleet is closed; make a new one with GrpcFleet(workers, keys)")

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future: concurrent.futures.Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C: the round is closed, and the next may come
            raise

    def _began(self) -> None:
        with self._beginning:
            self.handshakes += 1

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    # --- in the loop's thread ---

    async def _start(self, listen: str, keys: Credentials, keepalive: float) -> tuple[Any, str]:
        grpc = transport.library()
        server = grpc.aio.server(options=transport.server_options(keepalive))
        handler = grpc.stream_stream_rpc_method_handler(self._streams.talk)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(transport.SERVICE, {transport.METHOD: handler}),)
        )
        try:
            tls = transport.server_credentials(keys, self._began)
            port = server.add_secure_port(listen, tls)
            await server.start()
        except RuntimeError as error:
            raise FleetError(f"cannot listen at {listen}: {error}") from error
        address = f"{listen.rpartition(':')[0]}:{port}"
        _log.info("listening at %s", address)
        return server, address

    async def _stop(self, *, done: bool) -> None:
        for line in list(self._desk.lines.values()):
            if isinstance(line, Stream):
                line.end(done=done)
        await self._server.stop(_FAREWELL if done else 0)

    async def _gather(self, timeout: float) -> tuple[str, ...]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while len(self._desk.lines) < len(self.workers):
                    self._changed.clear()
                    await self._changed.wait()
        return tuple(name for name in self.workers if name not in self._desk.lines)

    async def _round(self, question: Question, round_id: int, timeout: float | None) -> Messages:
        async with self._turn:  # a round that Ctrl-C broke off closes before the next one opens
            return await self._ask(question, round_id, timeout)

    async def _ask(self, question: Question, round_id: int, timeout: float | None) -> Messages:
        deadline = self.deadline if timeout is None else replace(self.deadline, limit=timeout)
        if not self._begun:
            await self._gather(deadline.limit)
            self._begun = True
        if timeout is None:
            deadline = deadline.allowing(question)
        desk = self._desk
        desk.open(question, losses=self._losses, round_id=round_id)
        watch = self._patience.watch(question, deadline, b=self._b, clock=self._loop.time)
        try:
            while (left := watch.left(desk.heard(), self._gone())) > 0:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), left)
            self._patience.learn(question, watch, desk.heard())
        finally:
            messages = desk.close()
        log_messages(_log, round_id, self.workers, messages, watch.elapsed, question)
        return messages

    def _gone(self) -> tuple[int, ...]:
        """Workers without a connection, whom the round need not wait for.

        Never so many that no robust rule could go on, which takes more than 2b and a majority:
        then it is the network that is broken, and the round waits for those who dial in again.
        """
        m = len(self.workers)
        return self._desk.away()[: m - max(2 * self._b + 1, m // 2 + 1)]

    def _wake(self) -> None:
        """After every vote: wake the round if this may have been the one that it waits for."""
        if len(self._desk.heard()) + len(self._gone()) + self._b >= len(self.workers):
            self._changed.set()
