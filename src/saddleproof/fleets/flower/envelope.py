"""What travels: a question to a node, and its answer; raw numbers of known length.

    question         arrays                    and, in its config record     answer's arrays
    Gradients        points                    losses                        gradient, losses
    Changes          w, directions, lengths                                  changes
    Curvatures       w, directions                                           curvatures
    LeastCurvature   w                         steps, delta, seconds, seed   least

Flower's array record names a dtype and a shape, and by default holds a NumPy file. Here the bytes
are the numbers themselves, little-endian, and are read only when dtype, shape and length are those
that were asked for: nothing is parsed, and nothing is allocated by what a header claims.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import FleetError, MissingExtraError
from saddleproof.fleets.flower import keys
from saddleproof.questions import (
    Changes,
    Curvatures,
    Gradients,
    LeastCurvature,
    Question,
)

_RAW = "saddleproof.raw"
#: Bytes of a ballot's session.
SESSION = 16
#: What is sent of each kind of question: its arrays, and the name of the answer's array.
_PARTS: dict[type, tuple[tuple[str, ...], str]] = {
    Gradients: (("points",), "gradient"),
    Changes: (("w", "directions", "lengths"), "changes"),
    Curvatures: (("w", "directions"), "curvatures"),
    LeastCurvature: (("w",), "least"),
}
#: Array of a question to its number of axes; the last axis of `_ROWS` has length d.
_AXES = {"points": 2, "w": 1, "directions": 2, "lengths": 1}
_ROWS = {"w", "directions"}
_KINDS: dict[str, type] = {kind.__name__: kind for kind in _PARTS}


class Refused(FleetError):
    """An answer that is nobody's vote; the message says why."""


