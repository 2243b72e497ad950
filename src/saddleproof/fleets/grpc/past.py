"""Answers to questions that are over: which ones an honest worker may still send, and how many.

An honest worker sends the pieces of one answer in order, and begins another answer after the last
piece. Each answer has the header of a question that was asked. So a late piece that is of another
size, out of order, or of a second answer before the first is complete, proves its worker bad, and
no late piece is kept.

A worker that is slow, on a link that is slow, may send several old answers in one round. It may
begin one more while the old ones of this round have at most `ROUND` bytes; then its connection is
closed, which proves nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from saddleproof.fleets.grpc.header import PIECE, FrameError, Header

#: Bytes of old answers that a worker may send in one round before it may not begin another one.
ROUND = 16 << 20
#: Questions that are remembered.
_REMEMBERED = 256


@dataclass(frozen=True)
class Rest:
    """What is still to come of an answer that was begun: question number, and next offset."""

    ask: int
    offset: int


class Past:
    """The headers of the latest questions, and the late bytes of the round."""

    def __init__(self) -> None:
        self._expected: OrderedDict[int, Header] = OrderedDict()
        self._bytes: dict[str, int] = {}

    def add(self, expected: Header) -> None:
        """A question is over; `expected` is the header of its answers."""
        self._expected[expected.ask] = expected
        if len(self._expected) > _REMEMBERED:
            self._expected.popitem(last=False)

    def renew(self) -> None:
        """A round begins: everybody may send old answers again."""
        self._bytes.clear()

    def refusal(self, name: str, header: Header, rest: Rest | None) -> str | None:
        """Why the connection of this late piece is closed, without a proof; None when it is not.

        Args:
            name: the worker.
            header: of the piece.
            rest: what is still to come of the answer that the connection has begun.

        Raises:
            FrameError: what proves the worker bad.
        """
        expected = self._expected.get(header.ask)
        if expected is None:
            return "answered a question that was over long ago"
        if replace(header, offset=0) != expected:
            raise FrameError(
                f"answered {header.subject}, which is not what was asked: {expected.subject}"
            )
        in_order(header, rest)
        sent = self._bytes.get(name, 0)
        if header.offset == 0 and sent > ROUND:
            return f"sent more than {ROUND} bytes of old answers in one round"
        self._bytes[name] = sent + min(PIECE, header.size - header.offset)
        return None


def in_order(header: Header, rest: Rest | None) -> None:
    """That a piece is the next one of the answer that was begun, or the first one of an answer.

    Raises:
        FrameError: it is not.
    """
    due = Rest(header.ask, 0) if rest is None else rest
    if (header.ask, header.offset) != (due.ask, due.offset):
        raise FrameError(
            f"the piece at {header.offset} of answer {header.ask} is not the next one: that is the "
            f"one at {due.offset} of answer {due.ask}"
        )


def after(header: Header) -> Rest | None:
    """What is still to come after this piece."""
    return None if header.last else Rest(header.ask, header.offset + PIECE)
