"""Random choices that nobody can predict without a key, and that nothing has to remember.

A choice is drawn from BLAKE2b(key; all rows): new messages give a new one, the same messages the
same one, whatever the order in which they came and whatever the unit that they are in. The hash
reads a sample of 1024 columns.
"""

from __future__ import annotations

import hashlib

import numpy as np

from saddleproof.aggregators.engine.row_blocks import Rows, to_numpy
from saddleproof.aggregators.engine.units import exponents_of
from saddleproof.arrays import Array

#: Columns that the hash reads.
SAMPLE = 1024


def digest(data: bytes, key: str) -> bytes:
    """64 bytes that nobody can predict without the key."""
    return hashlib.blake2b(data, key=hashlib.sha256(key.encode()).digest()).digest()


def marks(messages: Array, key: str) -> list[bytes]:
    """The digest of each of m rows, the same at every scale of all rows."""
    rows = Rows.of(messages)
    sample = to_numpy(rows.columns(slice(None, None, max(-(-rows.d // SAMPLE), 1))))
    # A scale of all rows must not change the choice: mantissas, and exponents in units.
    largest = np.abs(sample).max(axis=1, initial=0.0)
    plain = np.isfinite(largest) & (largest > 0.0)
    exponents = exponents_of(largest)
    unit = int(np.sort(exponents[plain])[plain.sum() // 2]) if plain.any() else 0
    own = np.where(plain, exponents, unit)
    scaled = np.ldexp(sample, -own[:, None])
    return [
        digest(row.tobytes() + str(power).encode(), key)
        for row, power in zip(scaled, (own - unit).tolist(), strict=True)
    ]


def together(found: list[bytes], key: str) -> bytes:
    """The digest of all rows, the same for every order of them, from their `marks`."""
    return digest(b"".join(sorted(found)), key)
