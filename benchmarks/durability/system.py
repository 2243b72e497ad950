"""System calls that fail below SQLite, and below everything else: a shim between us and the kernel.

`failing.c` is built with the machine's C compiler and loaded with LD_PRELOAD into a process of its
own, which is led through one fault at a time. A fault is one call, or that call and all after it,
of opening, writing (half of it is written), flushing, truncating, reading or removing a file of
the run, and fails with each error that the system may give there. It hits a run that is being
saved, from its third save to the closing of the store; a run that is taken up again; or the
writing down of its end. Afterwards, without faults, the run is led on, and must end in the bytes
of a run that nobody disturbed.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from durability.states import CONFIG, OPTIMIZER, PROBLEM
from saddleproof import minimize
from saddleproof.checkpoint import Checkpoint, FileCheckpoint, LedCheckpoint, Progressed
from saddleproof.errors import StoreError
from saddleproof.runs.store import RunCheckpoint, Store

SOURCE = Path(__file__).with_name("failing.c")
#: Kind of call, as `failing.c` numbers them, to what it may fail with.
ERRORS = {
    1: ("open", (errno.EMFILE, errno.EROFS, errno.ENOSPC, errno.EIO)),
    2: ("write", (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT)),
    4: ("flush", (errno.EIO, errno.ENOSPC)),
    8: ("truncate", (errno.EIO, errno.EROFS)),
    16: ("read", (errno.EIO,)),
    32: ("remove", (errno.EROFS, errno.EIO)),
    47: ("open, write, flush, truncate and remove", (errno.EROFS,)),
}
PLACES = ("store", "file")
PHASES = ("save", "resume", "finish")
ASKED: dict[str, Any] = {"b": 2, "seed": 0, "max_rounds": 4, "certify": False}


def unavailable() -> str:
    """Why there can be no such shim here; empty where there can."""
    if not sys.platform.startswith("linux"):
        return "LD_PRELOAD and /proc are Linux's"
    return "" if shutil.which("cc") else "no C compiler called cc"


def system_faults(folder: Path, faults: int, places: tuple[str, ...] = PLACES) -> Counter[str]:
    """Build the shim, and lead a process through so many faults."""
    shim = folder / "failing.so"
    build = ["cc", "-shared", "-fPIC", "-O1", "-o", str(shim), str(SOURCE), "-ldl"]
    subprocess.run(build, check=True, capture_output=True)  # noqa: S603 - our own file
    code = "import sys; from durability.system import trials; print(trials(*sys.argv[1:]))"
    path = os.pathsep.join([str(SOURCE.parents[1]), *sys.path])
    ran = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code, str(folder), str(faults), *places],
        env=os.environ | {"LD_PRELOAD": str(shim), "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode:
        raise RuntimeError(f"the process under faults ended with {ran.returncode}: {ran.stderr}")
    return Counter(json.loads(ran.stdout.splitlines()[-1]))


def trials(folder: str, faults: str, *places: str) -> str:
    """Every kind, error and phase in turn, deeper and deeper into the calls; the counts as JSON."""
    counts: Counter[str] = Counter()
    counts["other ends"] = 0
    right = minimize(PROBLEM, OPTIMIZER, **ASKED).w.tobytes()
    open_ended = [
        (place, phase, kind, error, every)
        for every in (False, True)
        for phase in PHASES
        for place in places
        for kind, (_, errors) in ERRORS.items()
        for error in errors
        if phase != "finish" or place == "store"
    ]
    for at in count(1):
        for case in list(open_ended):
            if counts["injected"] >= int(faults):
                return json.dumps(counts)
            place, phase, kind, error, every = case
            fault = Fault(Path(folder) / "run", kind, at, error, every)
            if not Trial(fault, place, right, counts).led(phase):
                open_ended.remove(case)  # there is no such call any more
        if not open_ended:
            return json.dumps(counts)
    raise AssertionError


@dataclass(frozen=True)
class Fault:
    """The `at`-th call of a kind below a folder fails, and with `every` all that follow it."""

    folder: Path
    kind: int
    at: int
    error: int
    every: bool
    shim: Any = field(default_factory=lambda: ctypes.CDLL(None))

    def arm(self) -> None:
        """From now on."""
        self.shim.fault_arm(
            bytes(self.folder), self.kind, self.at, self.error, int(self.every)
        )  # fmt: skip

    def disarm(self) -> int:
        """No more; how many calls have failed."""
        self.shim.fault_disarm()
        return int(self.shim.fault_hits())


class Armed:
    """A run's place that arms a fault in its third save, and counts what was committed."""

    def __init__(self, inner: LedCheckpoint, arm: Callable[[], None]) -> None:
        self.inner, self.arm = inner, arm
        self.held: Checkpoint = inner
        self.committed = 0

    @contextmanager
    def leading(self, *, resume: bool) -> Iterator[Armed]:
        """Under the lease of the place."""
        with self.inner.leading(resume=resume) as self.held:
            yield self

    def save(self, loop: Progressed) -> None:
        """Save; the fault is armed once."""
        if loop.round == 3 > self.committed:
            self.arm()
        self.held.save(loop)
        self.committed = loop.round

    def load(self, *kinds: type) -> Progressed | None:
        """What is there."""
        return self.held.load(*kinds)


