"""SIGTERM and Ctrl-C to a command that has something to save."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass
class Stop:
    """Whether somebody wants this process to end."""

    wanted: bool = False


@contextmanager
def stopping() -> Iterator[Stop]:
    """Within it SIGTERM is a KeyboardInterrupt, as Ctrl-C is; a second one ends the process.

    The first signal leaves time to save the state and to tell the workers. The second leaves none:
    what was committed stays, and nothing else is done.
    """
    stop = Stop()
    watched = (signal.SIGTERM, signal.SIGINT)
    # The kernel ends a process faster than Python does, but not one that is the first of its
    # container: there a signal without a handler is ignored.
    second = _at_once if os.getpid() == 1 else signal.SIG_DFL

    def first(_number: int, _frame: Any) -> NoReturn:
        for number in watched:
            signal.signal(number, second)
        stop.wanted = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, first) for number in watched}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _at_once(number: int, _frame: Any) -> NoReturn:
    """End with what a shell reports for a process that this signal ended."""
    os._exit(128 + number)
