"""A run of a comparison that fails is a cell of the table, and the others are kept."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from saddleproof.cli import main
from saddleproof.config.parse import load, parse
from saddleproof.config.setup import build
from saddleproof.lab.comparison import rows, run_trials
from saddleproof.lab.report.page import write
from saddleproof.lab.report.text import comma_separated, failed, table
from saddleproof.lab.trials import Failure, Trial

WRONG_B = """
run = { b = 10, max_rounds = 5 }
optimizer = "gradient_descent"
grid = { problem = ["example2", { name = "example2", workers = 40, label = "forty" }] }
"""
#: A rule of a user's own, that fails as its option says.
RULE = """
import os
from saddleproof import Median

class Failing(Median):
    def __init__(self, how: str = "raise"):
        self.how = how

    def estimates(self, *arguments, **named):
        if self.how == "raise":
            raise ZeroDivisionError("of \\x1b[31m<b>all</b>")
        if self.how == "exit":
            raise SystemExit(0)
        if self.how == "die":
            os._exit(3)
        return super().estimates(*arguments, **named)
"""


@pytest.fixture(autouse=True)
def _unloaded() -> Iterator[None]:
    """Every test has a module of its own under the same name."""
    yield
    sys.modules.pop("failing", None)


def config(folder: Path, how: str) -> Path:
    """Two trainers: the first with the failing rule."""
    (folder / "failing.py").write_text(RULE)
    path = folder / "c.toml"
    path.write_text(
        'problem = "example2"\nrun = { b = 6, max_rounds = 20 }\n'
        '[[compare]]\nlabel = "own"\noptimizer = "gradient_descent"\n'
        f'aggregator = {{ name = "failing:Failing", how = "{how}" }}\n'
        '[[compare]]\nlabel = "ours"\noptimizer = "gradient_descent"\n'
    )
    return path


def test_a_b_that_is_too_large_for_one_problem_fails_there_alone() -> None:
    too_small, fits = rows(parse(WRONG_B), list(run_trials(parse(WRONG_B), [0, 1])))
    assert [one.seed for one in too_small.failures] == [0, 1]
    assert "b=10" in too_small.failures[0].reason
    assert (too_small.trials, fits.failures) == ((), ())
    assert [trial.seed for trial in fits.trials] == [0, 1]


@pytest.mark.parametrize(
    ("how", "said"), [("raise", "ZeroDivisionError: of "), ("exit", "SystemExit: 0")]
)
def test_an_exception_in_a_member_is_told_with_its_file_and_line(
    tmp_path: Path, how: str, said: str
) -> None:
    ended = list(run_trials(load(config(tmp_path, how)), [3]))
    (failure,) = (one for one in ended if isinstance(one, Failure))
    assert (failure.label, failure.seed) == ("own", 3)
    assert failure.reason.startswith(said)
    assert "(failing.py, line 1" in failure.reason
    assert failure.reason.isprintable()
    assert [one.label for one in ended if isinstance(one, Trial)] == ["ours"]


def test_a_process_that_dies_is_a_failure_and_another_takes_its_place(tmp_path: Path) -> None:
    ended = list(run_trials(load(config(tmp_path, "die")), range(2), jobs=2))
    own, ours = rows(load(config(tmp_path, "die")), ended)
    assert [one.seed for one in own.failures] == [0, 1]
    assert "own, seed 0 ended before its result was there (exit code 3)" in own.failures[0].reason
    assert [trial.seed for trial in ours.trials] == [0, 1]


def test_failures_are_in_the_table_the_file_and_the_page(tmp_path: Path) -> None:
    chosen = load(config(tmp_path, "raise"))
    shown = rows(chosen, list(run_trials(chosen, [0, 1])))
    console = Console(file=io.StringIO(), width=120)
    console.print(table(shown))
    assert "2 failed" in console.file.getvalue()
    (line,) = failed(shown)
    assert line.startswith("own, seeds 0, 1: ZeroDivisionError")
    lines = list(csv.DictReader(io.StringIO(comma_separated(shown))))
    assert [one["status"] for one in lines][:2] == ["failed"] * 2
    assert all(one["reason"].startswith("ZeroDivisionError") for one in lines[:2])
    assert {one["reason"] for one in lines[2:]} == {""}
    page = write(tmp_path, "failures", chosen.text, shown, build(chosen).problem).read_text()
    assert "Runs that failed" in page
    assert "own: failed; ours: " in page
    assert "&lt;b&gt;all" in page
    assert "\x1b" not in page


@pytest.mark.parametrize(("how", "status"), [("raise", 1), ("work", 0)])
def test_the_exit_code_tells_whether_a_run_failed(tmp_path: Path, how: str, status: int) -> None:
    given = ["compare", str(config(tmp_path, how)), "--seeds", "1", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*given, "--jobs", "1"])
    assert result.exit_code == status, result.output
    assert ("failed, own, seed 0: ZeroDivisionError" in result.output) == bool(status)
    assert (tmp_path / "out" / "report.html").exists()


def test_a_comparison_in_which_everything_failed_has_a_table_and_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.toml").write_text('problem = "example2"\nrun = { b = 10, max_rounds = 5 }\n')
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["compare", "c.toml", "--seeds", "2", "--jobs", "1"])
    assert result.exit_code == 1
    assert "2 failed" in result.output
    assert "no report: every run failed" in result.output
