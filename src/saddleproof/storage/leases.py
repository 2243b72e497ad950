"""One leader: who leads a run, whether that process still lives, and a lock beside a file.

Two processes that lead one run would each write its rounds over the other's. So a run is led under
a lease. For a checkpoint file it is the operating system's lock on a file beside it, which ends
with its process; a run store keeps its leases itself (`saddleproof.runs.leases`).
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from saddleproof.errors import StoreError
from saddleproof.storage import files


@dataclass(frozen=True)
class Owner:
    """The process that leads a run.

    Attributes:
        host: its machine's name.
        pid: its number there.
        born: when it began, in the system's own words: a later process may get the same number.
        token: a random word; the same process may lead twice.
    """

    host: str
    pid: int
    born: str
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @property
    def alive(self) -> bool | None:
        """Whether the process still runs and leads; None where it is on another machine."""
        if self.host != socket.gethostname():
            return None
        born = _born(self.pid)
        if self.pid == os.getpid() and born == self.born:
            return self.token in _LEADING  # a lease that could not be given back holds nothing
        return born is not None and born in ("", self.born)


#: How often a lock file that another process just removed is made anew.
_TRIES = 100
#: Tokens of the leases that this process holds.
_LEADING: set[str] = set()


@contextmanager
def me() -> Iterator[Owner]:
    """This process, with a token of its own, for as long as it leads."""
    pid = os.getpid()
    mine = Owner(socket.gethostname(), pid, _born(pid) or "", secrets.token_hex(16))
    _LEADING.add(mine.token)
    try:
        yield mine
    finally:
        _LEADING.discard(mine.token)


def read_owner(text: str) -> Owner | None:
    """An owner from its JSON; None where it is none."""
    try:
        told: Any = json.loads(text)
        texts = all(isinstance(told[name], str) for name in ("host", "born", "token"))
        known = texts and type(told["pid"]) is int and told["pid"] > 0
        return Owner(**told) if known else None
    except (ValueError, TypeError, LookupError):
        return None


def _born(pid: int) -> str | None:
    """When a process of this machine began, empty where nobody can say; None when it is gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except (PermissionError, OverflowError):
        pass
    try:
        # After the command's name, which may hold anything: the state, ..., the 20th is the start.
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return None if words[0] in "ZX" else f"{boot} {words[19]}"


@dataclass(frozen=True)
class FileLease:
    """The lock beside a file, held."""

    lock: Path
    handle: int

    def check(self) -> None:
        """Refuse to go on when the lock file was removed, and perhaps made anew by another.

        Raises:
            StoreError: it was.
        """
        if not _same(self.lock, self.handle):
            raise StoreError(
                f"{self.lock} was removed while this process held it; another process may lead "
                "the run now, so nothing more is written"
            )


@contextmanager
def led(path: Path) -> Iterator[FileLease]:
    """Hold the lock of `path`, a file beside it that is removed in the end.

    Raises:
        StoreError: another process, or another thread of this one, holds it; names the process.
        OSError: the lock file cannot be made.
    """
    lock = path.with_name(f".{path.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _acquired(path, lock)
    try:
        with me() as mine:
            files.make_private(handle)
            os.ftruncate(handle, 0)
            os.write(handle, mine.text().encode())
            files.sweep(path)
            yield FileLease(lock, handle)
    finally:
        if _same(lock, handle):  # while the lock is still held: nobody else can have it open
            with suppress(OSError):
                lock.unlink()
        os.close(handle)


def _acquired(path: Path, lock: Path) -> int:
    for _ in range(_TRIES):
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | files.SAFE, files.MODE)
        try:
            locked = _locked(handle)
            if locked and _same(lock, handle):
                return handle
            owner = None if locked else read_owner(os.read(handle, 4096).decode("utf-8", "replace"))
            dead = owner is not None and owner.alive is False
            if dead and _same(lock, handle):
                lock.unlink(missing_ok=True)  # a child that the dead process left holds it
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not locked and not dead:
            raise StoreError(
                f"{path} is led by {owner or 'another process'}. Wait for its end or stop it, or "
                "take another checkpoint"
            )
    raise StoreError(f"{lock} is replaced again and again; it cannot be held")


def _locked(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: there, a second leader is not noticed
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same(lock: Path, handle: int) -> bool:
    """Whether the lock file that is there is the one that is open."""
    try:
        there, ours = lock.lstat(), os.fstat(handle)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
