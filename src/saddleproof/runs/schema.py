"""The tables of a run store, the seals over what they hold, and stores of earlier versions.

Every round carries the SHA-256 of its own record and of the round before (`link`), the snapshot
that of its bytes and of the last round, and the row of a run that of all its columns and of the
last snapshot. So a byte that changed on the disk, a round that is gone and a row that was put in
are all found when a run is read. The sums are no secret: they find damage, not forgers.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable

SCHEMA = 5

TABLES = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    config TEXT NOT NULL,
    version TEXT NOT NULL,
    started TEXT NOT NULL,
    ended TEXT,
    status TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '',
    certificate TEXT,
    head TEXT NOT NULL DEFAULT '',
    seal TEXT NOT NULL DEFAULT ''
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
    evidence TEXT NOT NULL,
    link TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run, round)
) WITHOUT ROWID;
CREATE TABLE snapshots (
    run INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
    round INTEGER NOT NULL,
    state BLOB NOT NULL,
    link TEXT NOT NULL DEFAULT ''
);
CREATE TABLE leases (
    run INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
    owner TEXT NOT NULL,
    token TEXT NOT NULL,
    beat REAL NOT NULL
);
"""

#: Schema version to the columns that the next version added, as table, column and the value that
#: holds for the runs of that version: every round asked for gradients before version 3.
_UPGRADES = {
    1: [("rounds", "left_out", "[]")],
    2: [("rounds", "refused", "{}")],
    3: [("rounds", "question", "Gradients"), ("rounds", "event", "")],
    4: [("rounds", "evidence", "{}")]
    + [(table, "link", "") for table in ("rounds", "snapshots")]
    + [("runs", "head", ""), ("runs", "seal", "")],
}
UPGRADABLE = tuple(_UPGRADES)

#: The columns of a round that are those of `RoundRecord`, its number first.
ROUND = (
    "round, queries, gradient_norm, inexactness, charged, absent, strangers, left_out, refused, "
    "question, event, evidence"
)
_SEALED = "id, config, version, started, ended, status, message, certificate, head"


def create(db: sqlite3.Connection) -> None:
    """The tables of an empty file."""
    for statement in TABLES.split(";\n")[:-1]:
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA}")


def upgrade(db: sqlite3.Connection, version: int) -> None:
    """Bring a store of an earlier version up to this one, repair its runs, and seal them.

    Earlier versions let two processes lead one run, which left rounds beyond the last snapshot.
    """
    for at in range(version, SCHEMA):
        for table, name, value in _UPGRADES[at]:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {name} TEXT NOT NULL DEFAULT '{value}'")
    if version <= 4:
        db.execute(TABLES.split(";\n")[3])
    for (run,) in db.execute("SELECT id FROM runs").fetchall():
        stored = db.execute("SELECT round, state FROM snapshots WHERE run = ?", (run,)).fetchone()
        cut(db, run, 0 if stored is None else stored[0])
        if stored is not None:
            seal_rounds(db, run)
            seal_snapshot(db, run, *stored)
        seal_run(db, run)
    db.execute(f"PRAGMA user_version = {SCHEMA}")


def cut(db: sqlite3.Connection, run: int, rounds: int) -> None:
    """Remove what stands beyond the first `rounds` rounds of a run."""
    db.execute("DELETE FROM rounds WHERE run = ? AND round >= ?", (run, rounds))


def seal_rounds(db: sqlite3.Connection, run: int) -> None:
    """Chain all rounds of a run."""
    link, query = "", f"SELECT {ROUND} FROM rounds WHERE run = ? ORDER BY round"  # noqa: S608
    for row in db.execute(query, (run,)).fetchall():
        link = chained(link, row)
        where = (link, run, row[0])
        db.execute("UPDATE rounds SET link = ? WHERE run = ? AND round = ?", where)


def seal_snapshot(db: sqlite3.Connection, run: int, rounds: int, state: bytes) -> None:
    """Seal the snapshot after `rounds` rounds to the last of them, and name it in the run's row."""
    link = snapshot_link(last_link(db, run), rounds, state)
    db.execute("UPDATE snapshots SET link = ? WHERE run = ?", (link, run))
    db.execute("UPDATE runs SET head = ? WHERE id = ?", (link, run))


def last_link(db: sqlite3.Connection, run: int) -> str:
    """The link of a run's last round; empty before the first."""
    query = "SELECT link FROM rounds WHERE run = ? ORDER BY round DESC LIMIT 1"
    found = db.execute(query, (run,)).fetchone()
    return "" if found is None else str(found[0])


def seal_run(db: sqlite3.Connection, run: int) -> None:
    """Seal the row of a run, after whatever changed it."""
    db.execute("UPDATE runs SET seal = ? WHERE id = ?", (run_seal(db, run), run))


def run_seal(db: sqlite3.Connection, run: int) -> str:
    """The seal that the row of a run should carry."""
    row = db.execute(f"SELECT {_SEALED} FROM runs WHERE id = ?", (run,)).fetchone()  # noqa: S608
    return chained("", row)


def snapshot_link(before: str, rounds: int, state: bytes) -> str:
    """The seal of a snapshot after so many rounds, the last of which has the link `before`."""
    return chained(before, (rounds, hashlib.sha256(state).hexdigest()))


def chained(before: str, row: Iterable[object]) -> str:
    """The SHA-256 of a row and of the link before it."""
    return hashlib.sha256(json.dumps([before, *row], default=repr).encode()).hexdigest()
