"""The worker's side: dial in, answer what is asked, dial in again, until the server says done."""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.curvature.lanczos import STEPS
from saddleproof.errors import FleetError
from saddleproof.fleets.cost import cost_of
from saddleproof.fleets.grpc import certificates, transport
from saddleproof.fleets.grpc.frames import Assembly, answer_to, decode, frames
from saddleproof.fleets.grpc.header import DONE, QUESTION, FrameError, Header
from saddleproof.fleets.grpc.keys import Credentials
from saddleproof.fleets.logs import told
from saddleproof.fleets.worker import Worker
from saddleproof.questions import Question

_log = logging.getLogger(__name__)
#: Seconds before the first attempt to dial in again; each one that fails doubles them.
_FIRST = 0.05


class Answerer(Protocol):
    """What a worker computes; the data stays inside."""

    def __call__(
        self, question: Question, round_id: int, /, *, losses: bool
    ) -> tuple[Vector, Vector | None]:
        """The question's answer, and beside gradients the (q,) losses where they are asked for."""


def honest(worker: Worker) -> Answerer:
    """The answer of a worker that computes what it is asked."""
    return lambda question, _round, *, losses: worker.vote(question, losses=losses)


class Client:
    """One worker of a `GrpcFleet`.

    Args:
        answer: what it says; `honest(Worker(loss, data))` for a loss on this worker's own data.
        server: "host:port" of the fleet.
        credentials: this worker's, whose certificate names it; or a function that reads them, which
            is called before every attempt to dial in, so that a renewed certificate is shown.
        largest: bytes that it is ready to hold, of a question, of its answer, or of the numbers
            that it needs on the way.
        passes: the most passes over its data that it is ready to spend on one question. A whole
            Hessian in 256 dimensions takes half of the default.
        keepalive: seconds of silence after which the connection is asked whether it is alive.
        pause: the most seconds between two attempts to dial in.

    A question that costs more, and one whose answer raises, is logged and not answered: the worker
    is late in that round. A question that does not fit in `largest` ends `run`. Lanczos for a
    question that nobody waits for any more is broken off after the next step.
    """

    def __init__(
        self,
        answer: Answerer,
        server: str,
        credentials: Credentials | Callable[[], Credentials],
        *,
        largest: int = 1 << 32,
        passes: int = 250_000,
        keepalive: float = 10.0,
        pause: float = 5.0,
    ) -> None:
        self.answer, self.credentials = answer, credentials
        self.server = arguments.place("server", server)
        self.largest, self.passes = largest, passes
        self.keepalive, self.pause = keepalive, pause
        self._known: Credentials | None = None
        self._stopped = threading.Event()
        self._call: Any = None
        self._answered = False
        self._assembly: Assembly | None = None

    def run(self) -> str:
        """Work until the server says that the run is done, or `stop`; "done" or "stopped".

        Raises:
            FleetError: the server refuses this worker for good: its name is not on the roster, its
                certificate is revoked, or an answer of it was proved bad. Or this worker refuses
                the server: it sends no questions, or larger ones than `largest`. Or this worker's
                certificate has expired.
        """
        grpc = transport.library()
        delay = _FIRST
        while not self._stopped.is_set():
            with contextlib.closing(
                transport.channel(self.server, self._shown(), self.keepalive)
            ) as channel:
                try:
                    if self._session(channel):
                        return "done"
                except grpc.RpcError as error:
                    if self._stopped.is_set():
                        break
                    delay = self._after(error, delay, grpc.StatusCode)
                else:
                    delay = _FIRST
            # Not everybody at once, when a server comes back.
            self._stopped.wait(delay * random.uniform(0.5, 1.0))  # noqa: S311
        return "stopped"

    def stop(self) -> None:
        """Hang up and end `run`; from any thread."""
        self._stopped.set()
        if self._call is not None:
            self._call.cancel()

    def _shown(self) -> Credentials:
        """The credentials to show; those of before while somebody writes the files anew.

        Raises:
            FleetError: they could never be read, or the certificate has expired.
        """
        if not isinstance(self.credentials, Credentials):
            try:
                found = self.credentials()
                certificates.parsed(found.certificate)
                self._known = found
            except FleetError:
                if self._known is None:
                    raise
        shown = self.credentials if isinstance(self.credentials, Credentials) else self._known
        assert shown is not None  # noqa: S101 (for the type checker)
        cure = "Get a new one (`saddleproof keys renew`), put it in the place of the old one, and "
        certificates.check_in_time(shown.certificate, "this worker", cure + "start again")
        return shown

    def _after(self, error: Any, delay: float, codes: Any) -> float:
        """How long to wait after a connection that broke; longer each time that none came about."""
        code, details = error.code(), error.details()
        if code in (codes.PERMISSION_DENIED, codes.INVALID_ARGUMENT):
            raise FleetError(f"the server at {self.server} refuses this worker: {details}")
        if code == codes.ABORTED:  # a thief's connection must not end the owner's process
            extra = told(event="replaced", server=self.server, reason=details)
            _log.warning("%s; dialing in again", details, extra=extra)
            return min(2 * delay, self.pause)
        failed = not self._answered and delay < self.pause <= 2 * delay  # so often: tell it, once
        level = logging.WARNING if failed else logging.INFO
        extra = told(event="unconnected", server=self.server, status=code.name, reason=details)
        _log.log(
            level, "no connection to %s: %s (%s)", self.server, code.name, details, extra=extra
        )
        return _FIRST if self._answered else min(2 * delay, self.pause)

    def _session(self, channel: Any) -> bool:
        """One connection; True when the server says that the run is done."""
        outgoing: queue.Queue[bytes | None] = queue.Queue(maxsize=2)
        self._answered, self._assembly = False, None
        call = channel.stream_stream(transport.PATH)(iter(outgoing.get, None))
        self._call = call
        if self._stopped.is_set():  # before there was a call to cancel
            call.cancel()
        newest = _Newest()
        reader = threading.Thread(target=self._read, args=(call, newest), daemon=True)
        reader.start()
        asked_on = STEPS.set(newest.still)
        try:
            for header, question in newest:
                if question is None:
                    return True
                if not self._answered:
                    extra = told(event="asked", server=self.server)
                    _log.info("the server at %s asks", self.server, extra=extra)
                for frame in self._answers(header, question):
                    _put(outgoing, frame, call)
                self._answered = True
            return False
        finally:
            STEPS.reset(asked_on)
            call.cancel()
            with contextlib.suppress(queue.Empty):
                while True:
                    outgoing.get_nowait()
            outgoing.put(None)
            reader.join()

    def _answers(self, header: Header, question: Question) -> tuple[bytes, ...]:
        try:
            self._check(header, question)
            answer, losses = self.answer(question, header.round, losses=bool(header.losses))
            parts = (answer,) if losses is None else (answer, losses)
            return tuple(frames(answer_to(header), *parts))
        except _PastError:
            _log.info("round %d: nobody waits for the answer any more", header.round)
        except Exception:  # noqa: BLE001 - the loss is the user's; the next round may do
            extra = told(event="no_answer", round=header.round)
            _log.exception("round %d: no answer", header.round, extra=extra)
        return ()

    def _check(self, header: Header, question: Question) -> None:
        """That the question costs no more than this worker is ready to spend.

        Raises:
            FrameError: it does.
        """
        passes, numbers = cost_of(question)
        size = max(8 * numbers, answer_to(header).size)
        if passes > self.passes or size > self.largest:
            raise FrameError(
                f"{header.subject} costs {passes} passes over the data and {size} bytes; this "
                f"worker spends at most {self.passes} and {self.largest}"
            )

    def _read(self, call: Any, newest: _Newest) -> None:
        """Keep the newest question; those that came while it was computing are past."""
        try:
            for frame in call:
                self._hear(frame, newest)
            newest.end(None)
        except Exception as error:  # noqa: BLE001 - told to the thread that waits
            newest.end(error)

    def _hear(self, frame: bytes, newest: _Newest) -> None:
        header, piece = decode(frame)
        if header.kind == DONE:
            newest.put((header, None))
            return
        if header.kind != QUESTION or header.size > self.largest:
            raise FrameError(f"a server asks, at most {self.largest} bytes; got {header}")
        if header.offset == 0:
            self._assembly = Assembly(header)
        if self._assembly is None:
            raise FrameError("a question without its beginning")
        self._assembly.add(header, piece)
        if self._assembly.complete:
            newest.put((header, self._assembly.question()))
            self._assembly = None


