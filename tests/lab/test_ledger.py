"""A ledger gives back what was written, after any end of the process, and never another's."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.errors import StoreError
from saddleproof.lab.ledger import Ledger, digest, opened

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.text(), st.tuples(JSON, JSON.filter(lambda x: x is not None))))
def test_what_is_added_is_what_comes_back(outcomes: dict[str, tuple[Any, Any]]) -> None:
    with Ledger(None) as ledger:
        for name, (task, outcome) in outcomes.items():
            ledger.add(digest(name), task, outcome)
        assert all(ledger.get(digest(name)) == told[1] for name, told in outcomes.items())
        assert list(ledger) == list(outcomes.values())
        assert ledger.get(digest("a", "b")) is None


@settings(max_examples=20, deadline=None)
@given(st.lists(JSON), st.lists(JSON))
def test_tasks_have_one_digest_if_and_only_if_they_are_the_same(one: Any, two: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (digest(*one) == digest(*two)) == same
    assert digest({"a": 1, "b": one}) == digest({"b": one, "a": 1})


def test_a_ledger_is_there_after_the_process_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ledger.sqlite"
    text = f"""
import os, signal
from saddleproof.lab.ledger import Ledger
ledger = Ledger({str(path)!r})
ledger.add("one", "a task", [1.5])
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == -9
    with Ledger(path) as ledger:
        assert list(ledger) == [("a task", [1.5])]


def test_two_ledgers_may_write_to_one_file(tmp_path: Path) -> None:
    with Ledger(tmp_path / "x") as one, Ledger(tmp_path / "x") as two:
        one.add("a", 0, 1)
        two.add("b", 0, 2)
        two.add("a", 0, 3)
        assert [one.get("a"), one.get("b")] == [3, 2]


@pytest.mark.parametrize("column", ["outcome", "task", "digest"])
def test_a_changed_row_is_refused_and_not_believed(tmp_path: Path, column: str) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.add("one", 1, 1)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE outcomes SET {column} = '2'")
    with Ledger(path) as ledger, pytest.raises(StoreError, match="does not match its seal"):
        ledger.get("2" if column == "digest" else "one")


def test_an_sqlite_file_of_another_kind_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE runs (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"runs\.sqlite is an SQLite file, but no ledger"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match=r"ledger .*taken"):
        Ledger(tmp_path / "taken" / "ledger.sqlite")


def test_a_ledger_of_ones_own_stays_open_and_one_in_memory_is_closed() -> None:
    with Ledger(None) as given:
        with opened(given) as same:
            assert same is given
        given.add(digest("a"), "a", 1)
        assert given.get(digest("a")) == 1
    with opened(None) as made:
        made.add(digest("a"), "a", 1)
    with pytest.raises(StoreError, match="closed"):
        made.get(digest("a"))
