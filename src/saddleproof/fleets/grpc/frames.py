"""What travels: frames of a fixed header and raw numbers, whose size is known beforehand.

    magic  version  kind  dtype  losses | session  ask  round | q  0  d  offset | payload
      4       1      1      1      1    |    8      8     8   | 4  4  8    8    | <= 1 MiB

All little-endian, 56 bytes of header. A question carries the (q, d) points, an answer the (q, d)
gradients and, where `losses` is 1, the q losses after them. What is longer than a piece of 1 MiB
travels in several frames, in order, each with the full header and its own offset: so the largest
frame is the same for every q and d, and the receiver allocates once, what it asked for.

`session` is drawn anew by every server process and `ask` counts its rounds: round numbers alone
come back (a resumed run asks its last round again), and an old answer must never pass for a new
one. Nothing here allocates by what a header claims.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import FleetError

MAGIC, VERSION = b"SDPF", 1
QUESTION, ANSWER, DONE = 1, 2, 3
#: Payload bytes of one frame; a multiple of every item size.
PIECE = 1 << 20
HEADER = struct.Struct("<4s4B3Q2I2Q")
LONGEST = HEADER.size + PIECE

_DTYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<f8"), 1: np.dtype("<f4")}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


class FrameError(FleetError):
    """Bytes that are no frame; the message says what is wrong with them."""


@dataclass(frozen=True)
class Header:
    """What a frame says of itself.

    Attributes:
        kind: QUESTION, ANSWER or DONE.
        dtype: code of the numbers' type.
        losses: 1 where an answer holds q losses after the gradients.
        session, ask: which question of which server process.
        round: number of the round, for the worker's information.
        q, d: points and dimension.
        offset: where this frame's piece begins in the payload, in bytes.
    """

    kind: int
    dtype: int = 0
    losses: int = 0
    session: int = 0
    ask: int = 0
    round: int = 0
    q: int = 0
    d: int = 0
    offset: int = 0

    @property
    def size(self) -> int:
        """Bytes of the whole payload, over all pieces."""
        columns = self.d + (self.losses if self.kind == ANSWER else 0)
        return self.q * columns * _DTYPES[self.dtype].itemsize

    @property
    def last(self) -> bool:
        """Whether this piece ends the payload."""
        return self.offset + PIECE >= self.size

    def packed(self) -> bytes:
        """The header's 56 bytes."""
        return HEADER.pack(
            MAGIC, VERSION, self.kind, self.dtype, self.losses,
            self.session, self.ask, self.round, self.q, 0, self.d, self.offset,
        )  # fmt: skip


def question(points: Vector, *, losses: bool, session: int, ask: int, round_id: int) -> Header:
    """The header of a question at (q, d) points.

    Raises:
        FleetError: the points' dtype does not travel.
    """
    code = _CODES.get(points.dtype)
    if code is None:
        raise FleetError(f"points travel as float64 or float32; got {points.dtype}")
    q, d = points.shape
    return Header(QUESTION, code, int(losses), session, ask, round_id, q, d)


def answer_to(header: Header) -> Header:
    """The header that an answer to this question must have."""
    return replace(header, kind=ANSWER, offset=0)


def frames(header: Header, *parts: Vector) -> Iterator[bytes]:
    """A payload of one or more arrays as frames, each at most `LONGEST` bytes.

    >>> points = np.zeros((1, 2))
    >>> [len(frame) for frame in frames(question(points, losses=False, session=1, ask=1,
    ...                                          round_id=0), points)]
    [72]
    """
    dtype = _DTYPES[header.dtype]
    payload = b"".join(np.ascontiguousarray(part, dtype=dtype).tobytes() for part in parts)
    for offset in range(0, max(len(payload), 1), PIECE):
        yield replace(header, offset=offset).packed() + payload[offset : offset + PIECE]


def decode(frame: bytes) -> tuple[Header, memoryview]:
    """The header and the piece of payload, checked against each other; allocates nothing.

    Raises:
        FrameError: too short, too long, not ours, or of another size than its header says.
    """
    if not HEADER.size <= len(frame) <= LONGEST:
        raise FrameError(f"a frame has {HEADER.size} to {LONGEST} bytes; got {len(frame)}")
    magic, version, kind, dtype, losses, session, ask, number, q, zero, d, offset = (
        HEADER.unpack_from(frame)
    )
    if magic != MAGIC or version != VERSION:
        raise FrameError(f"not a frame of version {VERSION}")
    if kind not in (QUESTION, ANSWER, DONE) or dtype not in _DTYPES or losses > 1 or zero:
        raise FrameError(f"kind {kind}, dtype {dtype}, losses {losses}: not of this version")
    header = Header(kind, dtype, losses, session, ask, number, q, d, offset)
    if kind != DONE and (q == 0 or d == 0):
        raise FrameError(f"q = {q}, d = {d}: nothing is asked")
    size = header.size
    if offset % PIECE or (offset >= size and offset > 0):
        raise FrameError(f"no piece of {size} bytes begins at {offset}")
    if len(frame) - HEADER.size != min(PIECE, size - offset):
        raise FrameError(
            f"{len(frame) - HEADER.size} bytes at {offset} where {size} bytes are announced"
        )
    return header, memoryview(frame)[HEADER.size :]


class Assembly:
    """The payload of one header, as its pieces come in.

    Args:
        header: of the first piece. The caller has compared it with what it expects: this
            allocates `header.size` bytes.
    """

    def __init__(self, header: Header) -> None:
        self.header = header
        self._buffer = np.empty(header.size, dtype=np.uint8)
        self._filled = 0

    @property
    def complete(self) -> bool:
        """Whether every piece is there."""
        return self._filled == len(self._buffer)

    def add(self, header: Header, piece: memoryview) -> None:
        """Put the next piece in its place.

        Raises:
            FrameError: it is another payload's, or not the next one.
        """
        if replace(header, offset=0) != self.header or header.offset != self._filled:
            raise FrameError(f"the piece at {header.offset} is not the next one")
        end = self._filled + len(piece)
        self._buffer[self._filled : end] = np.frombuffer(piece, dtype=np.uint8)
        self._filled = end

    def arrays(self) -> tuple[Vector, Vector | None]:
        """(q, d) numbers, and (q,) losses or None."""
        h = self.header
        numbers = self._buffer.view(_DTYPES[h.dtype])
        body = numbers[: h.q * h.d].reshape(h.q, h.d)
        return body, numbers[h.q * h.d :] if len(numbers) > h.q * h.d else None
