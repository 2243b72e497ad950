"""Whether a stored state can be that of a run: types were checked when it was read, values here.

A state that was forged or put together by hand could otherwise steer a run into a claim that
nobody proved.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np

from saddleproof.checkpoint import Progressed, RoundRecord
from saddleproof.errors import StoreError


def check(kept: Progressed, fresh: Progressed, optimizer: Any) -> None:
    """Refuse a state that no run can have reached.

    Args:
        kept: what was read.
        fresh: the same run before its first round.
        optimizer: whose state it is.

    Raises:
        StoreError: names the field, what it holds, and what it may hold.
    """
    _check_trace(kept)
    if kept.fingerprint:
        strangers = sorted(kept.excluded.keys() - set(json.loads(kept.fingerprint["roster"])))
        if strangers:
            raise _unsound("excluded", f"names {', '.join(strangers)}, not on the run's roster")
    d = int(fresh.fingerprint["d"])
    _check_numbers(kept.state, fresh.state, "state", d)
    if kept.memory is not None and type(kept.memory) is type(fresh.memory):
        _check_numbers(kept.memory, fresh.memory, "memory", d)
    point = optimizer.point(kept.state)
    if not isinstance(point, np.ndarray) or point.shape != (d,) or point.dtype.kind != "f":
        raise _unsound("state", f"its point is no floating-point vector of length d={d}")
    if not np.isfinite(point).all():
        raise _unsound("state", "its point is not finite")


def _check_trace(kept: Progressed) -> None:
    if kept.round < 0:
        raise _unsound("round", f"is {kept.round}; rounds are counted from 0")
    if len(kept.trace) != kept.round:
        raise _unsound("trace", f"has {len(kept.trace)} records after {kept.round} rounds")
    for at, record in enumerate(kept.trace):
        _check_record(at, record)


def _check_record(at: int, record: RoundRecord) -> None:
    place = f"trace[{at}]"
    if record.round != at:
        raise _unsound(f"{place}.round", f"is {record.round}; rounds follow each other")
    if record.queries < 0:
        raise _unsound(f"{place}.queries", f"is {record.queries}, below 0")
    for name in ("gradient_norm", "inexactness"):
        if getattr(record, name) < 0:
            raise _unsound(f"{place}.{name}", f"is {getattr(record, name)}, below 0")
    if bad := [sender for sender, count in record.refused.items() if count < 0]:
        raise _unsound(f"{place}.refused", f"counts {record.refused[bad[0]]} for {bad[0]}")


def _check_numbers(value: object, fresh: object, place: str, d: int) -> None:
    """No NaN and no count below 0, and vectors of length d finite, but where a run begins so."""
    if dataclasses.is_dataclass(value):
        same = type(value) is type(fresh)
        for field in dataclasses.fields(value):
            before = getattr(fresh, field.name) if same else None
            _check_numbers(getattr(value, field.name), before, f"{place}.{field.name}", d)
    elif isinstance(value, tuple | dict):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            _check_numbers(item, None, f"{place}[{key!r}]", d)
    elif isinstance(value, np.ndarray):
        _check_array(value, fresh, place, d)
    elif type(value) is int and value < 0 and not (type(fresh) is int and fresh < 0):
        raise _unsound(place, f"is {value}, below 0")
    elif _is_nan(value) and not _is_nan(fresh):
        raise _unsound(place, "is NaN")


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _check_array(value: np.ndarray, fresh: object, place: str, d: int) -> None:
    before = fresh if isinstance(fresh, np.ndarray) else None
    vectors = before is not None and before.ndim > 0 and before.shape[-1] == d > 1
    if vectors and (value.ndim != before.ndim or value.shape[-1] != d):  # type: ignore[union-attr]
        raise _unsound(place, f"has shape {value.shape}; its rows are vectors of length d={d}")
    if value.dtype.kind != "f" or (before is not None and not np.isfinite(before).all()):
        return
    if np.isnan(value).any():
        raise _unsound(place, "holds NaN")
    if value.ndim and value.shape[-1] == d and not np.isfinite(value).all():
        raise _unsound(place, "holds an infinite coordinate")


def _unsound(place: str, why: str) -> StoreError:
    return StoreError(f"the checkpoint holds no state of a run: {place} {why}. Begin anew")
