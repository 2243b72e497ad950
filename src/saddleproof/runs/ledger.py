"""One run of a store, as the checkpoint that `minimize` writes to."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, fields, replace
from types import NoneType
from typing import Any

from saddleproof.checkpoint import Checkpoint, Progressed, RoundRecord, holding
from saddleproof.errors import StoreError
from saddleproof.runs import leases, schema
from saddleproof.runs.database import Database
from saddleproof.storage import snapshot
from saddleproof.storage.leases import Owner, me
from saddleproof.storage.typed import decode


@dataclass(frozen=True)
class RunCheckpoint:
    """One run of a store.

    Args:
        db: the store's file.
        run: the run's number there.
    """

    db: Database
    run: int

    def save(self, loop: Progressed) -> None:
        """Commit the new rounds and the snapshot that follows them, together."""
        with self.leading(resume=True) as led_here:
            led_here.save(loop)

    def load(self, state_type: type, memory_type: type = NoneType) -> Progressed | None:
        """What the last commit left, found whole.

        Raises:
            StoreError: a round or the snapshot is damaged or missing.
        """
        self.db.check()
        with self.db.reading() as db:
            query = "SELECT round, state, link FROM snapshots WHERE run = ?"
            stored = db.execute(query, (self.run,)).fetchone()
            told = db.execute("SELECT head, seal FROM runs WHERE id = ?", (self.run,)).fetchone()
            if told is None:
                raise StoreError(f"{self.place}: there is no such run")
            if schema.run_seal(db, self.run) != told[1]:
                raise self._damaged("its row does not match its seal")
            if stored is None and told[0]:
                raise self._damaged("its snapshot is missing")
            if stored is None:
                return None
            rounds, state, link = stored
            rows = self._rows(rounds)
            if len(rows) != rounds:
                raise self._damaged(f"{rounds - len(rows)} of {rounds} rounds are missing")
            last = rows[-1][-1] if rows else ""
            if not link == told[0] == schema.snapshot_link(last, rounds, state):
                raise self._damaged("its snapshot does not match its seal")
        place = f"{self.place}, round {rounds}"
        saved = snapshot.loads(state, holding(state_type, memory_type), place)
        return replace(saved, trace=tuple(_record(row[:-1], self.place) for row in rows))

    def trace(self, before: int | None = None) -> tuple[RoundRecord, ...]:
        """The committed rounds, those from `before` on left out.

        Raises:
            StoreError: a round is damaged or missing.
        """
        return tuple(_record(row[:-1], self.place) for row in self._rows(before))

    @contextmanager
    def leading(self, *, resume: bool) -> Iterator[Checkpoint]:
        """Hold the run's lease; see `saddleproof.checkpoint.LedCheckpoint`."""
        self.db.check()
        with me() as mine:
            with self.db.transaction() as db:
                leases.take(db, self.run, mine, self.place)
                if not resume and (done := self._done()):
                    raise StoreError(
                        f"{self.place} holds {done} rounds already. Pass resume=True to go on with "
                        "it, or begin another run with Store.begin"
                    )
            try:
                with leases.beating(self.db.path, self.run, mine):
                    yield _LeasedRun(self, mine)
            finally:
                with suppress(StoreError), self.db.transaction() as db:
                    leases.release(db, self.run, mine)

    def commit(self, loop: Progressed, mine: Owner) -> None:
        """Commit under the lease, or nothing.

        Raises:
            StoreError: the lease is lost, the rounds do not follow what is there, or the file
                cannot be written.
        """
        data = snapshot.dumps(replace(loop, trace=()))
        with self.db.transaction() as db:
            leases.renew(db, self.run, mine, self.place)
            done = self._done()
            self._check_order(loop, done)
            schema.cut(db, self.run, done)
            link = schema.last_link(db, self.run)
            for record in loop.trace[done:]:
                at = (self.run, record.round)
                marks = ", ?" * len(fields(RoundRecord))
                insert = f"INSERT INTO rounds (run, {schema.ROUND}) VALUES (?{marks})"  # noqa: S608
                db.execute(insert, (self.run, *_row(record)))
                # As SQLite gives it back: it keeps whole numbers of a REAL column as floats.
                link = schema.chained(link, self._row(record.round))
                db.execute("UPDATE rounds SET link = ? WHERE run = ? AND round = ?", (link, *at))
            snap = (self.run, loop.round, data)
            db.execute("REPLACE INTO snapshots (run, round, state) VALUES (?, ?, ?)", snap)
            schema.seal_snapshot(db, *snap)
            schema.seal_run(db, self.run)
        self.db.settle()

    @property
    def place(self) -> str:
        """What errors call it."""
        return f"run {self.run} of {self.db.path}"

    def _rows(self, before: int | None = None) -> list[tuple[Any, ...]]:
        """The rows of the rounds, their links at the end."""
        with self.db.reading() as db:
            rows = db.execute(
                f"SELECT {schema.ROUND}, link FROM rounds WHERE run = ? AND round < ?"  # noqa: S608
                " ORDER BY round",
                (self.run, 2**62 if before is None else before),
            ).fetchall()
            link = ""
            for at, row in enumerate(rows):
                link = schema.chained(link, row[:-1])
                if row[0] != at or row[-1] != link:
                    raise self._damaged(f"round {at} does not match its seal, or is missing")
        return rows

    def _row(self, number: int) -> tuple[Any, ...]:
        query = f"SELECT {schema.ROUND} FROM rounds WHERE run = ? AND round = ?"  # noqa: S608
        return tuple(self.db.execute(query, (self.run, number)).fetchone() or ())

    def _done(self) -> int:
        """How many rounds the last snapshot follows."""
        query = "SELECT round FROM snapshots WHERE run = ?"
        stored = self.db.execute(query, (self.run,)).fetchone()
        return 0 if stored is None else int(stored[0])

    def _check_order(self, loop: Progressed, done: int) -> None:
        """Commits follow each other: none goes back, and none changes what was committed."""
        if len(loop.trace) != loop.round:
            raise StoreError(f"a state after {loop.round} rounds with {len(loop.trace)} records")
        if loop.round < done:
            raise StoreError(
                f"{self.place} holds {done} rounds already; a state after {loop.round} is not "
                "committed over them"
            )
        if done:
            kept = self._row(done - 1)
            if not kept or repr(_record(kept, self.place)) != repr(loop.trace[done - 1]):
                raise StoreError(
                    f"{self.place} holds another round {done - 1} than this one: its rounds are "
                    "those of another history. Pass resume=True to go on with them"
                )

    def _damaged(self, why: str) -> StoreError:
        return StoreError(f"{self.place} is damaged: {why}. Begin another run")


