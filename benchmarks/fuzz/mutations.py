"""Bytes and plain data with something changed, by a generator of random numbers alone."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from typing import Any

#: Numbers at which sizes, counts and signs go wrong.
NUMBERS = (0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1)
REALS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e308, 5e-324, float("inf"), float("-inf"), float("nan"))
#: What may stand in the place of a value of plain data.
ODD: tuple[Any, ...] = (
    *(None, True, False, "", "0", "worker-0", "\x00", "\u202e", "x" * 300, [], {}, [[]], [None]),
    *(-1, 10**30, -(2**63), {"array": "a0"}, {"array": "a99"}, {"tuple": []}, {"dict": {}}),
    *({"tuple": [1, 2]}, {"is": "Progressed", "fields": {}}, {"is": 1, "fields": []}, {"is": ""}),
    *NUMBERS, *REALS,
)  # fmt: skip


def changed(data: bytes, rng: random.Random, others: Sequence[bytes] = (b"",)) -> bytes:
    """The bytes after one to four changes: of bits, bytes, numbers, lengths, and of their order."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        data = _once(data, rng, others)
    return data


def _once(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.choice((1, 1, 2, 4, 8, 30, 500)))
    kind = rng.randrange(9)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[end:]
    if kind == 2:
        return data[:at] + data[at:end] * rng.choice((2, 3, 50)) + data[end:]
    if kind == 3:
        return data[:at] + rng.randbytes(end - at) + data[end:]
    if kind == 4:
        other = rng.choice(others)
        start = rng.randrange(len(other) + 1)
        return data[:at] + other[start : start + rng.choice((4, 40, 4000))] + data[end:]
    if kind == 5:
        form = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q", "<d"))
        number = (
            rng.choice(REALS)
            if form == "<d"
            else rng.choice(NUMBERS) % 256 ** struct.calcsize(form)
        )
        word = struct.pack(form, number)
        return data[:at] + word + data[at + len(word) :]
    if at == len(data):
        return data + rng.randbytes(rng.choice((1, 2, 9)))
    byte = data[at] ^ (1 << rng.randrange(8)) if kind == 6 else rng.choice((0, 9, 10, 32, 127, 255))
    return data[:at] + bytes([byte]) + data[at + 1 :]


def disturbed(tree: Any, rng: random.Random) -> Any:
    """Plain data of JSON with one of its parts replaced, left out, doubled or moved."""
    if isinstance(tree, dict) and tree and rng.random() < 0.9:
        key = rng.choice(list(tree))
        kind = rng.randrange(12)
        if kind == 0:
            return {name: value for name, value in tree.items() if name != key}
        if kind == 1:
            return tree | {rng.choice(("x", "is", "array", "fields", key * 2)): rng.choice(ODD)}
        if kind == 2:
            return tree | {key: tree[rng.choice(list(tree))]}
        return tree | {key: disturbed(tree[key], rng)}
    if isinstance(tree, list) and tree and rng.random() < 0.9:
        at = rng.randrange(len(tree))
        kind = rng.randrange(8)
        if kind == 0:
            return tree[:at] + tree[at + 1 :]
        if kind == 1:
            return tree[: at + 1] + tree[at:]
        return [*tree[:at], disturbed(tree[at], rng), *tree[at + 1 :]]
    if type(tree) in (int, float) and rng.random() < 0.5:
        return rng.choice((*NUMBERS, *REALS, -tree, tree + 1))
    return rng.choice(ODD)
