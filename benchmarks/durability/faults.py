"""System calls that fail in the middle of a save, a full disk, and a limit on a file's size."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from durability.states import CONFIG, KIND, OPTIMIZER, PROBLEM, state
from saddleproof import minimize
from saddleproof.checkpoint import Checkpoint, FileCheckpoint, Progressed
from saddleproof.errors import StoreError
from saddleproof.runs.store import Store
from saddleproof.storage import files

ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.EROFS),
    *(errno.EIO, errno.EACCES),
)
#: The calls of a save, as `saddleproof.storage.files` makes them.
CALLS = ("open", "write", "fsync", "close", "replace", "fchmod")


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
