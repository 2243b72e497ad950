"""The workers' rows on one device, cut into batches of workers that can be computed together.

All rows lie in one tensor, worker after worker, so that a minibatch of every worker is a single
gather, and equal shards are a view. Workers whose batches have the same size are computed
together; unequal shards give several such groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saddleproof.border import label
from saddleproof.errors import OptionError
from saddleproof.torch.reading import GivenRows, read


@dataclass(frozen=True)
class Batch:
    """What some workers compute on, all with the same number of rows.

    Attributes:
        workers: (k,) positions on the roster.
        data: inputs and target, or the entries of a dict, each (k, n, ...).
    """

    workers: NDArray[np.intp]
    data: tuple[Tensor, ...]


class Rows:
    """Every worker's rows.

    Args:
        shards: one a worker: a tuple (inputs..., target) or a dict of tensors or arrays with the
            rows over the first axis, a `Dataset` of such rows, or a `DataLoader`, which is read
            once.
        dtype: what floating-point inputs and targets become.
        device: where they go.
        names: the workers', for error messages.

    Attributes:
        sizes: (m,) rows of each worker.
        keys: names of the entries where rows are dicts; empty where they are tuples.
        odd: positions of the workers whose rows hold NaN or Inf.

    Raises:
        OptionError: an empty shard, or shards that do not fit each other.
    """

    def __init__(
        self,
        shards: Sequence[Any],
        dtype: torch.dtype,
        device: torch.device,
        names: Sequence[str] | None = None,
    ) -> None:
        given = [read(x, dtype, device, label(names, i)) for i, x in enumerate(shards)]
        self.keys = given[0].keys
        given = [one.in_order(self.keys, label(names, i)) for i, one in enumerate(given)]
        tensors = [one.tensors for one in given]
        kinds = [", ".join(f"{x.dtype} {tuple(x.shape[1:])}" for x in shard) for shard in tensors]
        for i, kind in enumerate(kinds):
            if kind != kinds[0]:
                raise OptionError(
                    "all workers' rows need the same dtypes and shapes; got "
                    f"{kinds[0]} for {label(names, 0)} and {kind} for {label(names, i)}"
                )
        self._labels = [label(names, i) for i in range(len(tensors))]
        self.odd = [i for i, shard in enumerate(tensors) if not all(map(_finite, shard))]
        self.sizes = np.array([len(shard[0]) for shard in tensors])
        self._first = np.cumsum(self.sizes) - self.sizes
        self._storage = tuple(torch.cat(parts) for parts in zip(*tensors, strict=True))
        self._full = [self._equal(workers) for workers in _groups(self.sizes)]

    @property
    def shards(self) -> list[tuple[Tensor, ...]]:
        """One worker's rows each, as views."""
        spans = zip(self._first, self._first + self.sizes, strict=True)
        return [tuple(x[a:b] for x in self._storage) for a, b in spans]

    @property
    def given(self) -> list[Any]:
        """One worker's rows each, as tuples or dicts, whichever they came as."""
        return [GivenRows(shard, self.keys).as_handed() for shard in self.shards]

    def clean(self) -> dict[str, tuple[Tensor, ...]]:
        """The shards whose rows are all finite; all shards, if none is.

        The keys are what error messages call the workers.
        """
        shards = dict(zip(self._labels, self.shards, strict=True))
        odd = {self._labels[i] for i in self.odd}
        return {whose: shard for whose, shard in shards.items() if whose not in odd} or shards

    @property
    def content(self) -> tuple[tuple[Tensor, ...], NDArray[np.int_]]:
        """All inputs and targets, worker after worker, and how many rows each worker has."""
        return self._storage, self.sizes

    def all(self) -> list[Batch]:
        """Full batches."""
        return self._full

    def sample(
        self,
        size: int | None,
        seed: int,
        round_id: int,
        *,
        step: int = 0,
        workers: NDArray[np.intp] | None = None,
    ) -> list[Batch]:
        """Minibatches without replacement: `size` rows of every worker, or all that it has.

        Worker i draws from the random stream of (seed, i, round_id, step) and no other, so that a
        round can be replayed, alone and in any order. Batches that are whole shards are the shards.

        Args:
            size: rows of a minibatch; None for all.
            seed: of the draws.
            round_id: number of the round.
            step: number of the step in it.
            workers: positions of the workers that are asked; None for all.
        """
        whole = size is None or size >= self.sizes.max()
        if workers is None and whole:
            return self._full
        asked = np.arange(len(self.sizes)) if workers is None else workers
        if size is None or whole:
            return [self._equal(asked[at]) for at in _groups(self.sizes[asked])]
        groups = [asked[at] for at in _groups(self.sizes[asked].clip(max=size))]
        return [self._drawn(group, size, seed, round_id, step) for group in groups]

    def _drawn(
        self, workers: NDArray[np.intp], size: int, seed: int, round_id: int, step: int
    ) -> Batch:
        picked = []
        for i in workers:
            stream = np.random.Philox(key=seed, counter=[0, step, i, round_id])
            n = int(self.sizes[i])
            own = np.random.Generator(stream).choice(n, min(size, n), replace=False, shuffle=False)
            picked.append(own + self._first[i])
        return Batch(workers, self._gathered(np.stack(picked)))

    def _equal(self, workers: NDArray[np.intp]) -> Batch:
        n = int(self.sizes[workers[0]])
        if len(workers) == len(self.sizes):
            shapes = [(len(workers), n, *x.shape[1:]) for x in self._storage]
            pairs = zip(self._storage, shapes, strict=True)
            return Batch(workers, tuple(x.view(shape) for x, shape in pairs))
        return Batch(workers, self._gathered(self._first[workers][:, None] + np.arange(n)))

    def _gathered(self, which: NDArray[np.intp]) -> tuple[Tensor, ...]:
        """Rows (k, n) of the storage; index_select is ten times as quick as x[which]."""
        index = torch.as_tensor(which.ravel(), device=self._storage[0].device)
        gathered = (x.index_select(0, index) for x in self._storage)
        return tuple(x.view(*which.shape, *x.shape[1:]) for x in gathered)


def _groups(sizes: NDArray[np.int_]) -> list[NDArray[np.intp]]:
    """Positions of equal sizes."""
    return [np.flatnonzero(sizes == n) for n in np.unique(sizes)]


def _finite(x: Tensor) -> bool:
    return not x.is_floating_point() or bool(torch.isfinite(x).all())
