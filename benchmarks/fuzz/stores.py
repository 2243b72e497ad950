"""Run stores: SQLite files whose rows are sealed."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from durability.damage import read
from durability.states import CONFIG, state
from fuzz import mutations
from saddleproof.errors import StoreError
from saddleproof.runs import leases, schema
from saddleproof.runs.store import Store

#: Sealed, and what names a row of it.
TABLES = {"runs": "id", "rounds": "run, round", "snapshots": "run"}
_MOVED = 7


class Stores:
    """Every row of a run carries the SHA-256 of itself and of the row before: a seal.

    It is read as a resume reads it: all runs, the trace and the state of each, and who leads them.
    A run that was taken out with all its rows leaves nothing that could tell: this is no silent
    difference here, and no change of the fuzzer does it.

    Args:
        folder: where the files are written.
    """

    name = "stores"
    refusals = (StoreError,)

    def __init__(self, folder: Path) -> None:
        self._path = folder / "runs.sqlite"

    def seeds(self) -> list[bytes]:
        """A store with a run that was led for some rounds, and one that was only begun."""
        with Store(self._path) as store:
            run = store.begin(CONFIG, "0")
            for rounds in (1, 4):
                run.save(state(rounds))
            store.begin("another", "0")
        data = self._path.read_bytes()
        self._clear()
        return [data]

    def variant(self, seed: bytes, rng: random.Random) -> tuple[bytes, bool]:
        """Other bytes of the file; or a sound file with other rows, sealed anew or not."""
        if rng.random() < 0.5:
            return mutations.changed(seed, rng, (seed,)), False
        try:
            with _opened(seed) as db:
                forged = rng.random() < 0.3
                for _ in range(rng.choice((1, 1, 2))):
                    _change_rows(db, rng)
                if forged:
                    _seal(db)
                return _in_log_mode(db.serialize(), 2), forged
        except (sqlite3.Error, TypeError, ValueError, OverflowError):  # not every change is taken
            return mutations.changed(seed, rng, (seed,)), False

    def read(self, data: bytes) -> Any:
        """All that the file says."""
        self._path.write_bytes(data)
        try:
            told = read(self._path)
            with Store(self._path) as store, store.db.reading() as db:
                for run in store.runs():
                    leases.refuse_led(db, run.id, "it")
            return told
        finally:
            self._clear()

    def differs(self, right: Any, data: bytes, found: Any) -> bool:
        """Does it say something else?"""
        return bool(repr(found) != repr(right))

    def _clear(self) -> None:
        for left in self._path.parent.glob("runs.sqlite*"):
            left.unlink()


@contextmanager
def _opened(data: bytes) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.deserialize(_in_log_mode(data, 1))
        db.execute("PRAGMA foreign_keys = OFF")
        yield db


def _in_log_mode(data: bytes, mode: int) -> bytes:
    """The file with 2, a write-ahead log, or 1, none, in its header; a file in memory has none."""
    return data[:18] + bytes([mode, mode]) + data[20:]


def _change_rows(db: sqlite3.Connection, rng: random.Random) -> None:
    table = rng.choice((*TABLES, "rounds", "leases"))
    if table == "leases":
        owner = rng.choice(
            ('{"pid": -1}', "[]", "\x00", '{"host":"a","pid":1,"born":"","token":""}')
        )
        beat = rng.choice((*mutations.REALS[:5], "x", b"\x00", 10**12))
        db.execute("REPLACE INTO leases VALUES (?, ?, ?, ?)", (1, owner, "t", beat))
        return
    key = TABLES[table]
    rows = db.execute(f"SELECT {key} FROM {table}").fetchall()  # noqa: S608
    if not rows:
        return
    where = " AND ".join(f"{name} = ?" for name in key.split(", "))
    row = rng.choice(rows)
    if table != "runs" and rng.random() < 0.2:
        db.execute(f"DELETE FROM {table} WHERE {where}", row)  # noqa: S608
        return
    columns = [found[1] for found in db.execute(f"PRAGMA table_info({table})")]
    column = rng.choice(columns)
    old = db.execute(f"SELECT {column} FROM {table} WHERE {where}", row).fetchone()[0]  # noqa: S608
    db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (_odd(old, rng), *row))  # noqa: S608


def _odd(old: Any, rng: random.Random) -> Any:
    if isinstance(old, bytes) and rng.random() < 0.7:
        return mutations.changed(old, rng, (old,))
    if isinstance(old, str) and rng.random() < 0.5:
        return mutations.changed(old.encode(), rng, (b"{}[]null",)).decode("utf-8", "replace")
    if isinstance(old, int) and rng.random() < 0.5:
        return old + rng.choice((-1, 1, _MOVED))
    plain = [odd for odd in mutations.ODD if isinstance(odd, int | float | str | None)]
    return rng.choice((*plain, b"", b"\xff\x00", "{", '{"a": 1}', "[1]", "null", "[[1, 2]]"))


def _seal(db: sqlite3.Connection) -> None:
    """Put right sums on what is there, as somebody could who can write the file."""
    for (run,) in db.execute("SELECT id FROM runs").fetchall():
        schema.seal_rounds(db, run)
        found = db.execute("SELECT round, state FROM snapshots WHERE run = ?", (run,)).fetchone()
        if found is not None:
            schema.seal_snapshot(db, run, *found)
        schema.seal_run(db, run)
