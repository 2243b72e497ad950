"""The server's desk: who is connected, what is asked, who has voted. No transport, no clock.

What happens to a frame from a worker on the roster:

    not a frame, or not of the question that was asked  proved bad: malformed, connection closed
    a second answer to a question                       proved bad: malformed, connection closed
    an answer to a question that was never asked        proved bad: malformed, connection closed
    a piece of an answer that is not the next one       proved bad: malformed, connection closed
    an answer to another server process's question      dropped; refused, connection closed
    the first answer, after its round was closed        dropped; stale; see `past`
    the first answer, in time                           answered

TCP and TLS neither change nor repeat what an honest worker sends, so what proves bad here is the
worker's doing. What is proved between two rounds is told in the next. Who was proved bad is
malformed in all later rounds, is not asked, and its connections are refused. NaN and Inf pass: they
are the oracle's to judge.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from saddleproof.arrays import Vector
from saddleproof.fleets.base import DEAD, LATE, MALFORMED, OK, Messages
from saddleproof.fleets.grpc.counters import Counters
from saddleproof.fleets.grpc.frames import (
    Assembly,
    answer_to,
    decode,
    frames,
    header_of,
    parts_of,
)
from saddleproof.fleets.grpc.header import ANSWER, FrameError, Header
from saddleproof.fleets.grpc.past import Past, Rest, after, in_order
from saddleproof.questions import Question


class Caller:
    """One connection of one worker, as the desk sees it; the transport subclasses it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.assembly: Assembly | None = None
        self.rest: Rest | None = None

    def post(self) -> None:
        """There is a new question."""

    def drop(self, reason: str) -> None:
        """Another connection took this one's place."""

    def expel(self, reason: str) -> None:
        """This worker is not heard any more, over whatever connection."""


@dataclass
class _Round:
    ask: Header
    frames: tuple[bytes, ...]
    answers: dict[str, tuple[Vector, Vector | None]] = field(default_factory=dict)