@dataclass(frozen=True)
class _LeasedRun:
    """A run under its lease."""

    checkpoint: RunCheckpoint
    mine: Owner

    def save(self, loop: Progressed) -> None:
        self.checkpoint.commit(loop, self.mine)

    def load(self, state_type: type, memory_type: type = NoneType) -> Progressed | None:
        return self.checkpoint.load(state_type, memory_type)


def _row(record: RoundRecord) -> tuple[Any, ...]:
    return tuple(json.dumps(v) if isinstance(v, dict | tuple) else v for v in astuple(record))


def _record(row: tuple[Any, ...], place: str) -> RoundRecord:
    """The record of a row.

    Raises:
        StoreError: a column holds something else than a record does; says where.
    """
    kept = dict(zip(schema.ROUND.split(", "), row, strict=True))
    for name in ("gradient_norm", "inexactness"):  # SQLite keeps NaN as NULL
        kept[name] = math.nan if kept[name] is None else kept[name]
    try:
        for name in ("charged", "absent", "strangers", "refused", "left_out", "evidence"):
            kept[name] = _tree(json.loads(kept[name]))
        tree = {"is": RoundRecord.__name__, "fields": kept}
        record: RoundRecord = decode(tree, {}, RoundRecord, RoundRecord.__name__)
    except (TypeError, ValueError, RecursionError, StoreError) as error:
        raise StoreError(f"{place}, round {row[0]!r}: not a record of a round: {error}") from error
    return record


def _tree(value: object) -> Any:
    """What JSON gave, as `decode` takes it: a list stands for a tuple."""
    if isinstance(value, dict):
        return {"dict": {key: _tree(item) for key, item in value.items()}}
    if isinstance(value, list):
        return {"tuple": [_tree(item) for item in value]}
    return value
