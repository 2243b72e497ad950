"""The workers' data as the user gives them: one shard a worker, perhaps under the workers' names.

A shard is whatever the loss reads, so that most of it passes as it is. Arrays, also inside tuples,
lists and dicts, are handed on as read-only views, without a copy: a loss that writes into them is
refused. What the user's own code does to the arrays underneath, and to shards of other types, is
the user's business. Refused are shards which NumPy computes with in a way of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from saddleproof.arrays import plain
from saddleproof.border.lending import read_only
from saddleproof.errors import OptionError


def named_shards(shards: object) -> tuple[tuple[str, ...] | None, Sequence[Any]]:
    """The workers' names, None where the user gave none, and one shielded shard a worker.

    Args:
        shards: a sequence, an iterable that is read once, an array whose rows are the shards, or a
            mapping of names to shards.

    Raises:
        OptionError: no shards, names that are none, or something that does not say which part is
            whose.

    >>> named_shards({"anna": [1.0], "ben": [2.0]})
    (('anna', 'ben'), ([1.0], [2.0]))
    """
    if isinstance(shards, Mapping):
        parts = {_name(key): shielded(part, f"{key!r}'s shard") for key, part in shards.items()}
        names, shards = tuple(parts), tuple(parts.values())
    else:
        names, shards = None, _listed(shards)
    if len(shards) == 0:
        raise OptionError("a problem needs at least one worker's shard; got none")
    return names, shards


def label(names: Sequence[str] | None, i: int) -> str:
    """What error messages call worker i: "worker 3", or "worker 'anna'"."""
    return f"worker {i}" if names is None else f"worker {names[i]!r}"


def shielded(shard: Any, whose: str) -> Any:
    """A shard whose arrays are read-only views.

    Raises:
        OptionError: masked entries, or a matrix, whose * is another product.
    """
    if isinstance(shard, np.matrix):
        raise OptionError(
            f"{whose} is a matrix, whose * is another product than an array's; give "
            "np.asarray(shard)"
        )
    if isinstance(shard, np.ma.MaskedArray):
        shard = plain(shard, whose) if shard.dtype.kind in "fiu" else shard
    if isinstance(shard, np.ndarray):
        shard = _numbers(shard) if shard.dtype == object else shard
        return read_only(shard) if shard.flags.writeable else shard
    if type(shard) in (tuple, list):
        return type(shard)(shielded(part, whose) for part in shard)
    if type(shard) is dict:
        return {key: shielded(part, whose) for key, part in shard.items()}
    return shard


def _name(key: object) -> str:
    if not isinstance(key, str) or not key.strip() or key != key.strip():
        raise OptionError(
            "the keys of a mapping of shards are the workers' names, strings that neither are "
            f"blank nor begin or end with a blank; got {key!r}"
        )
    return key


def _listed(shards: Any) -> Sequence[Any]:
    kind, module = type(shards).__name__, type(shards).__module__.partition(".")[0]
    if isinstance(shards, (str, bytes, set, frozenset)) or module in ("pandas", "polars", "scipy"):
        raise OptionError(
            f"shards must be one a worker; got {kind}, which does not say what is whose. Give a "
            "list with one shard a worker, or a dict of names to shards"
        )
    if isinstance(shards, np.ndarray):
        shards = shielded(shards, "the array of shards")
    elif isinstance(shards, Sequence) and not isinstance(shards, (list, tuple)):
        return _Shielding(shards)
    try:
        parts = tuple(iter(shards))
    except TypeError as error:
        raise OptionError(
            f"shards must be one a worker, in a list or a dict of names to shards; got {kind}"
        ) from error
    return tuple(shielded(part, f"worker {i}'s shard") for i, part in enumerate(parts))


class _Shielding(Sequence[Any]):
    """A sequence of the user's own, which may read a shard from a disk whenever it is asked."""

    def __init__(self, shards: Sequence[object]) -> None:
        self._shards = shards

    def __len__(self) -> int:
        return len(self._shards)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return _Shielding(self._shards[i])
        return shielded(self._shards[i], f"worker {i}'s shard")


def _numbers(array: Any) -> Any:
    """An object array of real numbers as float64, where that is the same numbers; else itself."""
    try:
        found = array.astype(np.float64)
        same = bool(np.all(found == array))
    except (TypeError, ValueError, OverflowError):
        return array
    return found if same else array
