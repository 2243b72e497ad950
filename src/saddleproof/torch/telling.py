"""Bars for training and certifying, where a user wants them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from saddleproof import arguments
from saddleproof.result import Progress

Callback = Callable[[Progress], bool | None]


def steps(title: str, total: int, *, shown: bool) -> AbstractContextManager[Any]:
    """A bar on the terminal, or a context that gives None."""
    if not shown:
        return nullcontext()
    from rich.console import Console

    from saddleproof.lab.report.progress import Steps

    return Steps(Console(stderr=True), title, total, bounded=False)


def shown(bar: Any, callback: Callback | None) -> Callback:
    """A callback that advances the bar, and asks the user's own whether to stop."""

    def after(progress: Progress) -> bool:
        if bar is not None:
            bar.advance(f"||g_hat|| {progress.record.gradient_norm:.3g}")
        return callback is not None and arguments.stops(callback(progress))

    return after
