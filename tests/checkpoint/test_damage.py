"""What was written is read as it was, or refused: a changed byte is never another run."""

from __future__ import annotations

from typing import Any

import pytest

from saddleproof.checkpoint import FileCheckpoint
from saddleproof.errors import StoreError
from saddleproof.runs.store import Store

ALL = pytest.param(1500, marks=pytest.mark.slow)


def harm(counts: Any) -> dict[str, int]:
    names = ("silent changes", "silent fresh starts", "raw exceptions")
    return {name: counts[name] for name in names if counts[name]}


@pytest.mark.parametrize("changes", [200, ALL])
def test_a_changed_byte_of_a_checkpoint_is_refused(durability, tmp_path, changes):
    counts = durability.file_damage(tmp_path, changes)
    assert counts["refused"] == changes
    assert not harm(counts)


@pytest.mark.parametrize("changes", [60, ALL])
def test_a_changed_byte_of_a_store_is_refused_or_harmless(durability, tmp_path, changes):
    counts = durability.store_damage(tmp_path, changes)
    assert counts["refused"] > changes / 4  # the rest is empty space in the file
    assert not harm(counts)


@pytest.mark.parametrize("changes", [20, pytest.param(500, marks=pytest.mark.slow)])
def test_a_changed_byte_of_a_killed_runs_log_takes_no_round_away(durability, tmp_path, changes):
    counts = durability.log_damage(tmp_path, changes)
    assert counts["changed"] == changes
    assert not harm(counts)


#: Statements that keep the file sound for SQLite, and change what a run says.
TAMPERED = {
    "a value": "UPDATE rounds SET gradient_norm = 7.0 WHERE round = 3",
    "an event": "UPDATE rounds SET event = 'nothing happened' WHERE round = 3",
    "a type": "UPDATE rounds SET charged = x'00ff' WHERE round = 3",
    "a round fewer": "DELETE FROM rounds WHERE round = 3",
    "the last round": "DELETE FROM rounds WHERE round = 8",
    "the first round": "DELETE FROM rounds WHERE round = 0",
    "all rounds": "DELETE FROM rounds",
    "two rounds changed places": (
        "UPDATE rounds SET round = CASE round WHEN 3 THEN 104 ELSE 103 END WHERE round IN (3, 4);"
        "UPDATE rounds SET round = round - 100 WHERE round > 100"
    ),
    "a round from another run": (
        "UPDATE rounds SET link = (SELECT link FROM rounds WHERE round = 2) WHERE round = 3"
    ),
    "no snapshot": "DELETE FROM snapshots",
    "an earlier snapshot": "UPDATE snapshots SET round = 5",
    "another state": "UPDATE snapshots SET state = zeroblob(100)",
    "no rounds and no snapshot": "DELETE FROM rounds; DELETE FROM snapshots",
    "another configuration": "UPDATE runs SET config = 'another'",
    "another end": "UPDATE runs SET status = 'second_order', ended = 'now'",
    "another number": (
        "PRAGMA foreign_keys = OFF; UPDATE runs SET id = 5; UPDATE rounds SET run = 5;"
        "UPDATE snapshots SET run = 5"
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_store_that_says_something_else_is_refused(durability, tmp_path, what):
    path = tmp_path / "runs.sqlite"
    with Store(path) as store:
        run = store.begin(durability.CONFIG, "0")
        for rounds in (1, 5, 9):
            run.save(durability.state(rounds))
        right = durability.read(path)
        for statement in TAMPERED[what].split(";"):
            store.db.execute(statement)
    with pytest.raises(StoreError, match=r"run \d of .*runs\.sqlite"):
        durability.read(path)
    assert right[0][0][0].rounds == 9


@pytest.mark.parametrize("held", ["file", "store"])
def test_an_empty_file_is_not_a_run_that_never_was(durability, tmp_path, held):
    path = tmp_path / "run"
    path.write_bytes(b"")
    if held == "file":
        with pytest.raises(StoreError, match="empty"):
            FileCheckpoint(path).load(object)
        return
    with Store(path) as store, pytest.raises(StoreError, match="empty"):
        store.unfinished("a")


@pytest.mark.parametrize("size", [1, 100, 4096, 5000])
def test_a_store_that_was_cut_short_is_refused(durability, tmp_path, size):
    path = tmp_path / "runs.sqlite"
    with Store(path) as store:
        store.begin(durability.CONFIG, "0").save(durability.state(9))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(StoreError):
        durability.read(path)


def test_a_run_whose_configuration_changed_does_not_silently_begin_anew(durability, tmp_path):
    with Store(tmp_path / "runs.sqlite") as store:
        store.begin(durability.CONFIG, "0").save(durability.state(3))
        store.db.execute("UPDATE runs SET config = config || ' '")
        with pytest.raises(StoreError, match="does not match its seal"):
            store.unfinished(durability.CONFIG)


def test_a_run_whose_row_was_lost_does_not_silently_begin_anew(durability, tmp_path):
    path = tmp_path / "runs.sqlite"
    with Store(path) as store:
        store.begin(durability.CONFIG, "0").save(durability.state(3))
        root = store.db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'runs'").fetchone()
        size = store.db.execute("PRAGMA page_size").fetchone()[0]
    data = bytearray(path.read_bytes())
    cells = (root[0] - 1) * size + 3  # how many rows the page of the table holds, two bytes
    assert data[cells : cells + 2] == b"\x00\x01"
    data[cells + 1] = 0
    path.write_bytes(data)
    with Store(path) as store, pytest.raises(StoreError, match="is damaged"):
        store.unfinished(durability.CONFIG)
