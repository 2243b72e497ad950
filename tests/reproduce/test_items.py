"""Every statement of the paper is measured, and no verdict is one that could not turn."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from saddleproof.cli import main
from saddleproof.errors import OptionError
from saddleproof.reproduce import base, run
from saddleproof.reproduce.base import LOOSE, REFUTED, REPRODUCED, Verdict
from saddleproof.reproduce.table import ITEMS, chosen
from saddleproof.reproduce.theorem4 import Theorem4Item

#: Seconds each in their quick form; the others are marked slow.
CHEAP = ("lemma1", "lemma4", "proposition2", "vacuity")
#: Those whose other statement is about the same measurements.
SAME_ROWS = {
    "observation1", "proposition1", "theorem5", "theorem7", "theorem8", "table3", "observation2",
    "theorem4", "vacuity",
}  # fmt: skip


@cache
def rows(name):
    return tuple(measured(ITEMS[name]))


def measured(item):
    return [row for task in run.tasks([item], quick=True) for row in task.measure()]


def every(slow):
    """All items, the slow ones marked."""
    return [
        pytest.param(name, marks=() if name in CHEAP or not slow else pytest.mark.slow)
        for name in ITEMS
    ]


@pytest.mark.parametrize("name", every(slow=True))
def test_an_item_gets_the_verdict_that_the_manual_reports(name):
    assert ITEMS[name].verdict(rows(name)).name == ITEMS[name].known


@pytest.mark.parametrize("name", every(slow=True))
def test_another_statement_gets_another_verdict(name):
    other = base.turned(ITEMS[name])
    verdict = other.verdict(rows(name) if name in SAME_ROWS else measured(other))
    assert verdict.name != ITEMS[name].known


@pytest.mark.slow
def test_theorem_4_is_the_theorems_fault_only_where_gradients_are_exact():
    mended = Theorem4Item(log="proved")
    assert mended.verdict(measured(mended)).name == REPRODUCED
    lied_to = Theorem4Item(log="proved", exact=False)
    assert lied_to.verdict(measured(lied_to)).name == REFUTED


@pytest.mark.parametrize("name", every(slow=True))
def test_an_item_draws_its_picture(name, tmp_path):
    verdict = run.conclude(ITEMS[name], rows(name), tmp_path)
    text = (tmp_path / f"{name}.svg").read_text()
    assert text.startswith("<svg xmlns")
    assert isinstance(verdict, Verdict)
    with (tmp_path / f"{name}.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(rows(name))


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_says_what_it_is_and_its_cells_are_json(name):
    item = ITEMS[name]
    assert item.name == name
    assert item.title
    assert item.statement.endswith(".")
    assert item.known in (REPRODUCED, LOOSE, REFUTED)
    assert item.turned
    for quick in (True, False):
        cells = [dict(cell) for cell in item.cells(quick=quick)]
        assert json.loads(json.dumps(cells)) == cells
        assert len({task.key for task in run.tasks([item], quick=quick)}) == len(cells)


def test_a_name_that_no_item_has_is_answered_with_those_there_are():
    with pytest.raises(OptionError, match="lemma1"):
        chosen(("lemma9",))


# --- the run ----------------------------------------------------------------------------------


def command(tmp_path, *arguments):
    return CliRunner().invoke(
        main, ["reproduce", *arguments, "--out", str(tmp_path), "--jobs", "1"]
    )


def test_the_command_measures_once_and_remembers(tmp_path, monkeypatch):
    first = command(tmp_path, "lemma1", "--quick")
    assert first.exit_code == 0, first.output
    assert "Lemma 1: reproduced" in first.output
    table = (tmp_path / "lemma1.csv").read_bytes()
    monkeypatch.setattr(type(ITEMS["lemma1"]), "measure", None)  # would fail if it were called
    second = command(tmp_path, "lemma1", "--quick")
    assert second.exit_code == 0, second.output
    assert (tmp_path / "lemma1.csv").read_bytes() == table


def test_ctrl_c_loses_no_cell_and_the_table_is_the_same(tmp_path, monkeypatch):
    whole = command(tmp_path / "whole", "lemma1", "--quick")
    assert whole.exit_code == 0
    kind, done = type(ITEMS["lemma1"]), []
    measure = kind.measure

    def interrupted(self, cell, rng):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(cell)
        return measure(self, cell, rng)

    monkeypatch.setattr(kind, "measure", interrupted)
    broken = command(tmp_path / "part", "lemma1", "--quick")
    assert broken.exit_code == 130
    assert "interrupted after 4 of 9 cells" in broken.output
    monkeypatch.setattr(kind, "measure", measure)
    assert command(tmp_path / "part", "lemma1", "--quick").exit_code == 0
    tables = [(tmp_path / name / "lemma1.csv").read_bytes() for name in ("whole", "part")]
    assert tables[0] == tables[1]


def test_news_is_an_exit_status(tmp_path, monkeypatch):
    monkeypatch.setattr(type(ITEMS["lemma1"]), "known", REFUTED)
    said = command(tmp_path, "lemma1", "--quick")
    assert said.exit_code == 1
    assert "reported: not reproduced" in said.output


def test_other_statements_are_run_on_demand(tmp_path):
    said = command(tmp_path, "lemma1", "--quick", "--turned")
    assert said.exit_code == 0
    assert "Lemma 1: not reproduced" in said.output


@pytest.mark.slow
def test_two_processes_measure_what_one_does(tmp_path):
    todo = run.tasks([ITEMS["lemma1"]], quick=True)
    found = [
        {task.key: rows for task, rows in run.measured(todo, tmp_path / str(jobs), jobs)}
        for jobs in (1, 2)
    ]
    assert found[0] == found[1]


@pytest.mark.slow
def test_the_whole_paper_in_its_quick_form_brings_no_news_and_writes_the_page(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    said = command(tmp_path / "out", "--quick", "--write", str(docs))
    assert said.exit_code == 0, said.output
    page = (docs / "paper.md").read_text()
    for name, item in ITEMS.items():
        assert item.title in page
        assert (docs / "paper" / f"{name}.svg").exists()


def test_a_cell_has_the_same_random_numbers_in_any_order():
    tasks = run.tasks([ITEMS["lemma1"]], quick=True)
    assert tasks[3].measure() == tasks[3].measure()
    assert tasks[3].measure() != tasks[4].measure()


def test_rows_are_plain_numbers():
    for row in rows("lemma1"):
        assert json.loads(json.dumps(row)) == row
        assert not any(isinstance(value, np.generic) for value in row.values())


# --- the page ---------------------------------------------------------------------------------


DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_shows_every_statement_with_the_verdict_that_is_reported():
    page = (DOCS / "paper.md").read_text()
    for name, item in ITEMS.items():
        assert f"| [{item.title}](#{name}) | {item.known} |" in page
        assert item.statement in page
        assert (DOCS / "paper" / f"{name}.svg").exists()
