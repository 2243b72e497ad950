"""Frames of gRPC: a header of 88 bytes and numbers."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from typing import Any

import numpy as np

from fuzz import mutations
from saddleproof.fleets.grpc import frames as f
from saddleproof.fleets.grpc.header import ANSWER, DONE, HEADER, FrameError, Header
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature

POINTS = np.arange(12.0).reshape(3, 4)
QUESTIONS = (
    Gradients(POINTS),
    Gradients(POINTS.astype(np.float32)),
    Changes(POINTS[0], POINTS, np.arange(1.0, 6.0)),
    Curvatures(POINTS[0], POINTS),
    LeastCurvature(POINTS[0], steps=8, seed=3),
    LeastCurvature(POINTS[0], steps=8),
)


class Frames:
    """A frame has no seal of its own: TLS protects it on its way.

    A silent difference is a frame that is read, and written again is another one: something in it
    was not looked at, or was taken for something else.
    """

    name = "frames"
    refusals = (FrameError,)

    def seeds(self) -> list[bytes]:
        """Each question, and an answer to it."""
        told = [f.header_of(q, losses=False, session=7, ask=1, round_id=2) for q in QUESTIONS]
        told[0] = replace(told[0], losses=1)
        asked = [next(f.frames(h, *f.parts_of(q))) for h, q in zip(told, QUESTIONS, strict=True)]
        answers = [f.answer_to(header) for header in told]
        said = [next(f.frames(header, np.arange(float(header.count)))) for header in answers]
        return [*asked, *said, Header(DONE).packed()]

    def variant(self, seed: bytes, rng: random.Random) -> tuple[bytes, bool]:
        """Other bytes, or a header with other fields and, at times, the numbers that it wants."""
        if rng.random() < 0.5 or len(seed) < HEADER.size:
            return mutations.changed(seed, rng, (seed,)), False
        try:
            header, numbers = f.decode(seed)
            names = rng.sample([one.name for one in fields(Header)], rng.choice((1, 1, 2, 3)))
            header = replace(header, **{name: _number(name, rng) for name in names})
            size = header.size if rng.random() < 0.7 and header.size < 4096 else len(numbers)
            return header.packed() + rng.randbytes(size), False
        except (FrameError, KeyError, TypeError, f.struct.error):  # such a header cannot be packed
            return mutations.changed(seed, rng, (seed,)), False

    def read(self, data: bytes) -> Any:
        """The header, and what its payload is where one frame holds it whole."""
        header, numbers = f.decode(data)
        if header.kind == DONE or len(numbers) != header.size:
            return header, [bytes(numbers)]
        assembly = f.Assembly(header)
        assembly.add(header, numbers)
        if header.kind == ANSWER:
            value, losses = assembly.answer()
            return header, [value.tobytes(), b"" if losses is None else losses.tobytes()]
        return header, [part.tobytes() for part in f.parts_of(assembly.question())]

    def differs(self, right: Any, data: bytes, found: Any) -> bool:
        """Written again, is it another frame?"""
        header, parts = found
        return header.packed() + b"".join(parts) != data


def _number(name: str, rng: random.Random) -> Any:
    if name in {"delta", "seconds"}:
        return rng.choice(mutations.REALS)
    if name == "seed":
        return rng.choice((None, *mutations.NUMBERS))
    if name in {"rows", "columns", "d", "steps", "kind", "about", "dtype", "losses"}:
        return rng.choice((0, 1, 2, 3, 4, 5, 9, *mutations.NUMBERS))
    return rng.choice(mutations.NUMBERS)
