"""The server's random numbers: unpredictable to workers, yet replayable from the state.

The paper asks one thing (Section 3): the adversary cannot predict the server's random numbers.
A `RandomKey` is a 256-bit key of operating-system entropy and a counter; draw k is a generator
seeded by BLAKE2b(key, k). Whoever sees the outcome of every earlier draw learns nothing about the
next one without inverting the hash. Key and counter are in the state, so a saved run continues in
the same bytes, and a stored run replays.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field, replace

import numpy as np

from saddleproof.arguments import seed_of
from saddleproof.arrays import Vector


@dataclass(frozen=True)
class RandomKey:
    """A keyed sequence of generators.

    Attributes:
        key: 64 hexadecimal digits; secret while the run lasts.
        count: how many draws were made.
    """

    key: str = field(repr=False)
    count: int = 0

    @classmethod
    def open(cls, seed: int | np.random.Generator | None = None) -> RandomKey:
        """A key of fresh entropy, or, for experiments, from `seed`."""
        seed = seed_of(seed)
        if seed is None:
            return cls(secrets.token_hex(32))
        return cls(hashlib.blake2b(str(seed).encode(), digest_size=32).hexdigest())

    def draw(self) -> tuple[np.random.Generator, RandomKey]:
        """The next generator, and the key after it."""
        digest = hashlib.blake2b(
            self.count.to_bytes(8, "big"), key=bytes.fromhex(self.key), digest_size=32
        ).digest()
        generator = np.random.default_rng(int.from_bytes(digest, "big"))
        return generator, replace(self, count=self.count + 1)


def sphere(generator: np.random.Generator, count: int, d: int) -> Vector:
    """(count, d) directions, uniform on the unit sphere."""
    x = generator.standard_normal((count, d))
    directions: Vector = x / np.linalg.norm(x, axis=1, keepdims=True)
    return directions


def ball(generator: np.random.Generator, count: int, d: int) -> Vector:
    """(count, d) points, uniform in the unit ball: a direction times U^(1/d)."""
    radius: Vector = generator.random((count, 1)) ** (1.0 / d)
    return radius * sphere(generator, count, d)
