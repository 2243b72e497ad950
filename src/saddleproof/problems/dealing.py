"""What the splits of `partition.py` share: arguments, shares, and shards that are not empty."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from saddleproof import arguments
from saddleproof.arguments import Seed
from saddleproof.errors import OptionError

Indices: TypeAlias = NDArray[np.intp]


def generator(seed: Seed) -> np.random.Generator:
    """The source of a split's random numbers."""
    return np.random.default_rng(arguments.seed_of(seed))


def labels_of(labels: object) -> NDArray[Any]:
    """(n,) labels as NumPy's.

    Raises:
        OptionError: they are no (n,) array, or some are NaN.
    """
    of = np.asarray(labels)
    if of.ndim != 1 or not len(of) or of.dtype == object:
        raise OptionError(
            f"labels must be n numbers or n words, one a row; got {type(labels).__name__} of shape "
            f"{of.shape} and dtype {of.dtype}"
        )
    if of.dtype.kind == "f" and np.isnan(of).any():
        raise OptionError("labels must not be NaN; give rows without a label one of their own")
    return of


def rows_of(data: Any, workers: int, empty: bool) -> int:
    """n, from labels or as a number.

    Raises:
        OptionError: an argument is out of its range, or there are fewer rows than workers.
    """
    arguments.whole("workers", workers, least=1)
    arguments.flag("empty", empty)
    n = arguments.whole("data", data, least=1) if np.ndim(data) == 0 else len(labels_of(data))
    if n < workers and not empty:
        raise OptionError(
            f"{n} rows leave some of m={workers} workers without any. Take fewer workers, or "
            "empty=True"
        )
    return n


def even(n: int, m: int) -> Indices:
    """(m,) sizes that differ by one at most, of sum n; the larger come first."""
    return np.full(m, n // m) + (np.arange(m) < n % m)


def drawn(rng: np.random.Generator, alpha: float, m: int) -> NDArray[np.float64]:
    """(m,) Dirichlet shares; equal ones where alpha is so large that their sum overflows."""
    shares = rng.dirichlet(np.full(m, alpha))
    return shares if abs(shares.sum() - 1.0) < 1e-6 else np.full(m, 1.0 / m)


def by_shares(rows: Indices, shares: NDArray[np.float64]) -> list[Indices]:
    """Rows cut at floor((p_1 + ... + p_i) n)."""
    cuts = np.floor(np.cumsum(shares) * len(rows) + 1e-9).astype(np.intp)
    return np.split(rows, cuts[:-1])


def shards_of(parts: list[Indices], empty: bool) -> list[Indices]:
    """Every part in ascending order; the largest give a row to those that have none."""
    parts = [np.sort(part) for part in parts]
    for i, part in enumerate(parts):
        if not len(part) and not empty:
            richest = int(np.argmax([len(other) for other in parts]))
            parts[i], parts[richest] = parts[richest][-1:], parts[richest][:-1]
    return parts
