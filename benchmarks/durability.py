"""Faults and damage: is a committed round lost, a result lost, a changed byte believed?

    python benchmarks/durability.py [--faults 1000] [--bytes 1500]

Faults. A run is led with a checkpoint, and one system call of a save fails: for a file each call
that `storage/files.py` makes, with ENOSPC, EDQUOT, EMFILE, EROFS, EIO or EACCES; for a store
SQLite's own page budget (SQLITE_FULL), and the process's limit on the size of a file, which fails
a write at any byte. Counted: saves that raised anything but a StoreError; committed rounds that a
fresh reader does not find; results that the error does not carry. All three should be 0.

Damage. One byte of a finished store, of the store of a killed run with its log, or of a checkpoint
is changed. Counted: changes after which another trace, state or configuration was read without a
word; errors that are no StoreError; runs that would silently begin anew. All three should be 0.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import random
import resource
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saddleproof import minimize, optimizers, problems
from saddleproof.checkpoint import Checkpoint, FileCheckpoint, Progressed, RoundRecord
from saddleproof.errors import StoreError
from saddleproof.runs.store import RunCheckpoint, Store
from saddleproof.storage import files

PROBLEM = problems.Example2(workers=9, seed=0)
OPTIMIZER = optimizers.GradientDescent(step=0.1)
KIND = type(OPTIMIZER.init(PROBLEM.start))
ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.EROFS),
    *(errno.EIO, errno.EACCES),
)
#: The calls of a save, as `saddleproof.storage.files` makes them.
CALLS = ("open", "write", "fsync", "close", "replace", "fchmod")
CONFIG = "the text of a configuration, which is long enough to be hit by some of the changes"


@dataclass
class Failing:
    """Fails the n-th of the system calls of a module with one error."""

    at: int
    error: int
    count: int = 0

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, or its failure; a write fails after some of its bytes."""

        def made(*args: Any, **options: Any) -> Any:
            self.count += 1
            if self.count != self.at:
                return call(*args, **options)
            if call is os.write and len(args[1]) > 1:
                call(args[0], args[1][: len(args[1]) // 2])
            if call is os.close:
                call(*args, **options)
            raise OSError(self.error, os.strerror(self.error))

        return made

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """For as long as this holds."""
        shim = type("os", (), dict(vars(os)))
        for name in CALLS:
            setattr(shim, name, staticmethod(self.wrap(getattr(os, name))))
        before, files.os = files.os, shim  # type: ignore[attr-defined,assignment]
        try:
            yield
        finally:
            files.os = before  # type: ignore[attr-defined]


def state(rounds: int) -> Progressed:
    """A state after so many rounds, with a trace that has something to lose."""
    trace = tuple(
        RoundRecord(k, 3, 1 / (k + 1), 0.25, {"worker-1": "NaN or Inf"}, event=f"round {k}")
        for k in range(rounds)
    )
    inner = OPTIMIZER.init(PROBLEM.start + rounds)
    return Progressed(rounds, {"worker-1": "NaN or Inf"}, trace, inner)


class Watched:
    """A checkpoint that counts its commits, and fails in the save after some of them."""

    def __init__(self, inner: Checkpoint, after: int, failing: Callable[[], Any]) -> None:
        self.inner, self.after, self.failing = inner, after, failing
        self.committed = 0

    def save(self, loop: Progressed) -> None:
        """Save, perhaps under a fault."""
        fault = self.failing() if loop.round > self.after else contextlib.nullcontext()
        with fault:
            self.inner.save(loop)
        self.committed = loop.round

    def load(self, *kinds: type) -> Progressed | None:
        """What is there."""
        return self.inner.load(*kinds)


def faulted(inner: Checkpoint, failing: Callable[[], Any], counts: Counter[str]) -> None:
    """One run whose third save fails; what is lost by it."""
    counts["injected"] += 1
    target = Watched(inner, 2, failing)
    options: dict[str, Any] = {"b": 2, "seed": 0, "max_rounds": 4, "certify": False}
    try:
        minimize(PROBLEM, OPTIMIZER, checkpoint=target, **options)
        counts["survived"] += 1
    except StoreError as error:
        counts["refused"] += 1
        held = error.result is not None and error.result.rounds > target.committed
        counts["results lost"] += not (held and np.isfinite(error.result.w).all())
    except BaseException as error:  # noqa: BLE001 - that is what is counted
        counts[f"raw {type(error).__name__}"] += 1
        counts["raw exceptions"] += 1


def found(place: Checkpoint, committed: int, counts: Counter[str]) -> None:
    """Whether a fresh reader finds what was committed."""
    try:
        kept = place.load(KIND)
    except StoreError:
        kept = None
    counts["rounds lost"] += kept is None or kept.round < committed
    counts["silent changes"] += kept is not None and len(kept.trace) != kept.round


def file_faults(folder: Path, faults: int) -> Counter[str]:
    """Faults at every call of a save of a file, in turn."""
    counts: Counter[str] = Counter()
    probe = Failing(10**9, errno.EIO)
    with probe.installed():
        FileCheckpoint(folder / "probe.npz").save(state(3))
    places = [(at, error) for error in ERRORS for at in range(1, probe.count + 1)]
    for n in range(faults):
        at, error = places[n % len(places)]
        path = folder / f"{n}.npz"
        place = FileCheckpoint(path)
        place.save(state(0))
        faulted(place, Failing(at, error).installed, counts)
        found(place, 2, counts)
        left = [p.name for p in folder.iterdir() if ".draft" in p.name or ".lock" in p.name]
        counts["drafts left"] += len(left)
        path.unlink()
    counts["positions"] = len(places)
    return counts


@contextlib.contextmanager
def full(store: Store, pages: int) -> Iterator[None]:
    """The disk is full after so many more pages."""
    now = store.db.execute("PRAGMA page_count").fetchone()[0]
    store.db.execute(f"PRAGMA max_page_count = {now + pages}")
    try:
        yield
    finally:
        store.db.execute("PRAGMA max_page_count = 1073741823")


@contextlib.contextmanager
def limited(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes: a write ends there with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def store_faults(folder: Path, faults: int, seed: int = 0) -> Counter[str]:
    """A full disk at any page, and a write that ends at any byte."""
    counts: Counter[str] = Counter()
    generator = random.Random(seed)  # noqa: S311
    for n in range(10 * faults):
        if counts["refused"] >= faults:  # a limit beyond all that is written is no fault
            break
        path = folder / f"{n}.sqlite"
        with Store(path) as store:
            run = store.begin(CONFIG, "0")
            run.save(state(0))
            sizes = [p.stat().st_size for p in folder.glob(f"{n}.sqlite*") if "shm" not in p.name]
            largest = generator.randrange(max(sizes) + 8_000)
            fault = (lambda: full(store, 0)) if n % 4 == 0 else (lambda: limited(largest))  # noqa: B023
            faulted(run, fault, counts)
        with Store(path) as store:
            again = store.unfinished(CONFIG)
            if again is None:
                counts["rounds lost"] += 1
            else:
                found(again, 2, counts)
                again.save(state(5)) if again.load(KIND) is None else None
        for left in folder.glob(f"{n}.sqlite*"):
            left.unlink()
    return counts


def read(path: Path) -> Any:
    """All that a store says: its runs, and the trace and the state of each."""
    with Store(path) as store:
        told = [
            (run, store.trace(run.id), repr(RunCheckpoint(store.db, run.id).load(KIND)))
            for run in store.runs()
        ]
        return told, store.unfinished(CONFIG) is None


def changed(data: bytes, generator: random.Random) -> bytes:
    """The bytes with one of them changed."""
    at = generator.randrange(len(data))
    return data[:at] + bytes([data[at] ^ generator.randrange(1, 256)]) + data[at + 1 :]


def judged(reader: Callable[[], Any], right: Any, counts: Counter[str]) -> None:
    """What one change came to."""
    counts["changed"] += 1
    try:
        told = reader()
    except StoreError:
        counts["refused"] += 1
    except BaseException as error:  # noqa: BLE001 - that is what is counted
        counts[f"raw {type(error).__name__}"] += 1
        counts["raw exceptions"] += 1
    else:
        if told == right:
            counts["harmless"] += 1
        else:
            anew = told is None or (isinstance(told, tuple) and not told[0])
            counts["silent fresh starts" if anew else "silent changes"] += 1


def store_damage(folder: Path, changes: int, seed: int = 0) -> Counter[str]:
    """One byte of a finished store at a time."""
    counts: Counter[str] = Counter()
    path, generator = folder / "runs.sqlite", random.Random(seed)  # noqa: S311
    with Store(path) as store:
        for text in ("another", CONFIG):
            run = store.begin(text, "0")
            for rounds in (1, 2, 5, 9):
                run.save(state(rounds))
    data, right = path.read_bytes(), read(path)
    for _ in range(changes):
        for left in folder.glob("runs.sqlite*"):
            left.unlink()
        path.write_bytes(changed(data, generator))
        judged(lambda: read(path), right, counts)
    return counts


def log_damage(folder: Path, changes: int, seed: int = 0) -> Counter[str]:
    """One byte of the write-ahead log of a killed run at a time."""
    counts: Counter[str] = Counter()
    path, generator = folder / "runs.sqlite", random.Random(seed)  # noqa: S311
    with Store(path) as store:
        run = store.begin(CONFIG, "0")
        for rounds in (1, 2, 5, 9):
            run.save(state(rounds))
        killed = {p.name: p.read_bytes() for p in folder.glob("runs.sqlite*")}
        right = read(path)
    log = killed.get("runs.sqlite-wal", b"")
    counts["log bytes"] = len(log)
    for _ in range(changes if log else 0):
        for left in folder.glob("runs.sqlite*"):
            left.unlink()
        path.write_bytes(killed["runs.sqlite"])
        (folder / "runs.sqlite-wal").write_bytes(changed(log, generator))
        judged(lambda: read(path), right, counts)
    return counts


def file_damage(folder: Path, changes: int, seed: int = 0) -> Counter[str]:
    """One byte of a checkpoint at a time."""
    counts: Counter[str] = Counter()
    place, generator = FileCheckpoint(folder / "run.npz"), random.Random(seed)  # noqa: S311
    place.save(state(9))
    data, right = Path(place.path).read_bytes(), repr(place.load(KIND))

    def reader() -> str | None:
        kept = place.load(KIND)
        return None if kept is None else repr(kept)

    for _ in range(changes):
        Path(place.path).write_bytes(changed(data, generator))
        judged(reader, right, counts)
    return counts


def main() -> None:
    """Print one line a kind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=1500)
    asked = parser.parse_args()
    half = asked.faults // 2
    for title, count, kind in (
        ("faults in a file's save", half, file_faults),
        ("faults in a store's commit", asked.faults - half, store_faults),
        ("bytes of a checkpoint", asked.bytes, file_damage),
        ("bytes of a store", asked.bytes, store_damage),
        ("bytes of a killed run's log", asked.bytes // 3, log_damage),
    ):
        folder = Path(tempfile.mkdtemp(prefix="saddleproof-durability-"))
        try:
            counts = kind(folder, count)
        finally:
            shutil.rmtree(folder)
        wanted = ("rounds lost", "results lost") if "faults" in title else (
            "silent changes", "silent fresh starts"
        )  # fmt: skip
        zero = {name: counts[name] for name in (*wanted, "raw exceptions")}
        rest = {name: n for name, n in sorted(counts.items()) if name not in zero and n}
        print(f"{title}: {zero} | {rest}")


if __name__ == "__main__":
    main()
