"""Workers that hand out their gradient in pieces: for d so long that (m, d) does not fit.

    fleet.open(w)                      the workers compute, and keep what they found
    fleet.columns(start, stop)         (m, stop - start): these coordinates of all of them

`saddleproof.columns.aggregate` is what drives them. `ColumnFleet` runs each worker in a process of
this machine: the point is a file that all of them map, and what comes back through sockets is raw
bytes of known length, never a pickle. A worker has one question at a time, and is asked again when
its old answer, which nobody counts any more, is in. The server reads what is there and never waits
for the rest of an answer: a worker may be stopped in the middle of one. Workers may die, dawdle or
lie; they are not asked to be honest, only to be ours.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import struct
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import FleetError
from saddleproof.fleets.base import DEAD, LATE, MALFORMED, OK, Messages

#: What, which round, and the columns from start to stop.
_HEADER = struct.Struct("<4Q")
_COLUMNS, _BYE = 0, 1
#: Columns of the point that are written at a time.
_PIECE = 2**20
#: Bytes that are read at a time.
_READ = 2**20


class ColumnFleet:
    """One process a worker, asked for a few coordinates at a time.

    Args:
        workers: what each process runs; anything with `answer(points)`, as
            `saddleproof.fleets.worker.Worker` has. It travels to its process once, at the start.
        d: dimension.

    Memory: the server holds what it asked for, m (stop - start) 8 bytes; a worker its gradient.

    Raises:
        FleetError: no workers.
    """

    def __init__(self, workers: Sequence[object], d: int) -> None:
        if not workers:
            raise FleetError("a fleet needs workers; got none")
        self.workers = tuple(f"worker-{i}" for i in range(len(workers)))
        self.d = d
        self._round, self._closed = 0, False
        self._folder = tempfile.TemporaryDirectory(prefix="saddleproof-")
        self._file = Path(self._folder.name) / "point"
        self._file.write_bytes(b"")
        context = multiprocessing.get_context("spawn")
        self._lines: list[socket.socket] = []
        self._processes = []
        for worker in workers:
            ours, theirs = socket.socketpair()
            process = context.Process(
                target=_serve, args=(worker, theirs, str(self._file)), daemon=True
            )
            process.start()
            theirs.close()
            ours.setblocking(False)
            self._lines.append(ours)
            self._processes.append(process)
        self._dead: set[int] = set()
        self._owed: dict[int, bytes] = {}  # the question that a worker has not answered yet
        self._text: dict[int, bytearray] = {}  # what is here of its answer

    def open(self, w: Vector) -> None:
        """Hand out the (d,) point, a memory map perhaps; who is asked for columns computes.

        Raises:
            FleetError: the fleet is closed, or the point has another shape or dtype.
        """
        if self._closed:
            raise FleetError("this fleet is closed; make a new one with ColumnFleet(workers, d)")
        if w.shape != (self.d,) or w.dtype != np.float64:
            raise FleetError(f"the point must be ({self.d},) float64; got {w.shape} {w.dtype}")
        self._round += 1
        with self._file.open("r+b") as file:
            for start in range(0, self.d, _PIECE):
                file.write(np.ascontiguousarray(w[start : start + _PIECE]).tobytes())

    def columns(self, start: int, stop: int, *, timeout: float | None = None) -> Messages:
        """Coordinates start to stop of everybody's gradient: values (1, m, stop - start).

        Args:
            start: the first column.
            stop: the one after the last, start < stop <= d.
            timeout: seconds to wait; the slower ones are late.
        """
        m, header = len(self.workers), _HEADER.pack(_COLUMNS, self._round, start, stop)
        for i in set(range(m)) - self._owed.keys():
            self._ask(i, header)
        answers: list[Any] = [None] * m
        status = [LATE] * m
        waiting: dict[Any, int] = {
            line: i for i, line in enumerate(self._lines) if i not in self._dead
        }
        end = None if timeout is None else time.monotonic() + timeout
        while waiting:
            ready = wait(list(waiting), None if end is None else max(end - time.monotonic(), 0.0))
            if not ready:
                break
            for line in ready:
                i = waiting[line]
                if not self._read(i):
                    self._dead.add(i)
                    del waiting[line]
                    continue
                owed, text = self._owed[i], self._text[i]
                if len(text) < _size(owed):
                    continue
                del self._owed[i], self._text[i]
                if owed != header:  # the answer to a question that nobody waits for any more
                    self._ask(i, header)
                    continue
                del waiting[line]
                status[i] = OK if text[: _HEADER.size] == header else MALFORMED
                if status[i] == OK:
                    answers[i] = np.frombuffer(text, np.float64, offset=_HEADER.size)[None]
            if end is not None and time.monotonic() >= end:
                break
        status = [DEAD if i in self._dead else status[i] for i in range(m)]
        flaws = {
            self.workers[i]: "not what was asked for" for i in range(m) if status[i] == MALFORMED
        }
        return Messages(answers, tuple(status), flaws)

    def close(self) -> None:
        """End the processes."""
        if self._closed:
            return
        self._closed = True
        for i in range(len(self.workers)):
            self._send(i, _HEADER.pack(_BYE, 0, 0, 0))
        for i, (process, line) in enumerate(zip(self._processes, self._lines, strict=True)):
            process.join(0.0 if i in self._owed else 2.0)  # who owes an answer hears no farewell
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
            line.close()
        self._folder.cleanup()

    def _ask(self, i: int, header: bytes) -> None:
        self._owed[i], self._text[i] = header, bytearray()
        self._send(i, header)

    def _send(self, i: int, text: bytes) -> None:
        """A worker has one question at a time, so that its socket has room for another."""
        if i in self._dead:
            return
        try:
            self._lines[i].sendall(text)
        except OSError:
            self._dead.add(i)

    def _read(self, i: int) -> bool:
        """Add what is there of a worker's answer, and no more than was asked for; whether it lives.

        A worker that talks unasked is as good as dead: there is no answer to put it in.
        """
        if i not in self._owed:
            return False
        text = self._text[i]
        try:
            data = self._lines[i].recv(min(_size(self._owed[i]) - len(text), _READ))
        except BlockingIOError:
            return True
        except OSError:
            return False
        text += data
        return bool(data)


def _size(header: bytes) -> int:
    """Bytes of the answer to a question: its header, and the numbers."""
    start, stop = map(int, _HEADER.unpack(header)[2:])
    return _HEADER.size + 8 * (stop - start)


def _serve(worker: Any, line: socket.socket, file: str) -> None:
    """The worker's process: map the point, compute once, hand out what is asked for."""
    gradient: Any = None
    known = 0
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            text = line.recv(_HEADER.size, socket.MSG_WAITALL)
            if len(text) < _HEADER.size:  # the server is gone
                return
            what, number, start, stop = _HEADER.unpack(text)
            if what == _BYE:
                return
            if number != known:
                point = np.memmap(file, np.float64, mode="r")
                known, gradient = number, worker.answer(point[None])[0][0]
            part = np.ascontiguousarray(gradient[start:stop], dtype=np.float64)
            line.sendall(text + part.tobytes())
