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
from torch.utils.data import DataLoader, Dataset, default_collate

from saddleproof.arrays import plain
from saddleproof.border import label
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Batch:
    """What some workers compute on, all with the same number of rows.

    Attributes:
        workers: (k,) positions on the roster.
        data: inputs and target, each (k, n, ...).
    """

    workers: NDArray[np.intp]
    data: tuple[Tensor, ...]


class Rows:
    """Every worker's rows.

    Args:
        shards: one a worker: a tuple (inputs..., target) of tensors or arrays with the rows over
            the first axis, a map-style `Dataset` of such tuples, or a `DataLoader`, which is read
            once.
        dtype: what floating-point inputs and targets become.
        device: where they go.
        names: the workers', for error messages.

    Attributes:
        sizes: (m,) rows of each worker.
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
        tensors = [_tensors(x, dtype, device, label(names, i)) for i, x in enumerate(shards)]
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

    def sample(self, size: int, seed: int, round_id: int) -> list[Batch]:
        """Minibatches without replacement: `size` rows of every worker, or all that it has.

        Worker i draws from the random stream of (seed, i, round_id) and no other, so that a round
        can be replayed, alone and in any order. Batches that are whole shards are the shards.
        """
        if size >= self.sizes.max():
            return self._full
        return [self._drawn(w, size, seed, round_id) for w in _groups(self.sizes.clip(max=size))]

    def _drawn(self, workers: NDArray[np.intp], size: int, seed: int, round_id: int) -> Batch:
        picked = []
        for i in workers:
            stream = np.random.Philox(key=seed, counter=[0, 0, i, round_id])
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


def _tensors(
    shard: Any, dtype: torch.dtype, device: torch.device, worker: str
) -> tuple[Tensor, ...]:
    shard = _read(shard, worker)
    if not isinstance(shard, (tuple, list)) or len(shard) < 2:
        raise OptionError(
            f"{worker}'s shard must be a tuple (inputs..., target), or a Dataset or "
            f"DataLoader of such tuples; got {type(shard).__name__}"
        )
    made = [_tensor(x, f"{worker}'s rows").detach().to(device) for x in shard]
    tensors = tuple(x.to(dtype) if x.is_floating_point() else x for x in made)
    lengths = {len(x) if x.ndim else 0 for x in tensors}
    if len(lengths) > 1 or lengths == {0}:
        raise OptionError(
            f"{worker}'s inputs and target must have one row each for every sample; got "
            f"shapes {[tuple(x.shape) for x in tensors]}"
        )
    return tensors


def _tensor(x: Any, whose: str) -> Tensor:
    """Inputs or targets as a tensor with numbers in it; arrays are copied, as a map of a file."""
    if isinstance(x, Tensor):
        kind = "nested" if x.is_nested else "meta" if x.is_meta else x.layout
        if kind != torch.strided:
            raise OptionError(f"{whose} must be dense tensors; got a {kind} one. Convert it openly")
        return x
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "bc":
        x = plain(x, whose)
    return torch.tensor(np.ascontiguousarray(x))


def _read(shard: Any, worker: str) -> Any:
    """A data set or a loader as one tuple of tensors; anything else as it is."""
    if not isinstance(shard, (Dataset, DataLoader)):
        return shard
    try:
        if isinstance(shard, DataLoader) and shard.batch_sampler is not None:
            batches = [tuple(map(torch.as_tensor, batch)) for batch in map(_tuple, shard)]
            return tuple(torch.cat(parts) for parts in zip(*batches, strict=True))
        if isinstance(shard, DataLoader):  # batch_size=None: row by row
            return tuple(default_collate([_tuple(row) for row in shard]))
        # A map-style data set has a length, though its base class does not say so.
        rows = [_tuple(shard[j]) for j in range(len(shard))]  # type: ignore[arg-type]
        return tuple(default_collate(rows))
    except Exception as error:  # whatever the user's data set raises
        raise OptionError(
            f"{worker}'s {type(shard).__name__} must give rows of tensors (inputs..., "
            f"target), all of one shape: {type(error).__name__}: {error}"
        ) from error


def _tuple(row: Any) -> tuple[Any, ...]:
    if not isinstance(row, (tuple, list)):
        raise TypeError(f"got a row of type {type(row).__name__}")
    return tuple(row)


def _finite(x: Tensor) -> bool:
    return not x.is_floating_point() or bool(torch.isfinite(x).all())
