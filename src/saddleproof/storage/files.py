"""Files that only their owner may read, and that are whole or not there.

A file is written under a random name beside its place, flushed to the disk, and then moved there:
a crash at any instant leaves the old file or the new one. Its mode is 0600 from the first byte on,
whatever the umask is. A link that somebody put in the way is not followed.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

MODE = 0o600
#: O_NOFOLLOW and O_CLOEXEC are unknown to Windows.
SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
#: What file systems without hard links say.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path, with `~` replaced by the home folder where there is one."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # no home folder is known
        raise OSError(f"cannot expand {path}: {error}") from error


def create(path: Path, data: bytes) -> None:
    """Write a new private file.

    Raises:
        OSError: something is there already, a link included, or the disk refuses.
    """
    _moved(path, data, _linked)


def replace(path: Path, data: bytes) -> None:
    """Write a private file in the place of the old one, if there is one.

    Raises:
        OSError: the disk refuses; the old file is then still there.
    """
    _moved(path, data, os.replace)


def make_private(handle: int) -> None:
    """Give an open file the rights that a umask may have taken away."""
    if os.name == "posix":
        os.fchmod(handle, MODE)


def sweep(path: Path) -> None:
    """Remove the drafts of `path` that a killed process left; nobody may be writing it."""
    ours = re.compile(re.escape(f".{path.name}.") + r"[0-9a-f]{16}\.draft")
    for found in path.parent.iterdir() if path.parent.is_dir() else ():
        if ours.fullmatch(found.name):
            found.unlink(missing_ok=True)


def _moved(path: Path, data: bytes, move: Callable[[Path, Path], None]) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.draft")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFE, MODE)
    try:
        try:
            make_private(handle)
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        move(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _flush(path.parent)


def _linked(draft: Path, path: Path) -> None:
    """Give the draft its name, unless the name is taken."""
    try:
        os.link(draft, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists() or path.is_symlink():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        draft.replace(path)
    else:
        draft.unlink()


def _flush(folder: Path) -> None:
    """Bring a new name in a folder to the disk, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY | SAFE & ~getattr(os, "O_NOFOLLOW", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
