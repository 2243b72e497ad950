"""What the tests of filtering share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from saddleproof.aggregators.algorithm2 import IterativeFiltering

FREE = IterativeFiltering()


seeds = st.integers(0, 2**32 - 1)


def attacked(
    seed: int, m: int = 25, d: int = 30, b: int = 5
) -> tuple[np.ndarray, np.ndarray, float]:
    """m rows, the first b of them lies of a random kind; the m originals; sigma of (61)."""
    rng = np.random.default_rng(seed)
    original = rng.standard_normal((m, d)) * rng.uniform(0.2, 2, d) + rng.standard_normal(d)
    if rng.random() < 0.3:
        original += rng.standard_t(2.5, (m, d))
    mean = original.mean(axis=0)
    sigma = float(np.linalg.norm(original - mean, 2) / np.sqrt(m))
    direction = rng.standard_normal(d)
    direction /= np.linalg.norm(direction)
    rows = original.copy()
    size = sigma * 10 ** rng.uniform(-0.5, 4)
    kind = rng.integers(4)
    if kind == 0:  # a cluster
        rows[:b] = mean + size * direction
    elif kind == 1:  # a cluster that looks like a worker
        rows[:b] = original[:b] + size * direction
    elif kind == 2:  # two sides
        rows[:b] = mean + size * direction * np.where(np.arange(b) % 2, 1, -1)[:, None]
    else:  # several directions
        rows[:b] = mean + size * np.linalg.qr(rng.standard_normal((d, b)))[0].T
    return rows, original, sigma
