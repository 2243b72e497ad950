"""Sorting the m numbers of each coordinate on a device, by whichever way is quicker there.

A library's sort moves numbers and their places; a network of comparators
(`engine/networks.py`) is a few hundred minima and maxima of whole rows, pruned to
the ranks that a rule asks for. Which one wins depends on the device, the dtype and m, so both are
timed once for each, on random numbers, and the choice is kept while the process lives.

Both put the same numbers into the same ranks, but for the sign of zeros.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from saddleproof.aggregators.engine.networks import ALONE, pairwise, prune
from saddleproof.arrays import Array, namespace

#: Columns on which the two ways are timed: 80 MB of float32 at m = 20.
COLUMNS = 2**20
#: Times that each is timed; the best counts.
TIMES = 3

Labels = tuple[int, ...]


def in_order(stack: Array, labels: Labels | None = None) -> Array:
    """(q, m, d), sorted over axis 1, NaN as +inf.

    Args:
        stack: messages of any library.
        labels: what is wanted of each rank (`networks.network`); None asks for all. A rank that
            nobody asked for may hold any number.
    """
    if _asks_a_device(stack):
        given = (ALONE,) * int(stack.shape[1]) if labels is None else labels
        if _network_wins(stack.device, stack.dtype, given):
            return by_network(stack, given)
    return by_sort(stack)


def by_sort(stack: Array) -> Array:
    """The array library's own sort; NaN is +inf."""
    xp = namespace(stack)
    found = xp.sort(stack, axis=1)  # NaN last
    if isinstance(found, np.ndarray) and not np.isnan(found[:, -1, :]).any():
        return found
    return xp.where(xp.isnan(found), xp.inf, found)


def by_network(stack: Array, labels: Labels) -> Array:
    """Minima and maxima of whole rows, only as many as `labels` need; NaN is +inf."""
    xp = namespace(stack)
    clean = xp.where(xp.isnan(stack), xp.inf, stack)
    rows = [clean[:, i, :] for i in range(len(labels))]
    for i, j in comparators(labels):
        rows[i], rows[j] = xp.minimum(rows[i], rows[j]), xp.maximum(rows[i], rows[j])
    return xp.stack(rows, axis=1)


@lru_cache(maxsize=256)
def comparators(labels: Labels) -> list[tuple[int, int]]:
    """The pruned network, one comparator after the other."""
    return prune(list(pairwise(len(labels))), labels)


def _asks_a_device(stack: Array) -> bool:
    """A PyTorch tensor on an accelerator, and outside gradients, which ties would change."""
    kind = getattr(getattr(stack, "device", None), "type", "cpu")
    return kind == "cuda" and not getattr(stack, "requires_grad", False)


@lru_cache(maxsize=256)
def _network_wins(device: Any, dtype: Any, labels: Labels) -> bool:
    """Timed on numbers of our own, so that the caller's random state stays as it is."""
    import torch

    chance = torch.Generator(device).manual_seed(0)
    shape = (1, len(labels), COLUMNS)
    sample = torch.rand(shape, generator=chance, device=device, dtype=dtype)

    def seconds(way: Callable[[], Any]) -> float:
        times = []
        for _ in range(1 + TIMES):
            _wait(device)
            start = time.perf_counter()
            way()
            _wait(device)
            times.append(time.perf_counter() - start)
        return min(times[1:])  # the first call loads and compiles

    return seconds(lambda: by_network(sample, labels)) < seconds(lambda: by_sort(sample))


def _wait(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
