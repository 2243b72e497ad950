"""The processes of a pool: spawned, with one thread each, and deaf to Ctrl-C.

The process that collects their results ends them. They end by themselves when it is gone.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from saddleproof.errors import SaddleproofError

#: One process computes with one thread: the processes are the parallelism.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
#: Seconds that a process gets to end after SIGTERM, before SIGKILL.
_PATIENCE = 5.0
_INTERRUPT = {signal.SIGINT}


@dataclass
class Child:
    """A process that has one task at a time, and the line to it."""

    process: BaseProcess
    line: Connection
    task: int = -1  # position of the task that it has, -1 for none

    def end(self) -> None:
        """Wait until the process, told to end by SIGTERM, is gone; kill it if it stays."""
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.line.close()

    def died(self, label: str) -> SaddleproofError:
        """The error about a process that ended while it had this task."""
        self.process.join(_PATIENCE)
        code = self.process.exitcode
        how = f"exit code {code}" if not code or code > 0 else f"by {signal.Signals(-code).name}"
        return SaddleproofError(
            f"the process of {label} ended before its result was there ({how}); a process that is "
            "out of memory ends by SIGKILL. Run with one job to see more"
        )


def start(children: list[Child], count: int) -> None:
    """Add children until there are `count`."""
    context = get_context("spawn")
    with _single_threaded(), _deaf():
        while len(children) < count:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,))
            process.start()
            theirs.close()
            children.append(Child(process, ours))


def _serve(line: Connection) -> None:
    """Answer tasks until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPT)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            text = line.recv_bytes()
            try:
                function, task = pickle.loads(text)  # noqa: S301 - of the process above this one
                answer = pickle.dumps((True, function(*task)))
            except Exception as error:  # noqa: BLE001 - a task may raise anything
                answer = pickle.dumps((False, _travelling(error)))
            line.send_bytes(answer)


def _travelling(error: Exception) -> Exception:
    """The error, or what it says where it cannot be sent, with its traceback as a note."""
    error.add_note(f"in a worker process:\n{traceback.format_exc()}")
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - of this process
    except Exception:  # noqa: BLE001 - the error's class decides what pickling it raises
        found = SaddleproofError(f"{type(error).__name__}: {error}")
        found.add_note(error.__notes__[-1])
        return found
    return error


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    """Child processes read these before they load NumPy; this process has loaded it already."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Hold Ctrl-C back: children start deaf to it, and this process hears it right after."""
    resource_tracker.ensure_running()  # its start would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
