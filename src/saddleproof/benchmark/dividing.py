"""Who gets which rows in a run: the test set, and each worker's share of the rest.

All of it is drawn from the seed alone, so that every rule, attack and b of a seed sees the same
rows and, for each b, the same liars.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.benchmark.data import Data
from saddleproof.errors import OptionError
from saddleproof.problems import partition

#: Names of splits, for configuration files.
SPLITS: dict[str, Callable[..., Any]] = {
    name: getattr(partition, name) for name in partition.__all__
}
#: What the benchmark itself tells a split.
SUPPLIED = ("data", "labels", "workers", "seed", "empty")
#: Streams of random numbers of a seed.
_TEST, _LIARS = 1, 2

Rows = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class Divided:
    """The rows of one run.

    Attributes:
        shards: each worker's inputs and labels.
        test: inputs and labels that no worker has.
    """

    shards: tuple[Rows, ...]
    test: Rows


def divided(data: Data, split: Callable[[NDArray[Any]], Any], workers: int, test: float,
            seed: int) -> Divided:  # fmt: skip
    """Take the test rows away, and deal the rest.

    Args:
        data: all rows.
        split: labels of the training rows to the row indices of each worker.
        workers: m.
        test: the share of rows to test, in (0, 1); whole groups, drawn until there are so many.
        seed: of the draw.

    Raises:
        OptionError: too few rows or groups, or a split that is no partition over m workers.
    """
    hidden = hidden_rows(data, test, seed)
    inputs = data.inputs
    if data.standardise:
        seen = inputs[~hidden].astype(np.float64)
        spread = seen.std(axis=0)
        scaled = (inputs - seen.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        inputs = scaled.astype(np.float32)
    x, y = inputs[~hidden], data.labels[~hidden]
    parts = [np.asarray(part) for part in split(y)]
    check_parts(parts, len(y), workers)
    return Divided(
        tuple((x[part], y[part]) for part in parts), (inputs[hidden], data.labels[hidden])
    )


def hidden_rows(data: Data, share: float, seed: int) -> NDArray[np.bool_]:
    """(n,) which rows no worker gets."""
    n = len(data.labels)
    groups = np.arange(n) if data.groups is None else data.groups
    names, sizes = np.unique(groups, return_counts=True)
    order = np.random.default_rng([seed, _TEST]).permutation(len(names))
    enough = int(np.searchsorted(np.cumsum(sizes[order]), share * n - 1e-9)) + 1
    if enough >= len(names):
        raise OptionError(
            f"a share of {share:g} to test leaves no row to train: there are {n} rows in "
            f"{len(names)} groups"
        )
    hidden: NDArray[np.bool_] = np.isin(groups, names[order[:enough]])
    return hidden


def check_parts(parts: Sequence[NDArray[Any]], n: int, workers: int) -> None:
    """Refuse what gives a row to two workers or to none, or leaves a worker without rows."""
    whole = all(part.ndim == 1 and part.dtype.kind in "iu" and len(part) for part in parts)
    if len(parts) != workers or not whole:
        raise OptionError(
            f"a split gives each of m={workers} workers an array of row numbers, one row at least; "
            f"got {len(parts)} arrays of {sorted({len(np.atleast_1d(part)) for part in parts})} "
            "rows"
        )
    if not np.array_equal(np.sort(np.concatenate(parts)), np.arange(n)):
        raise OptionError(f"a split gives every one of {n} training rows to one worker")


def liars_of(seed: int, workers: int, b: int) -> tuple[int, ...]:
    """Who lies: b of m workers, drawn from the seed; those of a smaller b are among them."""
    order = np.random.default_rng([seed, _LIARS]).permutation(workers)
    return tuple(sorted(int(i) for i in order[:b]))
