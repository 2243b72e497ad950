"""The workers of `saddleproof serve --local-workers`: processes of this machine, and their keys."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saddleproof.cli.signals import Stop
    from saddleproof.config.records import Config

#: One process computes with one thread: the processes are the parallelism.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
#: Seconds in which the workers may end by themselves after a run; after a signal there are none.
_PATIENCE = 10.0


def fresh_keys(folder: Path, names: tuple[str, ...]) -> Path:
    """An authority in `folder`, and certificates of these workers that hold for a week."""
    from saddleproof.fleets.grpc import keys

    keys.init(folder, days=7)
    keys.issue(folder, names, days=7)
    return folder


@contextmanager
def started(
    config: Path, chosen: Config, names: tuple[str, ...], *, told: Sequence[str], stop: Stop
) -> Iterator[None]:
    """One `saddleproof worker` process a name; the liars of CONFIG lie in theirs.

    Args:
        config: the file.
        chosen: what is in it.
        names: the roster.
        told: what all of them are told: where the server is, their keys, how to log.
        stop: whether this process shall end; the workers then get no time to end by themselves.
    """
    liars = () if chosen.main.liars is None else chosen.main.liars.members
    command = [sys.executable, "-m", "saddleproof", "worker", str(config), *told, "--leash"]
    environment = os.environ | dict.fromkeys(_THREADS, "1")
    processes: list[subprocess.Popen[bytes]] = []
    theirs, ours = os.pipe()  # nothing is written: it ends when we do, however we end
    try:
        for i, name in enumerate(names):
            own = ["--name", name, "--index", str(i), *(["--attack"] if i in liars else [])]
            processes.append(
                subprocess.Popen([*command, *own], env=environment, stdin=theirs)  # noqa: S603 (our own)
            )
        yield
    finally:
        os.close(ours)
        os.close(theirs)
        _end(processes, 0.0 if stop.wanted else _PATIENCE)


def _end(processes: list[subprocess.Popen[bytes]], patience: float) -> None:
    """Their input has ended: a moment to leave in order, then a signal."""
    until = time.monotonic() + patience
    for process in processes:
        try:
            process.wait(timeout=max(until - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            process.kill()
    for process in processes:
        process.wait()
