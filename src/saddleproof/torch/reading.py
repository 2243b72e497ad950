"""One worker's rows, or a test set, as the caller hands them in: to tensors on one device.

Rows come as a tuple (inputs..., target), as a dict of tensors, whose entries the module takes as
keyword arguments, or as a `Dataset` or `DataLoader` of either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from saddleproof.arrays import plain
from saddleproof.errors import OptionError

_FORMS = "a tuple (inputs..., target), a dict of tensors, or a Dataset or DataLoader of such rows"


#: What can be asked for its parts, and is no data set.
WHOLE = (tuple, list, Mapping, str, bytes, np.ndarray, Tensor)


@runtime_checkable
class ByNumber(Protocol):
    """A map-style data set."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Any: ...


@dataclass(frozen=True)
class GivenRows:
    """Rows as tensors.

    Attributes:
        tensors: inputs and target, or the entries of a dict; the rows over the first axis.
        keys: of the dict; empty where rows are tuples.
    """

    tensors: tuple[Tensor, ...]
    keys: tuple[str, ...] = ()

    def in_order(self, keys: tuple[str, ...], whose: str) -> GivenRows:
        """The same with the entries in another worker's order.

        Raises:
            OptionError: the entries have other names.
        """
        if set(keys) != set(self.keys):
            raise OptionError(
                f"all workers' rows need the same form; {whose}'s have "
                f"{', '.join(map(repr, self.keys)) or 'no names'}, and the first worker's "
                f"{', '.join(map(repr, keys)) or 'no names'}"
            )
        named = dict(zip(self.keys, self.tensors, strict=True)) if keys else {}
        return GivenRows(tuple(named[key] for key in keys), keys) if keys else self

    def as_handed(self) -> Any:
        """A tuple, or a dict where the rows came as one."""
        return dict(zip(self.keys, self.tensors, strict=True)) if self.keys else self.tensors


def read(shard: Any, dtype: torch.dtype, device: torch.device, whose: str) -> GivenRows:
    """The rows of one worker, or of a test set.

    Args:
        shard: the rows; a loader is read once.
        dtype: what floating-point numbers become.
        device: where they go.
        whose: what error messages call the owner.

    Raises:
        OptionError: another form, no rows, or no dense numbers; says whose they are.
    """
    shard = _collected(shard, whose)
    keys: tuple[str, ...] = ()
    if isinstance(shard, Mapping):
        keys, shard = tuple(shard), tuple(shard.values())
        if not keys or not all(isinstance(key, str) for key in keys):
            raise OptionError(f"{whose}'s dict must name its tensors by strings; got {keys}")
    elif not isinstance(shard, (tuple, list)) or len(shard) < 2:
        raise OptionError(f"{whose}'s shard must be {_FORMS}; got {type(shard).__name__}")
    made = [_tensor(x, f"{whose}'s rows").detach().to(device) for x in shard]
    tensors = tuple(x.to(dtype) if x.is_floating_point() else x for x in made)
    lengths = {len(x) if x.ndim else 0 for x in tensors}
    if len(lengths) > 1 or lengths == {0}:
        raise OptionError(
            f"{whose}'s inputs and target must have one row each for every sample; got "
            f"shapes {[tuple(x.shape) for x in tensors]}"
        )
    return GivenRows(tensors, keys)


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


def _collected(shard: Any, whose: str) -> Any:
    """A data set or a loader as one tuple or dict of tensors; anything else as it is.

    Data sets of Hugging Face are none of PyTorch's classes, but give rows by number all the same.
    """
    by_number = isinstance(shard, ByNumber) and not isinstance(shard, WHOLE)
    if not isinstance(shard, (Dataset, DataLoader)) and not by_number:
        return shard
    try:
        if isinstance(shard, DataLoader) and shard.batch_sampler is not None:
            return _joined([_row(batch) for batch in shard])
        if isinstance(shard, DataLoader):  # row by row
            return default_collate([_row(row) for row in shard])
        return default_collate([_row(shard[j]) for j in range(len(shard))])
    except Exception as error:  # whatever the user's data set raises
        raise OptionError(
            f"{whose}'s {type(shard).__name__} must give rows of tensors, (inputs..., target) or a "
            f"dict, all of one shape: {type(error).__name__}: {error}"
        ) from error


def _joined(batches: list[Any]) -> Any:
    """Batches after each other."""
    if not batches:
        raise ValueError("it gives no batch")
    if isinstance(batches[0], dict):
        keys = list(batches[0])
        return {key: torch.cat([torch.as_tensor(batch[key]) for batch in batches]) for key in keys}
    parts = zip(*batches, strict=True)
    return tuple(torch.cat([torch.as_tensor(x) for x in part]) for part in parts)


def _row(row: Any) -> Any:
    if isinstance(row, Mapping):
        return dict(row)
    if not isinstance(row, (tuple, list)):
        raise TypeError(f"got a row of type {type(row).__name__}")
    return tuple(row)
