from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.arrays import Vector
from saddleproof.checkpoint import Checkpoint, Progressed, RoundRecord
from saddleproof.errors import StoreError
from saddleproof.runs.store import SCHEMA, Store


@dataclass(frozen=True)
class State:
    w: Vector


def loop(rounds: int) -> Progressed:
    trace = tuple(
        RoundRecord(
            *(k, 3, np.inf if k == 0 else 1 / k, np.nan, {"worker-1": "NaN or Inf"}),
            refused={"worker-2": k},
            question="Changes" if k % 2 else "Gradients",
            event=f"round {k}, 'quoted'",
        )
        for k in range(rounds)
    )
    return Progressed(rounds, {"worker-1": "NaN or Inf"}, trace, State(np.full(2, float(rounds))))


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "runs" / "runs.sqlite") as opened:
        yield opened


def rounds_in(store: Store, run: int) -> list[int]:
    return [record.round for record in store.trace(run)]


def test_what_was_saved_is_loaded_trace_and_all(store):
    checkpoint = store.begin("text", "0.1")
    assert isinstance(checkpoint, Checkpoint)
    assert checkpoint.load(State) is None
    for k in (1, 2, 5):
        checkpoint.save(loop(k))
    loaded = checkpoint.load(State)
    assert loaded is not None
    assert repr(loaded) == repr(loop(5))
    assert rounds_in(store, checkpoint.run) == [0, 1, 2, 3, 4]


def test_saving_the_same_round_twice_changes_nothing(store):
    checkpoint = store.begin("text", "0.1")
    checkpoint.save(loop(2))
    checkpoint.save(loop(2))
    assert rounds_in(store, checkpoint.run) == [0, 1]


def test_rounds_and_snapshot_are_committed_together_or_not_at_all(store):
    checkpoint = store.begin("text", "0.1")
    checkpoint.save(loop(2))
    # The rounds of this save are fine, its snapshot is refused: neither may stay.
    store._db.execute(
        "CREATE TEMP TRIGGER no BEFORE INSERT ON snapshots BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(StoreError, match="no"):
        checkpoint.save(loop(4))
    assert rounds_in(store, checkpoint.run) == [0, 1]
    loaded = checkpoint.load(State)
    assert loaded is not None
    assert loaded.round == 2


def test_runs_do_not_see_each_other(store):
    first, second = store.begin("a", "0.1"), store.begin("a", "0.1")
    first.save(loop(3))
    second.save(loop(1))
    assert (len(store.trace(first.run)), len(store.trace(second.run))) == (3, 1)
    assert store.unfinished("a") == second
    assert store.unfinished("b") is None


def test_a_finished_run_is_not_offered_for_a_resume(store):
    problem = sp.problems.Example1()
    checkpoint = store.begin("a", "0.1")
    result = sp.minimize(problem, b=0, max_rounds=3, seed=0, checkpoint=checkpoint)
    store.finish(checkpoint.run, result)
    assert store.unfinished("a") is None
    (stored,) = store.runs()
    assert (stored.status, stored.rounds, stored.certificate) == (
        result.status,
        result.rounds,
        str(result.certificate),
    )
    assert store.trace(checkpoint.run) == result.trace


def test_the_last_run_of_a_configuration_is_the_one_that_counts(store):
    store.begin("a", "0.1")
    latest = store.begin("a", "0.1")
    store.begin("b", "0.1")
    store.finish(latest.run, sp.minimize(sp.problems.Example1(), b=0, max_rounds=1, seed=0))
    assert store.last("a").id == latest.run
    assert store.last("a").ended is not None
    assert store.unfinished("a") is None  # though an earlier one was cut short
    assert store.last("c") is None


def test_the_file_is_in_wal_mode_with_its_schema_version_and_foreign_keys(store):
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        store._save(99, loop(1))


def test_a_store_of_another_version_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "runs.sqlite"
    Store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 7")
    with pytest.raises(StoreError, match="schema version 7"):
        Store(path)


#: Schema version to the columns that the next version added.
LATER = {1: ("left_out",), 2: ("refused",), 3: ("question", "event")}


@pytest.mark.parametrize("version", sorted(LATER))
def test_a_store_of_an_earlier_version_is_read_and_goes_on(tmp_path, version):
    path = tmp_path / "runs.sqlite"
    with Store(path) as store:
        checkpoint = store.begin("text", "0.1")
        checkpoint.save(loop(2))
    with closing(sqlite3.connect(path)) as db:
        for later in range(version, SCHEMA):
            for name in LATER[later]:
                db.execute(f"ALTER TABLE rounds DROP COLUMN {name}")
        db.execute(f"PRAGMA user_version = {version}")
    with Store(path) as store:
        again = store.unfinished("text")
        assert again is not None
        kept, before = again.load(State).trace[1], loop(2).trace[1]
        assert kept.charged == before.charged
        assert kept.refused == ({} if version <= 2 else before.refused)
        assert (kept.left_out, kept.question, kept.event) == ((), "Gradients", "")
        again.save(loop(4))
        assert [record.question for record in store.trace(again.run)[2:]] == [
            "Gradients",
            "Changes",
        ]
        assert repr(store.trace(again.run)[3]) == repr(loop(4).trace[3])


def test_a_foreign_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE cats (name)")
        db.commit()
    with pytest.raises(StoreError, match="schema version 0"):
        Store(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("cats",)]


def test_a_file_that_is_no_database_is_a_store_error(tmp_path):
    path = tmp_path / "runs.sqlite"
    path.write_bytes(b"not a database at all, but long enough" * 40)
    with pytest.raises(StoreError, match="not a database"):
        Store(path)
