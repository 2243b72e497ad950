"""Checkpoint files: snapshots under a checksum, and whether a run can go on from one."""

from __future__ import annotations

import hashlib
import io
import json
import random
import warnings
import zipfile
from dataclasses import dataclass
from types import NoneType
from typing import Any

import numpy as np

import saddleproof as sp
from durability.states import PROBLEM
from fuzz import mutations
from saddleproof.checkpoint import Progressed, holding
from saddleproof.errors import StoreError
from saddleproof.storage import snapshot

ROUNDS = 4
_GRADIENTS = "saddleproof.optimizers.gradient_descent.GradientDescent"
#: Optimizer and rule, as a fingerprint names them, to the run that was begun with them; else 0.
MEMBERS = {
    (_GRADIENTS, "saddleproof.aggregators.median.Median"): 1,
    (_GRADIENTS, "saddleproof.aggregators.safeguard_sgd.SafeguardSGD"): 2,
}


@dataclass
class Kept:
    """A checkpoint that is not on the disk; its bytes are those of `FileCheckpoint`'s file."""

    data: bytes = b""

    def save(self, loop: Progressed) -> None:
        """Keep the bytes."""
        self.data = snapshot.dumps(loop)

    def load(self, state_type: type, memory_type: type = NoneType) -> Progressed | None:
        """Read the bytes."""
        return snapshot.loads(self.data, holding(state_type, memory_type))


class Checkpoints:
    """A checkpoint ends with the SHA-256 of all before it: a seal.

    It is read as a resume reads it: the snapshot, the conditions of the run, and whether the state
    can be that of a run; and the run's end is told by `minimize`, which has no round left to lead.
    """

    name = "checkpoints"
    refusals = (StoreError,)

    def seeds(self) -> list[bytes]:
        """A run after some rounds, one by each optimizer, one with the memory of a rule."""
        return [self._run(Kept(), which).data for which in range(3)]

    def variant(self, seed: bytes, rng: random.Random) -> tuple[bytes, bool]:
        """Other bytes; or another tree or other arrays, sealed anew."""
        if rng.random() < 0.5:
            return mutations.changed(seed, rng, (seed,)), False
        try:
            return sealed(_members(seed), rng), True
        except Exception:  # noqa: BLE001 - a saved input that nobody can take apart
            return mutations.changed(seed, rng, (seed,)), True

    def read(self, data: bytes) -> Any:
        """The run that the bytes hold, by the optimizer and the rule that it was begun with."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy warns of headers that look like Python 2's
            told = Kept(data).load(object, object).fingerprint
        which = MEMBERS.get((told.get("optimizer"), told.get("aggregator")), 0)
        return self._run(Kept(data), which)

    def differs(self, right: Any, data: bytes, found: Any) -> bool:
        """Is it another run?"""
        return repr(found) != repr(right)

    def _run(self, place: Kept, which: int) -> Any:
        """Begin a run in an empty place; of one that is there, tell the end."""
        optimizer = sp.CertifiedPGD() if which == 0 else sp.GradientDescent(step=0.1)
        rule = sp.aggregators.SafeguardSGD() if which == 2 else sp.Median()
        anew = not place.data
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = sp.minimize(
                PROBLEM, optimizer, aggregator=rule, b=2, seed=0, max_rounds=ROUNDS,
                certify=False, checkpoint=place, resume=not anew,
            )  # fmt: skip
        return place if anew else (result, result.state)


def sealed(members: dict[str, bytes], rng: random.Random | None = None) -> bytes:
    """An archive of these members with a checksum that is right; disturbed by `rng`, if given."""
    if rng is not None:
        members = _disturbed(members, rng)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
        archive.comment = snapshot.SEAL + bytes(64)
    data = buffer.getvalue()[:-64]
    return data + hashlib.sha256(data).hexdigest().encode()


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _disturbed(members: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    name = rng.choice(sorted(members)) if rng.random() < 0.5 else "tree.npy"
    if name == "tree.npy" and rng.random() < 0.9:
        tree = json.loads(np.load(io.BytesIO(members[name])).tobytes())
        for _ in range(rng.choice((1, 1, 2))):
            tree = mutations.disturbed(tree, rng)
        array = np.frombuffer(json.dumps(tree).encode(), dtype=np.uint8)
    elif rng.random() < 0.3:
        return members | {name: mutations.changed(members[name], rng, tuple(members.values()))}
    else:
        array = _odd(np.load(io.BytesIO(members[name])), rng)
    member = io.BytesIO()
    np.save(member, array, allow_pickle=False)
    return members | {name: member.getvalue()}


def _odd(array: np.ndarray, rng: random.Random) -> np.ndarray:
    """Another array: other numbers, another shape, another type."""
    kind = rng.randrange(5)
    if kind == 0:
        return array.astype(rng.choice(("f4", "f2", "i8", "c16", "?", "S3", "U3", "M8[s]")))
    if kind == 1:
        return array.reshape(-1)[: rng.randrange(array.size + 1)]
    if kind == 2:
        return array[None]
    if array.dtype.kind == "f" and array.size:
        array = array.copy()
        array.flat[rng.randrange(array.size)] = rng.choice(mutations.REALS)
        return array
    return np.zeros(rng.choice(((), (0,), (3,), (2, 2), (0, 5))))
