"""`GrpcFleet`: the server's side. One event loop in one thread; every worker is one stream in it.

Memory: the question once, each worker's answer once, and one frame of 1 MiB for every worker,
whatever the workers send: for gradients m (q d 8 + 2^20) bytes and what gRPC itself keeps of a
frame, for numbers less.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import FleetError, OptionError
from saddleproof.fleets.base import Announcement, Messages
from saddleproof.fleets.deadline import Deadline, Patience
from saddleproof.fleets.grpc import certificates, transport
from saddleproof.fleets.grpc.desk import Desk
from saddleproof.fleets.grpc.door import Door
from saddleproof.fleets.grpc.keys import Credentials, serving
from saddleproof.fleets.grpc.loop import Loop
from saddleproof.fleets.grpc.roster import Roster
from saddleproof.fleets.grpc.streams import Stream, Streams
from saddleproof.fleets.logs import log_messages, told
from saddleproof.questions import QUESTIONS, Gradients, Question

_log = logging.getLogger(__name__)
#: How long a worker may take to hear that the run is over.
_FAREWELL = 2.0
#: How long it may take to hear that the server stops; it dials in again in any case.
_HANGUP = 0.3


class GrpcFleet:
    """Workers in other processes, on other machines, of other parties, behind mutual TLS.

    Each worker dials in with its certificate, and the name in it is who it is. A round is one
    question to everybody and one vote a worker; see `Desk` for what happens to everything else
    that workers may send, and `Deadline` for when a round ends without them.

    Args:
        workers: the roster, names as issued by `saddleproof keys issue`; or a `Roster`, which may
            pin their keys.
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
        OptionError: no workers, one name twice, or a place that is no HOST:PORT.
        FleetError: the keys cannot be read, the server's certificate has expired, the port cannot
            be had, or this process may not open enough files for the roster's connections.

    Workers may stay away: those without a connection are "dead" in a round, those that were
    silent "late". The rounds of a `Desk` are numbered by itself, so `round_id` may repeat.

    Cost: a round is one message to and one from each worker, in pieces of 1 MiB.
    """

    questions = QUESTIONS

    def __init__(
        self,
        workers: Iterable[str] | Roster,
        keys: str | os.PathLike[str] | Credentials,
        *,
        listen: str = "127.0.0.1:0",
        deadline: Deadline | None = None,
        keepalive: float = 10.0,
    ) -> None:
        roster = workers if isinstance(workers, Roster) else Roster(tuple(workers))
        self.workers = roster.names
        if not self.workers or len(set(self.workers)) != len(self.workers):
            raise OptionError(f"a roster needs workers of different names; got {self.workers}")
        self.deadline = Deadline() if deadline is None else deadline
        self._keys = keys
        listen, credentials = arguments.place("listen", listen, least=0), serving(keys)
        door = self._door(roster, credentials)
        self._desk = Desk(self.workers)
        self._patience = Patience(len(self.workers))
        self._b, self._losses, self._begun, self._closed = 0, False, False, False
        self.handshakes, self._beginning = 0, threading.RLock()
        self._renewed: Credentials | None = None
        self._thread = Loop()
        self._loop = self._thread.loop
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._streams = Streams(self._desk, self._changed, self._wake)
        self._streams.door = door
        self._server: Any = None
        try:
            self.address = self._thread.wait(self._start(listen, credentials, keepalive))
        except BaseException:
            self.close(done=False)
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
        return self._thread.wait(self._round(question, round_id, timeout))

    def gather(self, timeout: float) -> tuple[str, ...]:
        """Wait until the whole roster is connected, or `timeout` seconds; who is missing then.

        The first round does not wait for them again.
        """
        self._open()
        missing = self._thread.wait(self._gather(timeout))
        self._begun = True
        return missing

    def exclude(self, excluded: Mapping[str, str]) -> None:
        """Take the seats of workers that were proved bad: name to reason.

        They are not asked any more, their connections are refused, and no round waits for them.
        Names that are not on the roster are left alone.
        """
        for name, reason in excluded.items():
            if name in self.workers and name not in self._desk.bad and not self._closed:
                self._loop.call_soon_threadsafe(self._desk.expel, name, reason)

    def reload(self, roster: Roster | None = None) -> tuple[str, ...]:
        """Read the keys' folder again, and take up another roster; from any thread.

        Later handshakes show the server's certificate as it is now. Connections whose certificate
        is revoked, pinned otherwise or no longer named are closed. The number of workers of a run
        is fixed: a worker that the roster names no more is dead, and a new one is not let in.

        Args:
            roster: the new one; None leaves names and pins as they are.

        Returns:
            The names of `roster` that were not on the roster at the start.

        Raises:
            FleetError: the keys cannot be read, or the server's certificate has expired. Nothing
                has changed then.
        """
        self._open()
        credentials = serving(self._keys)
        before = self._streams.door
        if roster is None:
            kept = tuple(name for name in self.workers if name not in before.left)
            roster = Roster(kept, before.pins)
        door = self._door(roster, credentials)
        with self._beginning:
            self._renewed = credentials
        self._loop.call_soon_threadsafe(self._streams.inspect, door)
        return tuple(name for name in roster.names if name not in self.workers)

    def counters(self) -> Mapping[str, Mapping[str, int]]:
        """Worker, or stranger, to what was counted since the start; see `counters.COUNTERS`.

        answered, late (rounds that ended without it), dead (those in which it had no connection),
        stale (answers after their round), malformed (proofs that it is bad), refused (connections),
        connected (connections), replaced (connections whose place another one took; many of them
        mean a stolen key), bytes (of the frames that it sent).
        """
        return self._desk.counters()

    def unseated(self) -> Mapping[str, str]:
        """Worker to reason, for those that were proved bad and have no seat any more."""
        return dict(self._desk.bad)

    def close(self, *, done: bool = True) -> None:
        """Tell the workers that the run is over, and stop; closing twice is harmless.

        Args:
            done: False tells them that the server stops, and they will dial in again.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._thread.wait(self._stop(done=done))
        finally:
            self._thread.stop()

    # --- in the caller's thread, or one of gRPC's ---

    def _open(self) -> None:
        if self._closed:
            raise FleetError("this fleet is closed; make a new one with GrpcFleet(workers, keys)")

    def _began(self) -> Credentials | None:
        """Count a handshake; what the server shows from now on, when that has changed."""
        with self._beginning:
            self.handshakes += 1
            renewed, self._renewed = self._renewed, None
        return renewed

    def _door(self, roster: Roster, credentials: Credentials) -> Door:
        return Door(
            dict(roster.pins),
            frozenset(self.workers) - frozenset(roster.names),
            certificates.revoked(credentials.revocations, credentials.authority),
        )

    # --- in the loop's thread ---

    async def _start(self, listen: str, keys: Credentials, keepalive: float) -> str:
        tls = transport.server_credentials(keys, self._began)
        options = transport.server_options(keepalive, transport.most_connections(len(self.workers)))
        self._server, address = await transport.serve(self._streams.talk, listen, tls, options)
        _log.info("listening at %s", address, extra=told(event="listening", address=address))
        return address

    async def _stop(self, *, done: bool) -> None:
        self._streams.closing = True
        for line in list(self._desk.lines.values()):
            if isinstance(line, Stream):
                line.end(done=done)
        if self._server is not None:
            await self._server.stop(_FAREWELL if done else _HANGUP)

    async def _gather(self, timeout: float) -> tuple[str, ...]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._desk.away():
                    self._changed.clear()
                    await self._changed.wait()
        return tuple(self.workers[i] for i in self._desk.away())

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
            while (left := watch.left(desk.heard(), self._gone(), desk.out())) > 0:
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
        out = len(self._desk.bad)
        m, b = len(self.workers) - out, max(self._b - out, 0)
        return self._desk.away()[: max(m - max(2 * b + 1, m // 2 + 1), 0)]

    def _wake(self) -> None:
        """After every vote: wake the round if this may have been the one that it waits for."""
        out = len(self._desk.bad)
        over = len(self._desk.heard()) + len(self._gone()) + out + max(self._b - out, 0)
        if over >= len(self.workers):
            self._changed.set()
