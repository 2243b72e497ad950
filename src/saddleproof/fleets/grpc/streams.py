"""The server's streams: one coroutine a connection, which ends with it whatever happens in it."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from saddleproof.fleets.grpc import transport
from saddleproof.fleets.grpc.desk import Caller, Desk
from saddleproof.fleets.grpc.door import Door, identity
from saddleproof.fleets.grpc.header import DONE, Header
from saddleproof.fleets.logs import told

_log = logging.getLogger(__name__)
#: Connections of one name at a time: one, its replacement, and what takes its time to end.
_STREAMS = 4
#: Connections of one name that were replaced before it is an alarm: a broken network does not
#: break so often just when the worker dials in again.
_THEFT = 3


class Stream(Caller):
    """A connection, and what its writer has to hear of."""

    def __init__(self, name: str, certificate: object) -> None:
        super().__init__(name)
        self.certificate = certificate
        self.news = asyncio.Event()
        self.reason: str | None = None
        self.for_good = False
        self.over: bool | None = None

    @property
    def ending(self) -> bool:
        """Whether nothing more is asked over this connection."""
        return self.over is not None or self.reason is not None

    def post(self) -> None:
        """There is a new question."""
        self.news.set()

    def drop(self, reason: str) -> None:
        """Another connection took this one's place."""
        self.reason = reason
        self.news.set()

    def expel(self, reason: str) -> None:
        """The worker is turned away, and need not dial in again."""
        self.for_good = True
        self.drop(reason)

    def end(self, *, done: bool) -> None:
        """The server hangs up; with a word of farewell when the run is done."""
        self.over = done if self.over is None else self.over
        self.news.set()


class Streams:
    """All connections of a server.

    Args:
        desk: judges their frames.
        changed: set when somebody comes or goes.
        voted: called after every frame.

    Attributes:
        door: who may come in.
        closing: whether the server stops.
    """

    def __init__(self, desk: Desk, changed: asyncio.Event, voted: Callable[[], None]) -> None:
        self._desk, self._changed, self._voted = desk, changed, voted
        self._open: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self.door = Door()
        self.closing = False

    async def talk(self, _requests: object, context: object) -> None:
        """One connection, from its first frame to its last."""
        codes = transport.library().StatusCode
        name, certificate = identity(context)
        if self._open[name] >= _STREAMS:
            self._desk.count(name, "refused")
            await _abort(context, codes.RESOURCE_EXHAUSTED, "too many connections with this name")
        line = Stream(name, certificate)
        refused = self._refused(line)
        if refused is not None:
            self._tell(name, refused)
            await _abort(context, codes.PERMISSION_DENIED, refused)
        self._came(name)
        self._open[name] += 1
        self._changed.set()
        line.post()
        reading = asyncio.ensure_future(_contained(name, self._read(line, context)))
        writing = asyncio.ensure_future(_contained(name, self._write(line, context)))
        try:
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._desk.disconnect(line)
            self._changed.set()
            reading.cancel()
            line.end(done=False)
            # A write that was cut off would leave the stream unable to say why it ends; one that
            # a peer does not read lasts until the peer is gone, and is what `_STREAMS` bounds.
            try:
                await asyncio.wait({reading, writing})
            finally:
                self._open[name] -= 1
            _log.debug("%s is gone", name, extra=told(event="gone", worker=name))
        why = (not reading.cancelled() and reading.result()) or writing.result()
        if why is None and line.over is False and self.closing:
            await _abort(context, codes.UNAVAILABLE, "the server stops; the run may go on later")
        if why is not None:
            replaced = line.reason is not None and not line.for_good
            self._tell(name, why, alarm=replaced)
            code = codes.INVALID_ARGUMENT if name in self._desk.bad else codes.PERMISSION_DENIED
            if not line.for_good:  # what was wrong is over with the connection
                code = codes.ABORTED if replaced else codes.UNAVAILABLE
            await _abort(context, code, why)

    def inspect(self, door: Door) -> None:
        """Take another door, and hang up on those who would not come in through it now."""
        self.door = door
        for line in list(self._desk.lines.values()):
            if isinstance(line, Stream):
                refused = self.door.refusal(line.name, line.certificate)
                if refused is not None:
                    line.expel(refused)

    def _refused(self, line: Stream) -> str | None:
        """Why this peer does not come in."""
        if not line.name:
            return self._desk.refuse("", "a certificate needs exactly one common name")
        refusal = self.door.refusal(line.name, line.certificate)
        if refusal is not None:
            return self._desk.refuse(line.name, refusal)
        return self._desk.connect(line)

    def _tell(self, name: str, why: str, *, alarm: bool = False) -> None:
        """Log what a peer did, the first time and then ever more rarely: it may do so for ever."""
        key = name if name in self._desk.workers else ""
        self._told[key] += 1
        times, replaced = self._told[key], 0
        if alarm:
            replaced = self._desk.counters()[name]["replaced"]
            if replaced >= _THEFT:
                why += (
                    f", {replaced} times by now. If its owner runs one process, its key is stolen:"
                    " revoke it (saddleproof keys revoke)"
                )
        if times & (times - 1) == 0:
            level = logging.ERROR if replaced >= _THEFT else logging.WARNING
            event = "alarm" if level == logging.ERROR else "turned_away"
            extra = told(event=event, worker=name, reason=why, times=times)
            _log.log(level, "%r: %s (line %d of its kind)", name, why, times, extra=extra)

    def _came(self, name: str) -> None:
        """Log a connection, ever more rarely too."""
        times = self._desk.counters()[name]["connected"]
        level = logging.INFO if times & (times - 1) == 0 else logging.DEBUG
        extra = told(event="connected", worker=name, times=times)
        _log.log(level, "%s connected (time %d)", name, times, extra=extra)

    async def _read(self, line: Stream, context: Any) -> str | None:
        end = transport.library().aio.EOF
        while (frame := await context.read()) is not end:
            why = self._desk.receive(line, frame)
            self._voted()
            if why is not None:
                return why
        return None

    async def _write(self, line: Stream, context: Any) -> str | None:
        """Always the newest question: who reads slowly misses some, and none pile up."""
        seen = 0
        while True:
            await line.news.wait()
            line.news.clear()
            if line.ending:
                if line.over:
                    await context.write(Header(DONE).packed())
                return line.reason
            before, seen = seen, self._desk.question_for(line, seen)[0]
            # One frame at a time: who does not read on holds that one, and no old question.
            for i in itertools.count() if seen != before else ():
                frame = self._desk.frame(seen, i)
                if frame is None or line.ending:
                    break
                await context.write(frame)


async def _abort(context: Any, code: Any, why: str) -> None:
    """End the stream with a reason, if it is still there to hear one."""
    aio = transport.library().aio
    try:
        await context.abort(code, why)
    except aio.AbortError:
        raise
    except aio.BaseError as error:
        _log.debug("a stream was gone before it could be told %r: %s", why, error)
        raise asyncio.CancelledError from error


async def _contained(name: str, talking: Coroutine[Any, Any, str | None]) -> str | None:
    """What it ends with; a connection that breaks raises what gRPC raises, and that is its end."""
    try:
        return await talking
    except transport.library().aio.BaseError:
        return None
    except Exception:  # noqa: BLE001 - ours, then; it must not end anything else
        _log.exception("%s: the connection failed", name, extra=told(event="failed", worker=name))
        return None
