"""Metrics that clients report: the middle of what they say, so that b of m cannot set it.

Flower averages them by the number of examples that each client claims, so that one client sets
them; and it ends the run where one client's names differ from the others'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def medians(said: Sequence[Mapping[str, Any]], without: str = "") -> dict[str, Any]:
    """The median of each metric that more than half of the clients report.

    A metric is a number or a list of numbers. What is neither, is not finite, or has another length
    than most is left out.

    Args:
        said: what each client reports, name to value.
        without: a name that is left out, such as that of the number of examples.

    >>> medians([{"loss": 0.25, "n": 1}, {"loss": 0.5, "n": 2}, {"loss": 1e9}], without="n")
    {'loss': 0.5}
    """
    found: dict[str, Any] = {}
    for name in sorted({name for metrics in said for name in metrics} - {without}):
        numbers = [rows for metrics in said if (rows := _numbers(metrics.get(name))) is not None]
        for length in {len(rows) for rows in numbers}:
            alike = [rows for rows in numbers if len(rows) == length]
            if 2 * len(alike) > len(said):
                middle = np.median(np.array(alike), axis=0).tolist()
                listed = sum(isinstance(metrics.get(name), list) for metrics in said)
                found[name] = middle if 2 * listed > len(said) or length != 1 else middle[0]
    return found


def middle_loss(losses: Sequence[object]) -> float | None:
    """The median of the losses that are finite numbers; None without any."""
    known = [rows[0] for loss in losses if (rows := _numbers(loss)) is not None and len(rows) == 1]
    return float(np.median(known)) if known else None


def _numbers(value: Any) -> list[float] | None:
    """A metric as floats; None for what is none."""
    values = value if isinstance(value, list) else [value]
    if any(isinstance(x, bool | str | bytes) or x is None for x in values):
        return None
    try:
        numbers = [float(x) for x in values]
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if all(map(math.isfinite, numbers)) else None
