"""What travels: frames of a fixed header and raw numbers, whose size is known beforehand.

A frame is a header (`saddleproof.fleets.grpc.header`) and at most 1 MiB of numbers. An answer
repeats its question's header, with another `kind`: all that a header says is fixed by the question,
and nothing here allocates by what a header claims. Points may be float32 or float64, all else is
float64.

What is longer than a piece of 1 MiB travels in several frames, in order, each with the full header
and its own offset: so the largest frame is the same for every question, and the receiver allocates
once, what it asked for.

`session` is drawn anew by every server process and `ask` counts its rounds: round numbers alone
come back (a resumed run asks its last round again), and an old answer must never pass for a new
one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import FleetError
from saddleproof.fleets.grpc.header import (
    ABOUT,
    ANSWER,
    CHANGES,
    CODES,
    CURVATURES,
    DTYPES,
    GRADIENTS,
    HEADER,
    LONGEST,
    MAGIC,
    PIECE,
    QUESTION,
    VERSION,
    FrameError,
    Header,
    check,
)
from saddleproof.questions import (
    Changes,
    Curvatures,
    Gradients,
    LeastCurvature,
    Question,
)


def header_of(question: Question, *, losses: bool, session: int, ask: int, round_id: int) -> Header:
    """The header of a question.

    Args:
        question: what is asked.
        losses: whether the workers' losses are wanted too, beside gradients.
        session: of the server's process.
        ask: number of the question in it.
        round_id: number of the round.

    Raises:
        FleetError: the question does not travel: its arrays' dtype or shape, its seed, or nothing
            is asked.
    """
    rows, columns = _sizes(question)
    dtype = _dtype(question)
    plain = Header(
        QUESTION, ABOUT[type(question)], dtype, session=session, ask=ask, round=round_id,
        d=parts_of(question)[0].shape[-1], rows=rows, columns=columns,
    )  # fmt: skip
    if isinstance(question, Gradients):
        header = replace(plain, losses=int(losses))
    elif isinstance(question, LeastCurvature):
        seed = None if question.seed is None else int(question.seed)
        header = replace(
            plain, steps=int(question.steps), seed=seed, delta=float(question.delta),
            seconds=float(question.seconds),
        )  # fmt: skip
    else:
        header = plain
    try:
        check(header)
        header.packed()
    except (FrameError, struct.error) as error:
        raise FleetError(f"this question does not travel: {error}") from error
    return header


def answer_to(header: Header) -> Header:
    """The header that an answer to this question must have."""
    return replace(header, kind=ANSWER, offset=0)


def parts_of(question: Question) -> tuple[Vector, ...]:
    """The arrays of a question, in the order in which they travel."""
    if isinstance(question, Gradients):
        return (question.points,)
    if isinstance(question, Changes):
        return question.w, question.directions, question.lengths
    if isinstance(question, Curvatures):
        return question.w, question.directions
    return (question.w,)


def frames(header: Header, *parts: Vector) -> Iterator[bytes]:
    """A payload of one or more arrays as frames, each at most `LONGEST` bytes.

    >>> asked = Gradients(np.zeros((1, 2)))
    >>> header = header_of(asked, losses=False, session=1, ask=1, round_id=0)
    >>> [len(frame) for frame in frames(header, *parts_of(asked))]
    [104]
    """
    dtype = DTYPES[header.dtype]
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
    magic, version, kind, about, dtype, losses, seeded, zero, steps, *rest = HEADER.unpack_from(
        frame
    )
    session, ask, number, d, rows, columns, offset, seed, delta, seconds = rest
    if magic != MAGIC or version != VERSION:
        raise FrameError(f"not a frame of version {VERSION}")
    if seeded > 1 or zero or (seed and not seeded):
        raise FrameError(f"seeded {seeded}, seed {seed}: not of this version")
    header = Header(
        kind, about, dtype, losses, steps, session, ask, number, d, rows, columns, offset,
        seed if seeded else None, delta, seconds,
    )  # fmt: skip
    check(header)
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
    def filled(self) -> int:
        """Bytes that are there."""
        return self._filled

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

    def question(self) -> Question:
        """The question whose payload this is."""
        h, numbers = self.header, self._numbers
        if h.about == GRADIENTS:
            return Gradients(numbers.reshape(h.rows, h.d))
        w, rest = numbers[: h.d], numbers[h.d :]
        directions = rest[: h.rows * h.d].reshape(h.rows, h.d)
        if h.about == CHANGES:
            return Changes(w, directions, rest[h.rows * h.d :])
        if h.about == CURVATURES:
            return Curvatures(w, directions)
        return LeastCurvature(w, h.steps, h.delta, h.seconds, h.seed)

    def answer(self) -> tuple[Vector, Vector | None]:
        """The answer whose payload this is, and the (q,) losses beside gradients or None."""
        h, numbers = self.header, self._numbers
        if h.about == GRADIENTS:
            gradients = numbers[: h.rows * h.d].reshape(h.rows, h.d)
            return gradients, numbers[h.rows * h.d :] if h.losses else None
        if h.about == CHANGES:
            return numbers.reshape(h.rows, h.columns), None
        return numbers.reshape(2, h.rows) if h.about == CURVATURES else numbers, None

    @property
    def _numbers(self) -> Vector:
        numbers: Vector = self._buffer.view(DTYPES[self.header.dtype])
        return numbers


def _sizes(question: Question) -> tuple[int, int]:
    """(rows, columns), once the shapes fit each other.

    Raises:
        FleetError: they do not.
    """
    if isinstance(question, Gradients):
        if question.points.ndim != 2:
            raise FleetError(f"points are (q, d); got shape {question.points.shape}")
        return len(question.points), 0
    w, directions = question.w, getattr(question, "directions", None)
    lengths = getattr(question, "lengths", None)
    if w.ndim != 1 or (directions is not None and directions.shape[1:] != w.shape):
        raise FleetError("w is (d,) and directions are (p, d); got " + _shapes(question))
    if lengths is not None and lengths.ndim != 1:
        raise FleetError("lengths are (t,); got " + _shapes(question))
    return (0 if directions is None else len(directions)), (0 if lengths is None else len(lengths))


def _shapes(question: Question) -> str:
    return ", ".join(str(part.shape) for part in parts_of(question))


def _dtype(question: Question) -> int:
    """The code of the numbers' type.

    Raises:
        FleetError: it does not travel.
    """
    found = {part.dtype for part in parts_of(question)}
    if isinstance(question, Gradients):
        (dtype,) = found
        if dtype in CODES:
            return CODES[dtype]
        raise FleetError(f"points travel as float64 or float32; got {dtype}")
    if found != {np.dtype(np.float64)}:
        told = ", ".join(sorted(map(str, found)))
        raise FleetError(f"{type(question).__name__} travels as float64; got {told}")
    return 0
