"""Runs in one SQLite file: what was asked, every round, and the last snapshot.

    runs       one row a run: its configuration, and how it ended
    rounds     one row a round: the trace
    snapshots  one row a run: the optimizer's state after its last committed round

A round's record and the snapshot that follows it are committed in one transaction, in WAL mode
with full synchronisation: a process that is killed at any instant, or a machine that loses power,
loses the round that was being worked on and nothing else.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Any, Self

from saddleproof import snapshot
from saddleproof.checkpoint import Progressed, RoundRecord, holding
from saddleproof.errors import StoreError
from saddleproof.result import Result

SCHEMA = 4
RUNNING = "running"
#: How a run stops that stays open, to be resumed.
CUT_SHORT = ("interrupted", "too_few_workers")

_TABLES = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    config TEXT NOT NULL,
    version TEXT NOT NULL,
    started TEXT NOT NULL,
    ended TEXT,
    status TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '',
    certificate TEXT
);
CREATE TABLE rounds (
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    round INTEGER NOT NULL,
    queries INTEGER NOT NULL,
    gradient_norm REAL,
    inexactness REAL,
    charged TEXT NOT NULL,
    absent TEXT NOT NULL,
    strangers TEXT NOT NULL,
    left_out TEXT NOT NULL,
    refused TEXT NOT NULL,
    question TEXT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (run, round)
) WITHOUT ROWID;
CREATE TABLE snapshots (
    run INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
    round INTEGER NOT NULL,
    state BLOB NOT NULL
);
"""

#: Schema version to the columns of `rounds` that the next version adds, with the values that hold
#: for the rounds of a run of that version: every round asked for gradients then.
_UPGRADES = {
    1: {"left_out": "[]"},
    2: {"refused": "{}"},
    3: {"question": "Gradients", "event": ""},
}


@dataclass(frozen=True)
class StoredRun:
    """A row of the table of runs, and how many rounds it has."""

    id: int
    config: str
    version: str
    started: str
    ended: str | None
    status: str
    message: str
    certificate: str | None
    rounds: int