class Desk:
    """The books of one server process.

    Args:
        workers: the roster.

    Attributes:
        lines: worker to its connection, for those that are connected.
        bad: worker to how it was proved bad; it has no seat any more.
    """

    def __init__(self, workers: tuple[str, ...]) -> None:
        self.workers = workers
        self.lines: dict[str, Caller] = {}
        self._session = secrets.randbits(64)
        self._ask = 0
        self._round: _Round | None = None
        self._position = {name: i for i, name in enumerate(workers)}
        self._heard: set[int] = set()
        self._voted = dict.fromkeys(workers, 0)
        self._past = Past()
        self.bad: dict[str, str] = {}
        self._notes: dict[str, str] = {}
        self._counters = Counters(workers)
        self.count = self._counters.count

    # --- connections ---

    def connect(self, line: Caller) -> str | None:
        """Take a connection; the reason when it is refused.

        The newest connection of a name is the one that counts: the one before may be what a
        broken network left behind.
        """
        if line.name not in self._voted:
            return self.refuse(line.name, "not on the roster")
        if line.name in self.bad:
            self.count(line.name, "refused")
            return f"proved bad: {self.bad[line.name]}"
        self.count(line.name, "connected")
        before = self.lines.get(line.name)
        self.lines[line.name] = line
        if before is not None:
            self.count(line.name, "refused")
            self.count(line.name, "replaced")
            before.assembly = None  # it may last, if its peer does not read
            before.drop("another connection with this certificate took its place")
        return None

    def refuse(self, name: str, reason: str) -> str:
        """Count and note a connection that was refused; the reason."""
        self._notes[self.count(name, "refused")] = reason
        return reason

    def disconnect(self, line: Caller) -> None:
        """The connection is gone; an answer that it had begun is lost."""
        if self.lines.get(line.name) is line:
            del self.lines[line.name]

    def question_for(self, line: Caller, seen: int) -> tuple[int, tuple[bytes, ...]]:
        """The open question's number and frames, if this worker has not seen or answered it."""
        asked = self._round
        if asked is None or line.name in self.bad:
            return seen, ()
        if asked.ask.ask == seen or self._voted[line.name] == asked.ask.ask:
            return seen, ()
        return asked.ask.ask, asked.frames

    def frame(self, ask: int, i: int) -> bytes | None:
        """Frame i of question `ask`; None when it has no more, or is not open any more."""
        asked = self._round
        if asked is None or asked.ask.ask != ask or i >= len(asked.frames):
            return None
        return asked.frames[i]

    # --- rounds ---

    def open(self, question: Question, *, losses: bool, round_id: int) -> None:
        """Ask everyone who is connected, and everyone who connects until `close`.

        Raises:
            FleetError: the question does not travel; see `header_of`.
        """
        header = header_of(
            question, losses=losses, session=self._session, ask=self._ask + 1, round_id=round_id
        )
        self._ask += 1
        self._heard = set()
        self._past.renew()
        self._round = _Round(header, tuple(frames(header, *parts_of(question))))
        for line in list(self.lines.values()):
            line.post()

    def heard(self) -> set[int]:
        """Positions of the workers whose answer is in."""
        return set(self._heard)

    def out(self) -> set[int]:
        """Positions of the workers that were proved bad, in this round or before."""
        return {self._position[name] for name in self.bad}

    def away(self) -> tuple[int, ...]:
        """Positions of the workers that have no connection, were not heard, and have a seat."""
        there = self._heard | self.out()
        return tuple(
            i for i, n in enumerate(self.workers) if n not in self.lines and i not in there
        )

    def close(self) -> Messages:
        """End the round: one answer a worker, in roster order."""
        asked, self._round = self._round, None
        assert asked is not None  # noqa: S101 (for the type checker: `open` comes first)
        self._past.add(answer_to(asked.ask))
        for line in self.lines.values():
            if line.assembly is not None:
                line.rest, line.assembly = Rest(asked.ask.ask, line.assembly.filled), None
        status: dict[str, str] = {}
        for name in self.workers:
            if name in self.bad:
                status[name] = MALFORMED
            elif name in asked.answers:
                status[name] = OK
                self.count(name, "answered")
            else:
                status[name] = LATE if name in self.lines else DEAD
                self.count(name, status[name])
        heard = [asked.answers.get(n) if status[n] == OK else None for n in self.workers]
        notes, self._notes = self._notes | self.bad, {}
        self._heard = set()
        return Messages(
            values=[None if answer is None else answer[0] for answer in heard],
            status=tuple(status.values()),
            notes=notes,
            losses=[answer and answer[1] for answer in heard] if asked.ask.losses else None,
            refused=self._counters.turned_away(),
        )

    # --- frames ---

    def receive(self, line: Caller, frame: bytes) -> str | None:
        """Judge one frame; the reason when its connection must be closed. Never raises."""
        name = line.name
        self.count(name, "bytes", len(frame))
        if self.lines.get(name) is not line:
            return "another connection with this certificate took its place"
        if name in self.bad:
            return self.bad[name]
        try:
            return self._admit(line, frame)
        except FrameError as error:
            self.count(name, "malformed")
            self.expel(name, str(error))
            return str(error)

    def expel(self, name: str, reason: str) -> None:
        """Take the seat of a worker that was proved bad, here or by the oracle."""
        self.bad.setdefault(name, reason)
        self._heard.discard(self._position[name])
        if (line := self.lines.get(name)) is not None:
            line.assembly = None
            line.expel(self.bad[name])

    def _admit(self, line: Caller, frame: bytes) -> str | None:
        """As `receive`.

        Raises:
            FrameError: what proves the worker bad.
        """
        name, (header, piece) = line.name, decode(frame)
        if header.kind != ANSWER:
            raise FrameError(f"a worker sends answers; got kind {header.kind}")
        if header.session != self._session:
            self.count(name, "refused")
            self._notes[name] = "answered another server's question"
            return self._notes[name]
        if header.ask > self._ask or header.ask == 0:
            raise FrameError("answered a question that was never asked")
        if header.ask <= self._voted[name]:
            raise FrameError("second vote")
        asked = self._round
        if asked is None or header.ask != asked.ask.ask:
            return self._stale(line, header)
        self._assemble(line, asked, header, piece)
        return None

    def _assemble(self, line: Caller, asked: _Round, header: Header, piece: memoryview) -> None:
        if line.assembly is None:
            expected = answer_to(asked.ask)
            if replace(header, offset=0) != expected:
                raise FrameError(
                    f"answered {header.subject}, which is not what was asked: {expected.subject}"
                )
            in_order(header, line.rest)
            line.assembly = Assembly(expected)
        line.assembly.add(header, piece)
        if line.assembly.complete:
            self._voted[line.name] = header.ask
            self._heard.add(self._position[line.name])
            asked.answers[line.name] = line.assembly.answer()
            line.assembly = None

    def _stale(self, line: Caller, header: Header) -> str | None:
        refusal = self._past.refusal(line.name, header, line.rest)
        if refusal is not None:
            self.count(line.name, "refused")
            self._notes[line.name] = refusal
            return refusal
        line.rest = after(header)
        if line.rest is None:
            self._voted[line.name] = header.ask
            self.count(line.name, "stale")
            self._notes[line.name] = "answered after its round was closed"
        return None

    def counters(self) -> Mapping[str, Mapping[str, int]]:
        """What was counted, name by name; a copy that cannot be changed."""
        return self._counters.read()
