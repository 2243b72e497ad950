"""What a frame says of itself: 88 bytes, little-endian.

    magic  version  kind  about  dtype | losses  seeded  0  steps | session  ask  round
      4       1      1      1      1   |    1       1    2    4   |    8      8     8

    d  rows  columns  offset | seed  delta  seconds | payload
    8   4       4       8    |  8      8       8    | <= 1 MiB

A header says which question is asked or answered, and every size:

    about            question                         answer
    Gradients        (rows, d) points                 (rows, d) gradients, and rows losses or none
    Changes          w, (rows, d), (columns,)         (rows, columns)
    Curvatures       w, (rows, d)                     (2, rows)
    LeastCurvature   w; steps, delta, seconds, seed   (3 + d,)

Fields that a question has no use for are zero. `check` refuses a header that says more than its
kind of question knows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.errors import FleetError
from saddleproof.questions import QUESTIONS

MAGIC, VERSION = b"SDPF", 2
QUESTION, ANSWER, DONE = 1, 2, 3
#: What a question is about; 0 where nothing is asked.
GRADIENTS, CHANGES, CURVATURES, LEAST_CURVATURE = 1, 2, 3, 4
#: Payload bytes of one frame; a multiple of every item size.
PIECE = 1 << 20
HEADER = struct.Struct("<4s4B2BHI3QQ2IQQ2d")
LONGEST = HEADER.size + PIECE

ABOUT = dict(zip(QUESTIONS, range(1, 5), strict=True))
NAMES = {code: kind.__name__ for kind, code in ABOUT.items()}
DTYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<f8"), 1: np.dtype("<f4")}
CODES = {dtype: code for code, dtype in DTYPES.items()}


class FrameError(FleetError):
    """Bytes that are no frame; the message says what is wrong with them."""


@dataclass(frozen=True)
class Header:
    """What a frame says of itself.

    Attributes:
        kind: QUESTION, ANSWER or DONE.
        about: GRADIENTS, CHANGES, CURVATURES or LEAST_CURVATURE.
        dtype: code of the numbers' type.
        losses: 1 where an answer holds `rows` losses after the gradients.
        steps, seed, delta, seconds: of `LeastCurvature`; seed is None where there is none.
        session, ask: which question of which server process.
        round: number of the round, for the worker's information.
        d: dimension.
        rows: points, or directions.
        columns: lengths.
        offset: where this frame's piece begins in the payload, in bytes.
    """

    kind: int
    about: int = 0
    dtype: int = 0
    losses: int = 0
    steps: int = 0
    session: int = 0
    ask: int = 0
    round: int = 0
    d: int = 0
    rows: int = 0
    columns: int = 0
    offset: int = 0
    seed: int | None = None
    delta: float = 0.0
    seconds: float = 0.0

    @property
    def count(self) -> int:
        """Numbers of the whole payload, over all pieces."""
        rows, columns, d = self.rows, self.columns, self.d
        answers = self.kind == ANSWER
        if self.kind == DONE:
            return 0
        if self.about == GRADIENTS:
            return rows * (d + self.losses * answers)
        if self.about == CHANGES:
            return rows * columns if answers else d + rows * d + columns
        if self.about == CURVATURES:
            return 2 * rows if answers else d + rows * d
        return 3 + d if answers else d

    @property
    def size(self) -> int:
        """Bytes of the whole payload, over all pieces."""
        return self.count * DTYPES[self.dtype].itemsize

    @property
    def last(self) -> bool:
        """Whether this piece ends the payload."""
        return self.offset + PIECE >= self.size

    @property
    def subject(self) -> str:
        """What is asked or answered, in words."""
        name = NAMES.get(self.about, "nothing")
        return f"{name} ({self.rows} x {self.columns}, d = {self.d}, round {self.round})"

    def packed(self) -> bytes:
        """The header's 88 bytes."""
        return HEADER.pack(
            MAGIC, VERSION, self.kind, self.about, self.dtype,
            self.losses, self.seed is not None, 0, self.steps,
            self.session, self.ask, self.round, self.d, self.rows, self.columns, self.offset,
            self.seed or 0, self.delta, self.seconds,
        )  # fmt: skip


def check(header: Header) -> None:
    """That no field says what its kind of question does not know.

    Raises:
        FrameError: one of them does.
    """
    h = header
    if h.kind == DONE:
        if h != Header(DONE):
            raise FrameError("a farewell says nothing else")
        return
    if h.kind not in (QUESTION, ANSWER) or h.about not in NAMES or h.dtype not in DTYPES:
        raise FrameError(f"kind {h.kind}, about {h.about}, dtype {h.dtype}: not of this version")
    of_gradients, of_least = h.about == GRADIENTS, h.about == LEAST_CURVATURE
    if h.losses > 1 or ((h.losses or h.dtype) and not of_gradients):
        raise FrameError(f"losses {h.losses}, dtype {h.dtype} with {h.subject}")
    sizes = (h.d > 0, h.rows > 0, h.columns > 0, h.steps > 0)
    if sizes != (True, not of_least, h.about == CHANGES, of_least):
        raise FrameError(f"{h.subject}, {h.steps} steps: nothing is asked")
    known = (0 < h.delta < 1 and h.seconds >= 0) if of_least else h.delta == h.seconds == 0
    if not known or (h.seed is not None and not of_least):
        raise FrameError(f"delta {h.delta}, seconds {h.seconds}, seed {h.seed} with {h.subject}")
