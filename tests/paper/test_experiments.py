"""Every statement of the paper is measured, and its falsified form gets another status."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from click.testing import CliRunner

from saddleproof.cli import main
from saddleproof.errors import OptionError
from saddleproof.paper.experiments import base, run
from saddleproof.paper.experiments.base import LOOSE, NOT_REPRODUCED, REPRODUCED, Assessment
from saddleproof.paper.table import EXPERIMENTS, chosen
from saddleproof.paper.theorem4 import Theorem4Experiment

#: Seconds each in their quick form; the others are marked slow.
CHEAP = ("lemma1", "lemma4", "proposition2", "vacuity")
#: Those whose falsified statement is about the same measurements.
SAME_ROWS = {
    "observation1", "proposition1", "theorem5", "theorem7", "theorem8", "table3", "observation2",
    "theorem4", "vacuity",
}  # fmt: skip


@cache
def rows(name):
    return tuple(measured(EXPERIMENTS[name]))


def measured(experiment):
    return [row for task in run.tasks([experiment], quick=True) for row in task.measure()]


def every(slow):
    """All experiments, the slow ones marked."""
    return [
        pytest.param(name, marks=() if name in CHEAP or not slow else pytest.mark.slow)
        for name in EXPERIMENTS
    ]


@pytest.mark.parametrize("name", every(slow=True))
def test_a_statement_gets_the_status_that_the_manual_reports(name):
    assert EXPERIMENTS[name].assess(rows(name)).status == EXPERIMENTS[name].reported


@pytest.mark.parametrize("name", every(slow=True))
def test_a_falsified_statement_gets_another_status(name):
    other = base.falsified(EXPERIMENTS[name])
    assessment = other.assess(rows(name) if name in SAME_ROWS else measured(other))
    assert assessment.status != EXPERIMENTS[name].reported


@pytest.mark.slow
def test_theorem_4_holds_with_the_logarithm_of_its_proof_and_exact_gradients_only():
    proved = Theorem4Experiment(log="proved")
    assert proved.assess(measured(proved)).status == REPRODUCED
    inexact = Theorem4Experiment(log="proved", exact=False)
    assert inexact.assess(measured(inexact)).status == NOT_REPRODUCED


@pytest.mark.parametrize("name", every(slow=True))
def test_an_experiment_writes_its_figure_and_its_table(name, tmp_path):
    assessment = run.write(EXPERIMENTS[name], rows(name), tmp_path)
    text = (tmp_path / f"{name}.svg").read_text()
    assert text.startswith("<svg xmlns")
    assert isinstance(assessment, Assessment)
    with (tmp_path / f"{name}.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(rows(name))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_has_a_statement_and_its_cells_are_json(name):
    experiment = EXPERIMENTS[name]
    assert experiment.name == name
    assert experiment.title
    assert experiment.statement.endswith(".")
    assert experiment.reported in (REPRODUCED, LOOSE, NOT_REPRODUCED)
    assert experiment.falsified
    for quick in (True, False):
        cells = [dict(cell) for cell in experiment.cells(quick=quick)]
        assert json.loads(json.dumps(cells)) == cells
        assert len({task.key for task in run.tasks([experiment], quick=quick)}) == len(cells)


def test_an_unknown_statement_is_refused_with_the_names_there_are():
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
    monkeypatch.setattr(
        type(EXPERIMENTS["lemma1"]), "measure", None
    )  # would fail if it were called
    second = command(tmp_path, "lemma1", "--quick")
    assert second.exit_code == 0, second.output
    assert (tmp_path / "lemma1.csv").read_bytes() == table


def test_ctrl_c_loses_no_cell_and_the_table_is_the_same(tmp_path, monkeypatch):
    whole = command(tmp_path / "whole", "lemma1", "--quick")
    assert whole.exit_code == 0
    kind, done = type(EXPERIMENTS["lemma1"]), []
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


def test_another_status_than_the_reported_one_is_an_exit_status(tmp_path, monkeypatch):
    monkeypatch.setattr(type(EXPERIMENTS["lemma1"]), "reported", NOT_REPRODUCED)
    said = command(tmp_path, "lemma1", "--quick")
    assert said.exit_code == 1
    assert "reported: not reproduced" in said.output


def test_falsified_statements_are_run_on_demand(tmp_path):
    said = command(tmp_path, "lemma1", "--quick", "--falsified")
    assert said.exit_code == 0
    assert "Lemma 1: not reproduced" in said.output


@pytest.mark.slow
def test_two_processes_measure_what_one_does(tmp_path):
    todo = run.tasks([EXPERIMENTS["lemma1"]], quick=True)
    found = [
        {task.key: rows for task, rows in run.measured(todo, tmp_path / str(jobs), jobs)}
        for jobs in (1, 2)
    ]
    assert found[0] == found[1]


@pytest.mark.slow
def test_the_whole_paper_in_its_quick_form_gets_the_reported_statuses_and_writes_the_page(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    said = command(tmp_path / "out", "--quick", "--write", str(docs))
    assert said.exit_code == 0, said.output
    page = (docs / "paper.md").read_text()
    for name, experiment in EXPERIMENTS.items():
        assert experiment.title in page
        assert (docs / "paper" / f"{name}.svg").exists()


@dataclass(frozen=True)
class Draw:
    """An experiment whose only row is its first random number."""

    name: ClassVar[str] = "draw"
    budget: float = 1.0

    def measure(self, cell, rng):
        return [{"number": float(rng.random())}]


def test_the_random_numbers_of_a_cell_come_from_its_name_alone():
    first, second = run.Task(Draw(), {"k": 0}), run.Task(Draw(), {"k": 1})
    number = first.measure()
    assert second.measure() != number
    assert first.measure() == number
    assert run.Task(Draw(budget=2.0), {"k": 0}).measure() == number


def test_rows_are_plain_numbers():
    for row in rows("lemma1"):
        assert json.loads(json.dumps(row)) == row
        assert not any(isinstance(value, np.generic) for value in row.values())


# --- the page ---------------------------------------------------------------------------------


DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_shows_every_statement_with_the_status_that_is_reported():
    page = (DOCS / "paper.md").read_text()
    for name, experiment in EXPERIMENTS.items():
        assert f"| [{experiment.title}](#{name}) | {experiment.reported} |" in page
        assert experiment.statement in page
        assert (DOCS / "paper" / f"{name}.svg").exists()