@dataclass(frozen=True)
class Trial:
    """One run, one fault, and what became of it."""

    fault: Fault
    place: str
    right: bytes
    counts: Counter[str]

    @contextmanager
    def opened(self) -> Iterator[tuple[LedCheckpoint, Store | None]]:
        """The place of the run; made when missing."""
        if self.place == "file":
            yield FileCheckpoint(self.fault.folder / "run.npz"), None
            return
        with Store(self.fault.folder / "runs.sqlite") as store:
            runs = store.runs()
            yield RunCheckpoint(store.db, 1) if runs else store.begin(CONFIG, "0"), store

    def led(self, phase: str) -> bool:
        """Whether the fault hit anything."""
        shutil.rmtree(self.fault.folder, ignore_errors=True)
        self.fault.folder.mkdir()
        committed, caught = (self.saved if phase == "save" else lambda: self.later(phase))()
        hits = self.fault.disarm()
        if not hits:
            return False
        self.counts["injected"] += 1
        self.counts[f"in a {phase}"] += 1
        self.counts[f"{self.place}: {ERRORS[self.fault.kind][0]}"] += 1
        self.judge(caught)
        self.go_on(committed, ended=phase == "finish" and caught is None)
        return True

    def saved(self) -> tuple[int, BaseException | None]:
        """A run whose third save, and all after it, is under the fault."""
        armed: Armed | None = None
        try:
            with self.opened() as (inner, _):
                armed = Armed(inner, self.fault.arm)
                minimize(PROBLEM, OPTIMIZER, checkpoint=armed, **ASKED)
        except BaseException as error:  # noqa: BLE001 - that is what is counted
            if isinstance(error, StoreError):
                held = error.result is not None and error.result.rounds >= 3
                self.counts["results lost"] += not held
            return armed.committed if armed else 0, error
        return armed.committed, None

    def later(self, phase: str) -> tuple[int, BaseException | None]:
        """A run of two rounds that is taken up under the fault, or one that ended."""
        rounds = ASKED["max_rounds"] if phase == "finish" else 2
        options = ASKED | {"max_rounds": rounds}
        with self.opened() as (inner, _):
            result = minimize(PROBLEM, OPTIMIZER, checkpoint=inner, **options)
        try:
            if phase == "resume":
                self.fault.arm()
                with self.opened() as (inner, _):
                    minimize(PROBLEM, OPTIMIZER, checkpoint=inner, resume=True, **ASKED)
            else:
                with self.opened() as (inner, store):
                    self.fault.arm()
                    store.finish(inner.run, result)
        except BaseException as error:  # noqa: BLE001 - that is what is counted
            return rounds, error
        return rounds, None

    def judge(self, caught: BaseException | None) -> None:
        """One StoreError, or no error at all."""
        if caught is None:
            self.counts["survived"] += 1
        elif isinstance(caught, StoreError):
            self.counts["refused"] += 1
        else:
            self.counts["raw exceptions"] += 1
            self.counts[f"raw {caught!r:.90} {self.place} {self.fault.kind} {self.fault.at}"] += 1

    def go_on(self, committed: int, *, ended: bool) -> None:
        """Without faults: is what was committed there, and does the run end as it should?"""
        kinds = type(OPTIMIZER.init(PROBLEM.start))
        with self.opened() as (inner, store):
            if ended and store is not None:
                self.counts["rounds lost"] += store.runs()[0].ended is None
            kept = inner.load(kinds)
            self.counts["rounds lost"] += (0 if kept is None else kept.round) < committed
            again = minimize(PROBLEM, OPTIMIZER, checkpoint=inner, resume=True, **ASKED)
            self.counts["other ends"] += again.w.tobytes() != self.right or again.rounds != 4
        self.counts["drafts left"] += any(".draft" in p.name for p in self.fault.folder.iterdir())