class Store:
    """A run store; also a context manager that closes it.

    Args:
        path: the SQLite file; made with its folder when missing.

    Raises:
        StoreError: the file is no run store, is one of another version, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        with self._translated():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Transactions are opened by hand, in `_transaction`.
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=30.0)
        try:
            with self._translated():
                self._db.execute("PRAGMA foreign_keys = ON")
                self._db.execute("PRAGMA synchronous = FULL")
                self._prepare()
                self._db.execute("PRAGMA journal_mode = WAL")
        except StoreError:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._db.close()

    def begin(self, config: str, version: str) -> RunCheckpoint:
        """A new run of this configuration text; its checkpoint goes to `minimize`."""
        with self._transaction():
            run = self._db.execute(
                "INSERT INTO runs (config, version, started, status) VALUES (?, ?, ?, ?)",
                (config, version, _now(), RUNNING),
            ).lastrowid
        return RunCheckpoint(self, int(run or 0))

    def last(self, config: str) -> StoredRun | None:
        """The latest run of this very configuration, if any."""
        found = self._runs("WHERE config = ? ORDER BY id DESC LIMIT 1", config)
        return found[0] if found else None

    def unfinished(self, config: str) -> RunCheckpoint | None:
        """Where the latest run of this very configuration goes on, unless it has ended."""
        last = self.last(config)
        return None if last is None or last.ended is not None else RunCheckpoint(self, last.id)

    def finish(self, run: int, result: Result) -> None:
        """Write down how a run ended; one that was cut short stays open for a resume."""
        certificate = None if result.certificate is None else str(result.certificate)
        ended = None if result.status in CUT_SHORT else _now()
        with self._transaction():
            self._db.execute(
                "UPDATE runs SET ended = ?, status = ?, message = ?, certificate = ? WHERE id = ?",
                (ended, result.status, result.message, certificate, run),
            )

    def runs(self) -> tuple[StoredRun, ...]:
        """All runs, oldest first."""
        return self._runs("ORDER BY id")

    def trace(self, run: int, before: int | None = None) -> tuple[RoundRecord, ...]:
        """The committed rounds of a run, those from `before` on left out."""
        with self._translated():
            rows = self._db.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM rounds WHERE run = ? AND round < ?"  # noqa: S608
                " ORDER BY round",
                (run, 2**62 if before is None else before),
            ).fetchall()
        return tuple(_record(row) for row in rows)

    def _runs(self, which: str, *values: str) -> tuple[StoredRun, ...]:
        with self._translated():
            rows = self._db.execute(
                "SELECT id, config, version, started, ended, status, message, certificate,"  # noqa: S608
                f" (SELECT count(*) FROM rounds WHERE run = id) FROM runs {which}",
                values,
            ).fetchall()
        return tuple(StoredRun(*row) for row in rows)

    def _save(self, run: int, loop: Progressed) -> None:
        data = snapshot.dumps(replace(loop, trace=()))
        with self._transaction():
            stored = self._db.execute(
                "SELECT round FROM snapshots WHERE run = ?", (run,)
            ).fetchone()
            fresh = loop.trace[0 if stored is None else stored[0] :]
            self._db.executemany(
                f"INSERT INTO rounds (run, {', '.join(_COLUMNS)})"  # noqa: S608 (our own names)
                f" VALUES (?{', ?' * len(_COLUMNS)})",
                [(run, *_row(record)) for record in fresh],
            )
            self._db.execute("REPLACE INTO snapshots VALUES (?, ?, ?)", (run, loop.round, data))

    def _load(self, run: int, state_type: type, memory_type: type) -> Progressed | None:
        with self._translated():
            row = self._db.execute("SELECT state FROM snapshots WHERE run = ?", (run,)).fetchone()
        if row is None:
            return None
        saved = snapshot.loads(row[0], holding(state_type, memory_type))
        return replace(saved, trace=self.trace(run, saved.round))

    def _prepare(self) -> None:
        with self._transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0 and not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in _TABLES.split(";\n")[:-1]:
                    self._db.execute(statement)
            elif version in _UPGRADES:
                for at in range(version, SCHEMA):
                    for name, value in _UPGRADES[at].items():
                        self._db.execute(
                            f"ALTER TABLE rounds ADD COLUMN {name} TEXT NOT NULL DEFAULT '{value}'"
                        )
            elif version != SCHEMA:
                raise StoreError(
                    f"{self.path} has schema version {version}; this version of saddleproof "
                    f"reads {SCHEMA}. Write to another file"
                )
            self._db.execute(f"PRAGMA user_version = {SCHEMA}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"run store {self.path}: {error}") from error


@dataclass(frozen=True)
class RunCheckpoint:
    """One run of a store, as the checkpoint that `saddleproof.minimize` writes to."""

    store: Store
    run: int

    def save(self, loop: Progressed) -> None:
        """Commit the new rounds and the snapshot that follows them, together."""
        self.store._save(self.run, loop)  # noqa: SLF001 (the other half of one class)

    def load(self, state_type: type, memory_type: type = NoneType) -> Progressed | None:
        """What the last commit left."""
        return self.store._load(self.run, state_type, memory_type)  # noqa: SLF001


_COLUMNS = tuple(field.name for field in fields(RoundRecord))


def _row(record: RoundRecord) -> tuple[Any, ...]:
    return tuple(json.dumps(v) if isinstance(v, dict | tuple) else v for v in astuple(record))


def _record(row: tuple[Any, ...]) -> RoundRecord:
    kept = dict(zip(_COLUMNS, row, strict=True))
    for name in ("gradient_norm", "inexactness"):  # SQLite keeps NaN as NULL
        kept[name] = math.nan if kept[name] is None else kept[name]
    for name in ("charged", "absent", "strangers", "refused", "left_out"):
        kept[name] = json.loads(kept[name])
    kept["left_out"] = tuple(kept["left_out"])
    return RoundRecord(**kept)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