@dataclass(frozen=True)
class Ballot:
    """What one round asks; every worker has one vote.

    Attributes:
        session: 16 random bytes of the server's process.
        ask: number of the question in it.
        losses: whether the losses are wanted too, beside gradients.
        question: what is asked.
        about: names and shapes of the arrays that a point w stands for, as JSON text, so that a
            worker can refuse a vector that means something else to it; "" where nobody says.
    """

    session: bytes
    ask: int
    losses: bool
    question: Question
    about: str = ""

    @property
    def main(self) -> str:
        """Name of the array that is the answer."""
        return _PARTS[type(self.question)][1]

    @property
    def expected(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array of an answer."""
        shapes = {self.main: self.question.shape}
        return shapes | ({"losses": self.question.shape[:1]} if self.losses else {})


@dataclass(frozen=True)
class Signed:
    """A worker's vote.

    Attributes:
        name: whose it is.
        value: the answer, of the question's shape and dtype, or None.
        losses: (q,), or None.
        flaw: what is wrong with the arrays that this worker did sign; "" when nothing is.
    """

    name: str
    value: Vector | None = None
    losses: Vector | None = None
    flaw: str = ""


def ask(ballot: Ballot) -> Any:
    """The ballot as a RecordDict.

    Raises:
        FleetError: the question's arrays have a dtype that does not travel.
    """
    app, question = flwr_app(), ballot.question
    arrays = {name: getattr(question, name) for name in _PARTS[type(question)][0]}
    for name, array in arrays.items():
        if array.dtype not in _dtypes(type(question)):
            raise FleetError(f"{name} cannot travel as {array.dtype}")
    return app.RecordDict(
        {
            "question": app.ConfigRecord(_told(ballot)),
            "arrays": app.ArrayRecord({name: _packed(array) for name, array in arrays.items()}),
        }
    )


def asked(content: Any) -> Ballot:
    """The ballot in a RecordDict, on the worker's side.

    Raises:
        Refused: it is none, or it says something that its kind of question does not.
    """
    try:
        told, arrays = dict(content["question"]), content["arrays"]
        kind = _KINDS.get(str(told["kind"]))
        if kind is None:
            raise Refused(f"a question of no known kind: {told['kind']!a:.40}")
        found: dict[str, Any] = {name: _read(arrays[name], name, kind) for name in _PARTS[kind][0]}
        if kind is LeastCurvature:
            seed = str(told["seed"])
            found |= {"steps": int(told["steps"]), "delta": float(told["delta"])}
            found |= {"seconds": float(told["seconds"]), "seed": int(seed) if seed else None}
        make: Callable[..., Question] = kind
        ballot = Ballot(told["session"], told["ask"], told["losses"], make(**found), told["about"])
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise Refused(f"not a question ({type(error).__name__})") from error
    if sorted(content) != ["arrays", "question"] or sorted(arrays) != sorted(_PARTS[kind][0]):
        raise Refused("a question with other records or arrays than its kind has")
    said = (ballot.session, ballot.ask, ballot.losses, ballot.about)
    plain = tuple(map(type, said)) == (bytes, int, bool, str)
    if not plain or len(ballot.session) != SESSION or (ballot.losses and kind is not Gradients):
        raise Refused("a question with no session, number or flag of its own")
    if _typed(told) != _typed(_told(ballot)):
        raise Refused(f"a question with other fields than {kind.__name__} has")
    if len({len(found[name].T) for name in found.keys() & _ROWS}) > 1:
        raise Refused("w and directions are of different lengths d")
    return ballot


def _told(ballot: Ballot) -> dict[str, Any]:
    """What a question's config record says."""
    question = ballot.question
    told: dict[str, Any] = {
        "session": ballot.session,
        "ask": ballot.ask,
        "losses": ballot.losses,
        "kind": type(question).__name__,
        "about": ballot.about,
    }
    if isinstance(question, LeastCurvature):
        told |= {"steps": int(question.steps), "delta": float(question.delta)}
        told["seconds"] = float(question.seconds)
        told["seed"] = "" if question.seed is None else str(question.seed)
    return told


def _typed(told: Mapping[str, object]) -> dict[str, tuple[type, Any]]:
    """The values with their types: 1 is not True."""
    return {name: (type(value), value) for name, value in told.items()}


def reply(
    ballot: Ballot,
    answer: tuple[Vector, Vector | None],
    *,
    name: str,
    node: int,
    key: str | os.PathLike[str] | None,
) -> Any:
    """A worker's answer as a RecordDict, signed when it has a key."""
    app = flwr_app()
    value, losses = answer
    arrays = {ballot.main: _packed(value)}
    if losses is not None:
        arrays["losses"] = _packed(losses)
    signature = b"" if key is None else keys.sign(key, _text(ballot, name, node, arrays))
    return app.RecordDict(
        {
            "vote": app.ConfigRecord({"name": name, "signature": signature}),
            "answer": app.ArrayRecord(arrays),
        }
    )


def read(content: Any, ballot: Ballot, *, node: int, publics: Mapping[str, Any] | None) -> Signed:
    """The vote in a RecordDict that came back from `node`.

    Args:
        content: what came, from anybody.
        ballot: what was asked.
        node: whom it was asked.
        publics: worker to public key; None believes whatever name is given.

    Raises:
        Refused: it is no answer, or not by whom it says. Nobody can be charged for it.
    """
    try:
        name, signature = content["vote"]["name"], content["vote"]["signature"]
        arrays = dict(content["answer"].items())
        text = _text(ballot, name, node, arrays)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Refused(f"not an answer ({type(error).__name__})") from error
    if publics is not None:
        if name not in publics:
            raise Refused("not on the roster")
        if not isinstance(signature, bytes) or not keys.verifies(publics[name], signature, text):
            raise Refused(f"not signed by {name} for this question")
    if arrays.keys() != ballot.expected.keys():
        return Signed(name, flaw=f"sent {sorted(arrays)!a:.80}")
    try:
        found = {
            key: _unpacked(arrays[key], shape, ballot.question.dtype)
            for key, shape in ballot.expected.items()
        }
    except Refused as flaw:
        return Signed(name, flaw=str(flaw))
    return Signed(name, found[ballot.main], found.get("losses"))


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
    if len(array.data) != math.prod(shape) * dtype.itemsize:
        raise Refused(f"{len(array.data)} bytes for shape {shape}")
    flat = np.frombuffer(array.data, dtype=dtype.newbyteorder("<"))
    return flat.reshape(shape).astype(dtype, copy=False)


def _read(array: Any, name: str, kind: type) -> Vector:
    """An array of a question, of the shape that it has.

    Raises:
        Refused: its dtype is not the kind's, or it is empty or has another number of axes.
    """
    if array.dtype not in {dtype.name for dtype in _dtypes(kind)}:
        raise Refused(f"{kind.__name__} of dtype {array.dtype!a:.20}")
    shape = tuple(array.shape)
    if len(shape) != _AXES[name] or min(shape) < 1:
        raise Refused(f"{name} of shape {shape!s:.40}")
    return _unpacked(array, shape, np.dtype(array.dtype))


def _dtypes(kind: type) -> tuple[np.dtype[Any], ...]:
    """What a question's arrays may be: float64, and points float32 too."""
    double = np.dtype(np.float64)
    return (double, np.dtype(np.float32)) if kind is Gradients else (double,)


def _text(ballot: Ballot, name: str, node: int, arrays: Mapping[str, Any]) -> bytes:
    sent = {
        key: (f"{array.stype}:{array.dtype}", array.shape, array.data)
        for key, array in arrays.items()
    }
    return keys.text_of(session=ballot.session, ask=ballot.ask, node=node, name=name, arrays=sent)
