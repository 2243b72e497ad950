"""Records of Flower: signed answers, and questions."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import mutations
from fuzz.frames import QUESTIONS
from saddleproof.fleets.flower import envelope, keys
from saddleproof.fleets.flower.envelope import Ballot, Refused, unreadable
from saddleproof.questions import Gradients

NODE, NAMES = 7, ("ann", "ben")
BALLOTS = tuple(
    Ballot(bytes(range(16)), ask, isinstance(question, Gradients), question)
    for ask, question in enumerate(QUESTIONS)
)


class Flower:
    """An answer is signed by its worker's key, together with the question: a seal.

    The first byte of an input says what it is: an answer to one of the ballots, or a question. A
    changed answer that counts must be the vote that was signed. A question has no seal: written
    again it must be the same record. Answers that a worker signed with odd arrays are forged.

    Args:
        folder: where the workers' keys are; public, and the same ones every time.
    """

    name = "flower"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for at, name in enumerate(NAMES):
            (folder / name).write_text(bytes([at + 1] * 32).hex())
        self._publics = {name: self._key(name).public_key() for name in NAMES}
        self.refusals = (Refused,)
        self._unreadable = unreadable()

    def _key(self, name: str) -> Any:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(
            bytes.fromhex((self._folder / name).read_text())
        )

    def seeds(self) -> list[bytes]:
        """A question and two workers' answers, for each ballot."""
        found = [bytes([255]) + _packed(envelope.ask(ballot)) for ballot in BALLOTS]
        return found + [
            bytes([at]) + _packed(self._answer(ballot, name))
            for at, ballot in enumerate(BALLOTS)
            for name in NAMES
        ]

    def _answer(self, ballot: Ballot, name: str) -> Any:
        question = ballot.question
        value = np.arange(float(np.prod(question.shape))).reshape(question.shape)
        losses = np.ones(len(value), question.dtype) if ballot.losses else None
        answer = value.astype(question.dtype), losses
        return envelope.reply(ballot, answer, name=name, node=NODE, key=self._folder / name)

    def variant(self, seed: bytes, rng: random.Random) -> tuple[bytes, bool]:
        """Other bytes; or another record of fields that Flower can carry, perhaps signed anew."""
        if rng.random() < 0.5:
            return mutations.changed(seed, rng, (seed[1:],)), False
        try:
            content = _unpacked(seed[1:])
            signed = rng.random() < 0.5 and seed[0] < len(BALLOTS)
            _disturb(content, rng)
            if signed:
                vote, ballot = content["vote"], BALLOTS[seed[0]]
                arrays = dict(content["answer"].items())
                text = envelope._text(ballot, vote["name"], NODE, arrays)  # noqa: SLF001
                vote["signature"] = keys.sign(self._folder / str(vote["name"]), text)
            return seed[:1] + _packed(content), signed
        except (*self._unreadable, OSError):  # a record that cannot be made
            return mutations.changed(seed, rng, (seed[1:],)), False

    def read(self, data: bytes) -> Any:
        """The vote, or the ballot as it would be asked again."""
        try:
            content = _unpacked(data[1:])
        except self._unreadable as error:  # the fleet refuses what Flower cannot read
            raise Refused("Flower cannot read it") from error
        if not data or data[0] >= len(BALLOTS):
            return "question", _shown(envelope.ask(envelope.asked(content))), _shown(content)
        vote = envelope.read(content, BALLOTS[data[0]], node=NODE, publics=self._publics)
        parts = [None if x is None else x.tobytes() for x in (vote.value, vote.losses)]
        return "vote", data[0], vote.name, parts, vote.flaw

    def differs(self, right: Any, data: bytes, found: Any) -> bool:
        """Is it another vote than was signed, or a question that says more than was read?"""
        if found[0] == "question":
            return bool(found[1] != found[2])
        return bool(found != right)


def _packed(content: Any) -> bytes:
    from flwr.common.serde import recorddict_to_proto

    return bytes(recorddict_to_proto(content).SerializeToString(deterministic=True))


def _unpacked(data: bytes) -> Any:
    from flwr.common.serde import recorddict_from_proto
    from flwr.proto.recorddict_pb2 import RecordDict

    return recorddict_from_proto(RecordDict.FromString(data))


def _shown(content: Any) -> str:
    """All that a record says, whatever the order."""
    return repr(
        {
            key: sorted((name, repr(value)) for name, value in record.items())
            for key, record in sorted(content.items())
        }
    )


def _disturb(content: Any, rng: random.Random) -> None:
    """Another value in one of its fields."""
    key = rng.choice(sorted(content))
    record = content[key]
    if rng.random() < 0.1:
        del content[key]
        return
    name = rng.choice(sorted(record))
    if rng.random() < 0.1:
        del record[name]
        return
    old = record[name]
    if not hasattr(old, "stype"):
        plain = (
            True,
            0,
            1,
            -1,
            2**62,
            1.5,
            float("nan"),
            "",
            "x",
            "ann",
            "ben",
            b"",
            b"\xff" * 64,
            [1],
            [""],
        )
        record[name] = rng.choice(plain)
        return
    field = rng.choice(("dtype", "shape", "stype", "data"))
    shape = tuple(old.shape)
    odd: dict[str, Any] = {
        "dtype": rng.choice(("float64", "float32", "<f8", "object", "", "int64", "float64\x00")),
        "shape": rng.choice(
            (shape[::-1], (*shape, 1), (), (0,), (-1,), (2**31 - 1,) * 3, shape * 2)
        ),
        "stype": rng.choice(("saddleproof.raw", "numpy.ndarray", "")),
        "data": mutations.changed(old.data, rng, (old.data,)),
    }
    fields = {name: getattr(old, name) for name in odd} | {field: odd[field]}
    made = envelope.flwr_app().Array(
        *(fields[name] for name in ("dtype", "shape", "stype", "data"))
    )
    record[rng.choice((name, name, "more"))] = made
