from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.arrays import Vector
from saddleproof.checkpoint import Checkpoint, Progressed, RoundRecord
from saddleproof.errors import StoreError
from saddleproof.runs.store import SCHEMA, RunCheckpoint, Store
from saddleproof.storage import snapshot


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
    store.db.execute(
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
    assert store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store.db.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        RunCheckpoint(store.db, 99).save(loop(1))


def test_a_store_of_another_version_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "runs.sqlite"
    Store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 7")
    with pytest.raises(StoreError, match="schema version 7"):
        Store(path)


#: Schema version to the columns that the next version added.
LATER = {
    1: (("rounds", "left_out"),),
    2: (("rounds", "refused"),),
    3: (("rounds", "question"), ("rounds", "event")),
    4: (
        ("rounds", "evidence"),
        ("rounds", "link"),
        ("snapshots", "link"),
        ("runs", "head"),
        ("runs", "seal"),
    ),
}


@pytest.mark.parametrize("version", sorted(LATER))
def test_a_store_of_an_earlier_version_is_read_and_goes_on(tmp_path, version):
    path = tmp_path / "runs.sqlite"
    with Store(path) as store:
        checkpoint = store.begin("text", "0.1")
        checkpoint.save(loop(2))
    with closing(sqlite3.connect(path)) as db:
        for later in range(version, SCHEMA):
            for table, name in LATER[later]:
                db.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        db.execute("DROP TABLE leases")
        db.execute(f"PRAGMA user_version = {version}")
    with Store(path) as store:
        again = store.unfinished("text")
        assert again is not None
        whole = again.load(State)
        kept, before = whole.trace[1], loop(2).trace[1]
        assert kept.charged == before.charged
        assert kept.refused == ({} if version <= 2 else before.refused)
        told = ("Gradients", "") if version <= 3 else (before.question, before.event)
        assert (kept.left_out, kept.question, kept.event) == ((), *told)
        again.save(replace(loop(4), trace=(*whole.trace, *loop(4).trace[2:])))
        assert [record.question for record in store.trace(again.run)[2:]] == [
            "Gradients",
            "Changes",
        ]
        assert repr(store.trace(again.run)[3]) == repr(loop(4).trace[3])


@pytest.mark.parametrize("behind", [0, 2])
def test_a_run_that_two_leaders_of_an_earlier_version_hurt_is_mended(tmp_path, behind):
    path = tmp_path / "runs.sqlite"
    with Store(path) as store:
        store.begin("text", "0.1").save(loop(5))
        store.begin("text", "0.1")  # another one, without a round
        store.begin("text", "0.1").save(loop(3))
    with closing(sqlite3.connect(path)) as db, db:
        for table, name in LATER[4]:
            db.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        db.execute("DROP TABLE leases")
        # The second leader began anew, and its snapshot stands before rounds of the first.
        data = snapshot.dumps(replace(loop(behind), trace=()))
        db.execute("UPDATE snapshots SET round = ?, state = ? WHERE run = 1", (behind, data))
        db.execute("PRAGMA user_version = 4")
    with Store(path) as store:
        hurt, whole = RunCheckpoint(store.db, 1), RunCheckpoint(store.db, 3)
        assert (hurt.load(State).round, len(hurt.trace())) == (behind, behind)
        assert repr(whole.load(State)) == repr(loop(3))
        hurt.save(loop(6))
        assert rounds_in(store, 1) == list(range(6))


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
