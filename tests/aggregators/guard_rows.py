"""What the tests of guards share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from saddleproof.aggregators.byzantine_sgd import ByzantineSGD
from saddleproof.aggregators.safeguard_sgd import SafeguardSGD
from saddleproof.arrays import Vector

M, B, D = 10, 4, 3
NAMES = tuple(f"w{i}" for i in range(M))
DIRECTION = np.eye(D)[1]


def bounded(rng: np.random.Generator, m: int, d: int, size: float = 1.0) -> Vector:
    """Noise of norm `size`: the hardest that ||g_i - grad F|| <= V allows."""
    x = rng.standard_normal((m, d))
    return size * x / np.linalg.norm(x, axis=1, keepdims=True)


def history(
    rule: Any,
    rounds: int,
    lie: Callable[[Vector, int], Vector],
    *,
    noise: Callable[[np.random.Generator, int, int], Vector] = bounded,
    m: int = M,
    b: int = B,
    d: int = D,
    seed: int = 0,
) -> Iterator[tuple[int, Any, Any]]:
    """k (from 1), estimate and memory of every round, the first b workers lying."""
    rng = np.random.default_rng(seed)
    memory = rule.begin(tuple(f"w{i}" for i in range(m)), d)
    x = np.zeros(d)
    for k in range(1, rounds + 1):
        g = np.full(d, 3.0) + noise(rng, m, d)
        g[:b] = lie(g[:b], k)
        estimate, memory = rule.step(memory, g, b, point=x)
        x = x - 0.01 * estimate.vector
        x *= min(1.0, 1 / np.linalg.norm(x))
        yield k, estimate, memory


RULES = [
    ByzantineSGD(noise=1.0, diameter=1.0, horizon=300),
    SafeguardSGD(noise=1.0, short=20, long=60, horizon=300),
]


AUTOMATIC = [ByzantineSGD(horizon=200), SafeguardSGD(short=20, long=60, horizon=200)]


def name(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


def quiet(rng: np.random.Generator, m: int, d: int) -> Vector:
    return bounded(rng, m, d, 0.01)
