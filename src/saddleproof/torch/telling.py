"""How a training goes: a bar on the terminal where a user wants one, and the log always.

logging.getLogger("saddleproof").setLevel(logging.INFO)     # DEBUG: a line a round
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

from saddleproof import arguments
from saddleproof.result import Progress

_log = logging.getLogger(__name__)
Callback = Callable[[Progress], bool | None]


def steps(title: str, total: int, *, shown: bool) -> AbstractContextManager[Any]:
    """A bar on the terminal, or a context that gives None."""
    if not shown:
        return nullcontext()
    from rich.console import Console

    from saddleproof.lab.report.progress import Steps

    return Steps(Console(stderr=True), title, total, bounded=False)


class Telling:
    """A callback that advances a bar, writes the log, and asks the user's own whether to stop.

    Args:
        bar: from `steps`.
        rounds: budget of the run.
        metrics: the last metrics of the test set.
        callback: the user's own, or None.
    """

    def __init__(
        self,
        bar: Any,
        rounds: int,
        metrics: Callable[[], Mapping[str, float]],
        callback: Callback | None,
    ) -> None:
        self._bar, self._rounds, self._metrics, self._callback = bar, rounds, metrics, callback
        self._began, self._done = time.monotonic(), 0

    def __call__(self, progress: Progress) -> bool:
        """After a round; whether to stop."""
        record = progress.record
        self._done += 1
        each = (time.monotonic() - self._began) / self._done
        left = each * (self._rounds - record.round - 1)
        said = [f"||g_hat|| {record.gradient_norm:.3g}"]
        said += [f"{name} {value:.3g}" for name, value in self._metrics().items()]
        if self._bar is not None:
            self._bar.advance(", ".join([*said, f"{lasting(left)} left"]))
        for name, why in record.charged.items():
            _log.warning(
                "round %d: %s is proved bad (%s)", record.round, name, why,
                extra={"saddle_round": record.round, "saddle_worker": name},
            )  # fmt: skip
        level = logging.DEBUG if record.question == "Gradients" else logging.INFO
        _log.log(
            level, "round %d of %d: %s, %s; %s left", record.round, self._rounds,
            record.event or "no finding", ", ".join(said), lasting(left),
            extra={"saddle_round": record.round, "saddle_gradient_norm": record.gradient_norm},
        )  # fmt: skip
        return self._callback is not None and arguments.stops(self._callback(progress))


def lasting(seconds: float) -> str:
    """A time in words, to the second.

    >>> lasting(3.4), lasting(3725.0)
    ('0:00:03', '1:02:05')
    """
    return str(timedelta(seconds=round(seconds)))
