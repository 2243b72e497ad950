"""What travels: a question to a node, and its answer; raw numbers of known length.

Flower's array record names a dtype and a shape, and by default holds a NumPy file. Here the bytes
are the numbers themselves, little-endian, and are read only when dtype, shape and length are those
that were asked for: nothing is parsed, and nothing is allocated by what a header claims.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import FleetError, MissingExtraError
from saddleproof.fleets.flower import keys

_RAW = "saddleproof.raw"


class Refused(FleetError):
    """An answer that is nobody's vote; the message says why."""


@dataclass(frozen=True)
class Question:
    """What one round asks.

    Attributes:
        session: 16 random bytes of the server's process.
        ask: number of the question in it.
        losses: whether the losses are wanted too.
        points: (q, d).
    """

    session: bytes
    ask: int
    losses: bool
    points: Vector

    @property
    def expected(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array of an answer."""
        shapes = {"gradient": self.points.shape}
        return shapes | ({"losses": self.points.shape[:1]} if self.losses else {})


@dataclass(frozen=True)
class Answer:
    """A worker's vote.

    Attributes:
        name: whose it is.
        gradient: (q, d), or None.
        losses: (q,), or None.
        flaw: what is wrong with the arrays that this worker did sign; "" when nothing is.
    """

    name: str
    gradient: Vector | None = None
    losses: Vector | None = None
    flaw: str = ""


def ask(question: Question) -> Any:
    """The question as a RecordDict."""
    app = flwr_app()
    return app.RecordDict(
        {
            "question": app.ConfigRecord(
                {"session": question.session, "ask": question.ask, "losses": question.losses}
            ),
            "points": app.ArrayRecord({"points": _packed(question.points)}),
        }
    )


def asked(content: Any) -> Question:
    """The question in a RecordDict, on the worker's side."""
    told, points = content["question"], content["points"]["points"]
    return Question(
        session=bytes(told["session"]),
        ask=int(told["ask"]),
        losses=bool(told["losses"]),
        points=_unpacked(points, tuple(points.shape), _dtype(points.dtype)),
    )


def reply(
    question: Question,
    answer: tuple[Vector, Vector | None],
    *,
    name: str,
    node: int,
    key: str | os.PathLike[str] | None,
) -> Any:
    """A worker's answer as a RecordDict, signed when it has a key."""
    app = flwr_app()
    gradient, losses = answer
    arrays = {"gradient": _packed(gradient)}
    if losses is not None:
        arrays["losses"] = _packed(losses)
    signature = b"" if key is None else keys.sign(key, _text(question, name, node, arrays))
    return app.RecordDict(
        {
            "vote": app.ConfigRecord({"name": name, "signature": signature}),
            "answer": app.ArrayRecord(arrays),
        }
    )


def read(
    content: Any, question: Question, *, node: int, publics: Mapping[str, Any] | None
) -> Answer:
    """The vote in a RecordDict that came back from `node`.

    Args:
        content: what came, from anybody.
        question: what was asked.
        node: whom it was asked.
        publics: worker to public key; None believes whatever name is given.

    Raises:
        Refused: it is no answer, or not by whom it says. Nobody can be charged for it.
    """
    try:
        name, signature = content["vote"]["name"], content["vote"]["signature"]
        arrays = dict(content["answer"].items())
        text = _text(question, name, node, arrays)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Refused(f"not an answer ({type(error).__name__})") from error
    if publics is not None:
        if name not in publics:
            raise Refused("not on the roster")
        if not isinstance(signature, bytes) or not keys.verifies(publics[name], signature, text):
            raise Refused(f"not signed by {name} for this question")
    if arrays.keys() != question.expected.keys():
        return Answer(name, flaw=f"sent {sorted(arrays)!a:.80}")
    try:
        found = {
            key: _unpacked(arrays[key], shape, question.points.dtype)
            for key, shape in question.expected.items()
        }
    except Refused as flaw:
        return Answer(name, flaw=str(flaw))
    return Answer(name, found["gradient"], found.get("losses"))


def flwr_app() -> Any:
    """Flower's public names for apps, without its telemetry.

    Raises:
        MissingExtraError: Flower is not installed.
    """
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
    try:
        import flwr.app
    except ImportError as error:
        raise MissingExtraError("Flower", "flower") from error
    return flwr.app


def unreadable() -> tuple[type[Exception], ...]:
    """What unpacking a sender's bytes may raise in Flower; the network raises other kinds."""
    from google.protobuf.message import DecodeError

    return DecodeError, ValueError, TypeError, LookupError, AttributeError


def _packed(array: Vector) -> Any:
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return flwr_app().Array(array.dtype.name, tuple(array.shape), _RAW, little.tobytes())


def _unpacked(array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Vector:
    if array.stype != _RAW or array.dtype != dtype.name:
        raise Refused(f"wrong dtype {array.dtype!a:.20} ({array.stype!a:.20}), not {dtype}")
    if tuple(array.shape) != shape:
        raise Refused(f"wrong shape {array.shape!s:.40}, not {shape}")
    if len(array.data) != int(np.prod(shape)) * dtype.itemsize:
        raise Refused(f"{len(array.data)} bytes for shape {shape}")
    flat = np.frombuffer(array.data, dtype=dtype.newbyteorder("<"))
    return flat.reshape(shape).astype(dtype, copy=False)


def _dtype(name: str) -> np.dtype[Any]:
    if name not in {"float32", "float64"}:
        raise Refused(f"points are float32 or float64; got {name}")
    return np.dtype(name)


def _text(question: Question, name: str, node: int, arrays: Mapping[str, Any]) -> bytes:
    sent = {
        key: (f"{array.stype}:{array.dtype}", array.shape, array.data)
        for key, array in arrays.items()
    }
    return keys.text_of(
        session=question.session, ask=question.ask, node=node, name=name, arrays=sent
    )
