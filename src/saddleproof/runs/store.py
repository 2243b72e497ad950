"""Runs in one SQLite file: what was asked, every round, and the last snapshot.

    runs       one row a run: its configuration, and how it ended
    rounds     one row a round: the trace
    snapshots  one row a run: the optimizer's state after its last committed round
    leases     one row a run that is led: by whom, and since when

A round's record and the snapshot that follows it are committed in one transaction, in WAL mode
with full synchronisation: a process that is killed at any instant, or a machine that loses power,
loses the round that was being worked on and nothing else. Commits follow each other, under the
lease of the one process that leads the run (`saddleproof.runs.leases`). The file is private to its
owner, and what it holds is sealed (`saddleproof.runs.schema`): damage is found when it is read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from saddleproof.checkpoint import RoundRecord
from saddleproof.errors import StoreError
from saddleproof.result import Result
from saddleproof.runs import leases, schema
from saddleproof.runs.database import Database
from saddleproof.runs.ledger import RunCheckpoint
from saddleproof.runs.schema import SCHEMA

__all__ = ["SCHEMA", "RunCheckpoint", "Store", "StoredRun"]

RUNNING = "running"


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

    Attributes:
        db: its file, opened.

    Args:
        path: the SQLite file; made with its folder when missing. `~` stands for the home folder.

    Raises:
        StoreError: the file is no run store, is one of another version, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.db = Database(path)
        self.path = self.db.path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self.db.close()

    def begin(self, config: str, version: str) -> RunCheckpoint:
        """A new run of this configuration text; its checkpoint goes to `minimize`."""
        with self.db.transaction() as db:
            run = db.execute(
                "INSERT INTO runs (config, version, started, status) VALUES (?, ?, ?, ?)",
                (config, version, _now(), RUNNING),
            ).lastrowid
            schema.seal_run(db, int(run or 0))
        return RunCheckpoint(self.db, int(run or 0))

    def last(self, config: str) -> StoredRun | None:
        """The latest run of this very configuration, if any.

        Raises:
            StoreError: the store is damaged, or was an empty file: whether a run stood there,
                nobody knows.
        """
        if self.db.empty:
            raise StoreError(
                f"run store {self.path} was an empty file: what it held is lost. Remove it and "
                "begin another run"
            )
        found = [run for run in self.runs() if run.config == config]
        return found[-1] if found else None

    def unfinished(self, config: str) -> RunCheckpoint | None:
        """Where the latest run of this very configuration goes on, unless it has ended."""
        last = self.last(config)
        return None if last is None or last.ended is not None else RunCheckpoint(self.db, last.id)

    def finish(self, run: int, result: Result) -> None:
        """Write down how a run ended; one that was cut short stays open for a resume.

        Raises:
            StoreError: another process leads the run by now, or the file cannot be written.
        """
        certificate = None if result.certificate is None else str(result.certificate)
        ended = None if result.status.resumable else _now()
        with self.db.transaction() as db:
            leases.refuse_led(db, run, f"run {run} of {self.path}")
            db.execute(
                "UPDATE runs SET ended = ?, status = ?, message = ?, certificate = ? WHERE id = ?",
                (ended, result.status, result.message, certificate, run),
            )
            schema.seal_run(db, run)

    def runs(self) -> tuple[StoredRun, ...]:
        """All runs, oldest first.

        Raises:
            StoreError: the store is damaged.
        """
        self.db.check()
        with self.db.reading() as db:
            rows = db.execute(
                "SELECT id, config, version, started, ended, status, message, certificate,"
                " (SELECT count(*) FROM rounds WHERE run = id), seal FROM runs ORDER BY id"
            ).fetchall()
            for row in rows:
                if schema.run_seal(db, row[0]) != row[-1]:
                    raise StoreError(
                        f"run {row[0]} of {self.path} is damaged: its row does not match its seal"
                    )
        return tuple(StoredRun(*row[:-1]) for row in rows)

    def trace(self, run: int, before: int | None = None) -> tuple[RoundRecord, ...]:
        """The committed rounds of a run, those from `before` on left out.

        Raises:
            StoreError: a round is damaged or missing.
        """
        return RunCheckpoint(self.db, run).trace(before)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
