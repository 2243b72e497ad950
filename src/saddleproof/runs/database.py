"""The file of a run store: private, of this version, and looked over before it is believed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from saddleproof.errors import StoreError
from saddleproof.runs import schema
from saddleproof.storage import files

#: Seconds to wait for another process that writes.
WAIT = 30.0
#: Bytes of the header of an SQLite file.
_HEADER = 100


class Database:
    """The SQLite file of a store, made when missing.

    Attributes:
        path: the file.
        empty: whether it was there, and held nothing.

    Raises:
        StoreError: the file is no run store, is one of another version, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._sound = False
        with self._translated():
            self.path = files.expanded(path)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            size = _HEADER if self._made() else self.path.stat().st_size
            self.empty = size == 0
            if 0 < size < _HEADER:  # SQLite would take it for a new file
                raise StoreError(f"{self.path} is no run store: it has {size} bytes")
            self._make_private()
            # Transactions are opened by hand, in `transaction`.
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=WAIT)
        try:
            with self._translated():
                self._db.execute("PRAGMA foreign_keys = ON")
                self._db.execute("PRAGMA synchronous = FULL")
                self._prepare()
                self._db.execute("PRAGMA journal_mode = WAL")
        except StoreError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._db.close()

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """One statement, inside `transaction` or `reading`."""
        return self._db.execute(statement, values)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside, or nothing of it."""
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                    self._db.execute("ROLLBACK")
                raise

    def settle(self) -> None:
        """Move what was committed from the write-ahead log into the file, and empty the log.

        SQLite reads a log up to the first byte that is wrong, and takes the rest for a commit that
        was never finished: a changed byte in a long log would take committed rounds away without a
        word. Where somebody reads at this moment the log stays until the next commit.
        """
        with self._translated():
            self._db.execute("PRAGMA busy_timeout = 0")
            try:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._db.execute(f"PRAGMA busy_timeout = {WAIT * 1000:.0f}")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Statements that read."""
        with self._translated():
            yield self._db

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What SQLite and the disk raise, and values of another type than written, as one error."""
        try:
            yield
        except (sqlite3.Error, OSError, TypeError, ValueError, OverflowError) as error:
            raise StoreError(f"run store {self.path}: {error}") from error

    def check(self) -> None:
        """Have SQLite look the file over, once.

        Raises:
            StoreError: it is damaged.
        """
        if self._sound:
            return
        with self._translated():
            found = [row[0] for row in self._db.execute("PRAGMA integrity_check(3)").fetchall()]
        if found != ["ok"]:
            raise StoreError(
                f"run store {self.path} is damaged: {'; '.join(map(str, found))}. Take a copy of it"
            )
        self._sound = True

    def _made(self) -> bool:
        """Make the file, private and whole, unless it is there; whether it was made now."""
        if self.path.exists():
            return False
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
            schema.create(db)
            data = db.serialize()
        with suppress(FileExistsError):  # another process was faster
            files.create(self.path, data)
        return True

    def _make_private(self) -> None:
        """Take the rights of others away, also where an earlier version gave them."""
        for end in ("", "-wal", "-shm"):
            path = self.path.with_name(self.path.name + end)
            with suppress(FileNotFoundError, PermissionError):  # gone, or another owner's
                if path.stat().st_mode & 0o077:
                    path.chmod(files.MODE)

    def _prepare(self) -> None:
        if self._db.execute("PRAGMA user_version").fetchone()[0] == schema.SCHEMA:
            return
        with self.transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
                schema.create(db)
            elif version in schema.UPGRADABLE:
                self.check()
                schema.upgrade(db, version)
            elif version != schema.SCHEMA:
                raise StoreError(
                    f"{self.path} has schema version {version}; this version of saddleproof "
                    f"reads {schema.SCHEMA}. Write to another file"
                )