def _put(outgoing: queue.Queue[bytes | None], frame: bytes, call: Any) -> None:
    """Queue a frame; a connection that broke takes none, and is noticed by its reader."""
    while call.is_active():
        with contextlib.suppress(queue.Full):
            outgoing.put(frame, timeout=0.5)
            return


class _PastError(Exception):
    """Nobody waits for the answer any more."""


class _Newest:
    """A slot that holds the newest question only, and how the connection ended."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: tuple[Header, Question | None] | None = None
        self._ended = False
        self._error: Exception | None = None

    def put(self, item: tuple[Header, Question | None]) -> None:
        with self._condition:
            self._item = item
            self._condition.notify()

    def end(self, error: Exception | None) -> None:
        with self._condition:
            self._ended, self._error = True, error
            self._condition.notify()

    def still(self, _done: int, _most: int) -> None:
        """Go on only while the question that was taken last is the newest one.

        Raises:
            _PastError: there is another, or no connection to answer it over.
        """
        if self._item is not None or self._ended:
            raise _PastError

    def __iter__(self) -> Iterator[tuple[Header, Question | None]]:
        while True:
            with self._condition:
                while self._item is None and not self._ended:
                    self._condition.wait()
                item, self._item = self._item, None
            if item is None:
                if self._error is not None:
                    raise self._error
                return
            yield item
