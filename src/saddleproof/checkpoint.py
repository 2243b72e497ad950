"""The loop's own state as data, and where it is kept between two processes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Protocol, runtime_checkable

from saddleproof.errors import StoreError
from saddleproof.storage import files, snapshot
from saddleproof.storage.leases import FileLease, led
from saddleproof.suspicion import Said


@dataclass(frozen=True)
class RoundRecord:
    """One parallel iteration, as the trace keeps it.

    Attributes:
        round: 0-based number of the round.
        queries: q, the points whose gradients were asked for; 0 in a round of another question.
        gradient_norm: 2-norm of the last aggregate at the point where the run stands.
        inexactness: Delta_hat of that aggregate.
        charged: worker to reason, for workers proved bad in this round.
        absent: worker to "late", "dead", or "not asked" in a round of a sample.
        strangers: sender to reason, for answers from outside the roster.
        left_out: workers that were heard, but whose rows did not enter the aggregate at the point
            where the run stands, in any coordinate (`Estimate.kept`). No proof of anything; a
            worker that is left out round after round, where others take turns, is suspicious.
        refused: sender, a worker perhaps, to how many of its answers and connections were turned
            away since the round before: late, foreign, replaced, or nothing that was asked.
        question: the kind of question that was asked.
        event: what the optimizer made of the round, in a sentence; a jump says what is proved.
        evidence: kind to worker to how suspicious its answer is; see `saddleproof.suspicion`.
    """

    round: int
    queries: int
    gradient_norm: float
    inexactness: float
    charged: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    strangers: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    refused: dict[str, int] = field(default_factory=dict)
    question: str = "Gradients"
    event: str = ""
    evidence: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Progressed:
    """Everything that moves in a run.

    Attributes:
        round: the next round's number.
        excluded: worker to reason, for every worker proved bad so far.
        trace: one record a round.
        state: the optimizer's.
        memory: the rule's; None where it has none.
        fleet: the fleet's memory, as data; empty where it has none.
        fingerprint: name to short text, what the run was begun with; a resume compares it.
        said: what the workers have said, as far as later answers can contradict it.
    """

    round: int
    excluded: dict[str, str]
    trace: tuple[RoundRecord, ...]
    state: Any
    memory: Any = None
    fleet: dict[str, Any] = field(default_factory=dict)
    fingerprint: dict[str, str] = field(default_factory=dict)
    said: Said | None = None


@runtime_checkable
class Checkpoint(Protocol):
    """A place that keeps the last `Progressed` of one run."""

    def save(self, loop: Progressed) -> None:
        """Keep `loop`; a crash at any instant leaves the one before or this one."""

    def load(self, state_type: type, memory_type: type = NoneType) -> Progressed | None:
        """What was kept, its state and memory read as these types; None when nothing was."""


@runtime_checkable
class LedCheckpoint(Checkpoint, Protocol):
    """A checkpoint that one process at a time leads."""

    def leading(self, *, resume: bool) -> AbstractContextManager[Checkpoint]:
        """Hold the run's lease; what comes with it saves and loads under the lease.

        Args:
            resume: whether what is there is gone on with, or begun anew.

        Raises:
            StoreError: another process leads the run, and is named; or, without `resume`, there
                is a run that must not be written over.
        """


@dataclass(frozen=True)
class FileCheckpoint:
    """One snapshot file, private, and replaced atomically.

    Beginning anew replaces the file that is there. A lock beside it, held while a run is led,
    refuses a second leader. Locks are the operating system's: between machines they are as good as
    those of the file system that both mount, and there are none on Windows.

    Args:
        path: `~` stands for the home folder; folders are made when missing.
    """

    path: str | os.PathLike[str]

    def save(self, loop: Progressed) -> None:
        """Replace the file, unless a run is led that writes it."""
        with self.leading(resume=True) as led_here:
            led_here.save(loop)

    def load(self, state_type: type, memory_type: type = NoneType) -> Progressed | None:
        """Read the file; None when there is none. One that is empty or damaged is an error."""
        path = _expanded(self.path)
        try:
            path.lstat()
        except FileNotFoundError:
            return None
        except OSError:  # `snapshot.load` says what it is
            pass
        return snapshot.load(path, holding(state_type, memory_type))

    @contextmanager
    def leading(self, *, resume: bool) -> Iterator[Checkpoint]:
        """Hold the lock beside the file; see `LedCheckpoint.leading`."""
        path = _expanded(self.path)
        with _locked(path) as lease:
            yield _LockedFile(self, path, lease)


class _LockedFile:
    """A checkpoint file under its lock."""

    def __init__(self, checkpoint: FileCheckpoint, path: Path, lease: FileLease) -> None:
        self._checkpoint, self._path, self._lease = checkpoint, path, lease
        self._seen = self._signature()

    def load(self, state_type: type, memory_type: type = NoneType) -> Progressed | None:
        found = self._checkpoint.load(state_type, memory_type)
        self._seen = self._signature()
        return found

    def save(self, loop: Progressed) -> None:
        self._lease.check()
        if self._signature() not in (None, self._seen):
            raise StoreError(
                f"{self._path} was written by somebody else while this process led the run; "
                "nothing more is written"
            )
        snapshot.save(self._path, loop)
        self._seen = self._signature()

    def _signature(self) -> tuple[int, int, int] | None:
        """What changes when the file is replaced or written; None when it is not there."""
        try:
            found = self._path.lstat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


@contextmanager
def _locked(path: Path) -> Iterator[FileLease]:
    with ExitStack() as stack:
        try:
            lease = stack.enter_context(led(path))
        except OSError as error:
            raise StoreError(f"cannot lock {path}: {error}") from error
        yield lease


def _expanded(path: str | os.PathLike[str]) -> Path:
    try:
        return files.expanded(path)
    except OSError as error:
        raise StoreError(str(error)) from error


@cache
def holding(state_type: type, memory_type: type) -> type[Progressed]:
    """`Progressed` with the types of `state` and `memory` declared: `snapshot.loads` needs them."""
    return dataclasses.make_dataclass(
        "Progressed",
        [("state", state_type), ("memory", memory_type | None, field(default=None))],
        bases=(Progressed,),
        frozen=True,
        namespace={"__module__": __name__},
    )
