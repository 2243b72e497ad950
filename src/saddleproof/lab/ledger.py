"""Outcomes of tasks, kept as they come, so that what was interrupted goes on where it was.

A task is named by the digest of everything that its outcome depends on, the version included. So
one file may hold the outcomes of many searches and experiments, and none is taken for another's.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from saddleproof.errors import StoreError

#: Says that an SQLite file is a ledger, in its `user_version`.
_SCHEMA = 7001
#: Seconds to wait for another process that writes.
_WAIT = 30.0
_TABLE = """
CREATE TABLE IF NOT EXISTS outcomes (
    digest TEXT PRIMARY KEY, task TEXT NOT NULL, outcome TEXT NOT NULL, seal TEXT NOT NULL
)"""


def digest(*parts: Any) -> str:
    """SHA-256 of the parts as JSON, in hexadecimal; other things than JSON has count as their text.

    >>> digest("lemma1", {"a": 1, "b": 2}) == digest("lemma1", {"b": 2, "a": 1})
    True
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class Ledger:
    """Outcomes by digest, in an SQLite file or, without a path, in memory. A context.

    Each outcome is on the disk when `add` returns, whole or not at all. Several processes may write
    to one file. Iteration gives (task, outcome) in the order of their first writing.

    Args:
        path: the file; made when missing, with its folder.

    Raises:
        StoreError: the file cannot be read or written, or is something else than a ledger; from the
            methods too, and where a byte of an outcome changed.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.place = ":memory:" if path is None else str(path)
        with self._told():
            if path is not None:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.place, isolation_level=None, timeout=_WAIT)
        try:
            with self._told():
                self._prepare()
        except StoreError:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        with self._told():
            rows = self._db.execute("SELECT * FROM outcomes ORDER BY rowid").fetchall()
        return iter([(json.loads(row[1]), self._checked(row)) for row in rows])

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._db.close()

    def get(self, name: str) -> Any:
        """The outcome of the task with this digest, or None.

        Raises:
            StoreError: it is not what was written.
        """
        with self._told():
            query = "SELECT * FROM outcomes WHERE digest = ?"
            row = self._db.execute(query, (name,)).fetchone()
        return None if row is None else self._checked(row)

    def add(self, name: str, task: Any, outcome: Any) -> None:
        """Keep an outcome; one that is there already is replaced.

        Args:
            name: the digest of the task.
            task: what was done, for a reader: anything that JSON has.
            outcome: anything that JSON has, but None.
        """
        told = json.dumps(task, default=str), json.dumps(outcome)
        with self._told():
            self._db.execute(
                "INSERT INTO outcomes VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET "
                "task = excluded.task, outcome = excluded.outcome, seal = excluded.seal",
                (name, *told, digest(name, *told)),
            )

    def _checked(self, row: tuple[str, str, str, str]) -> Any:
        name, task, outcome, seal = row
        if digest(name, task, outcome) != seal:
            raise StoreError(
                f"ledger {self.place}: an outcome does not match its seal: the file was changed or "
                "is damaged. Write to another file, and measure anew"
            )
        return json.loads(outcome)

    def _prepare(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        filled = self._db.execute("SELECT 1 FROM sqlite_master").fetchone()
        if version != _SCHEMA and filled:
            raise StoreError(f"{self.place} is an SQLite file, but no ledger; give another file")
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(_TABLE)
        self._db.execute(f"PRAGMA user_version = {_SCHEMA}")
        self._db.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite and the disk raise, as one error that names the file."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"ledger {self.place}: {error}") from error


@contextmanager
def opened(ledger: Ledger | None) -> Iterator[Ledger]:
    """The ledger that was given, left open; or one in memory, closed at the end."""
    if ledger is not None:
        yield ledger
        return
    with Ledger(None) as own:
        yield own
