"""A comparison that was stopped goes on from its ledger, and ends as one that never was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from saddleproof.cli import comparing, main
from saddleproof.config.parse import load, parse
from saddleproof.config.records import Config
from saddleproof.errors import StoreError
from saddleproof.lab import comparison as compare
from saddleproof.lab.comparison import rows, run_trials
from saddleproof.lab.ledger import Ledger
from saddleproof.lab.recorded import dumps, loads
from saddleproof.lab.report.page import html
from saddleproof.lab.report.text import comma_separated
from saddleproof.lab.trials import Failure, Trial

TEXT = """
problem = { name = "example2", n = 20 }
attack = { name = "saddle", members = 6 }
run = { b = 6, max_rounds = 12, certify = false }
optimizer = "gradient_descent"

[[compare]]
label = "held"
optimizer = { name = "gradient_descent", step = 0.5 }
aggregator = "mean"

[[compare]]
label = "free"
"""
SEEDS = range(2)
CELLS = 4


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Label and seed of every run that is made, in this process, from now on."""
    made: list[tuple[str, int]] = []
    run = compare._trial

    def noted(config: Config, entry: object, seed: int) -> Trial:
        made.append((entry.label, seed))
        return run(config, entry, seed)

    monkeypatch.setattr(compare, "_trial", noted)
    return made


@pytest.fixture(scope="module")
def whole() -> list[Trial | Failure]:
    return list(run_trials(parse(TEXT), SEEDS))


def written(ended: list[Trial | Failure]) -> str:
    """What a comparison leaves: the lines, and the page but for its drawings."""
    config = parse(TEXT)
    shown = rows(config, ended)
    return comma_separated(shown) + html("title", config.text, shown, [])


def stopped(ledger: Ledger, after: int, text: str = TEXT) -> None:
    """A comparison that ends after some runs."""
    running = run_trials(parse(text), SEEDS, ledger=ledger)
    for _ in range(after):
        next(running)
    running.close()


@pytest.mark.parametrize("after", range(CELLS + 1))
def test_wherever_it_was_stopped_it_ends_with_the_same_bytes(
    whole: list[Trial | Failure], ran: list[tuple[str, int]], after: int
) -> None:
    with Ledger(None) as ledger:
        stopped(ledger, after)
        before = len(ran)
        resumed = list(run_trials(parse(TEXT), SEEDS, ledger=ledger, resume=True))
    assert len(ran) - before == CELLS - before
    assert written(resumed) == written(whole)
    paths = [{(t.label, t.seed): t.path.tobytes() for t in ended} for ended in (resumed, whole)]
    assert paths[0] == paths[1]


def test_without_resume_every_run_is_made_anew(ran: list[tuple[str, int]]) -> None:
    with Ledger(None) as ledger:
        stopped(ledger, CELLS)
        list(run_trials(parse(TEXT), SEEDS, ledger=ledger))
    assert len(ran) == 2 * CELLS


def test_a_new_label_costs_no_run_and_is_shown(ran: list[tuple[str, int]]) -> None:
    with Ledger(None) as ledger:
        stopped(ledger, CELLS)
        text = TEXT.replace('"held"', '"kept"')
        ended = list(run_trials(parse(text), SEEDS, ledger=ledger, resume=True))
    assert len(ran) == CELLS
    assert {one.label for one in ended} == {"kept", "free"}


@pytest.mark.parametrize(
    ("old", "new", "again"),
    [
        ("b = 6, ", "b = 5, ", CELLS),
        ("max_rounds = 12", "max_rounds = 11", CELLS),
        ("members = 6", "members = 5", CELLS),
        ("step = 0.5", "step = 0.25", 2),
        ('"mean"', '"median"', 2),
    ],
)
def test_what_was_changed_is_run_again(
    ran: list[tuple[str, int]], old: str, new: str, again: int
) -> None:
    with Ledger(None) as ledger:
        stopped(ledger, CELLS)
        list(run_trials(parse(TEXT.replace(old, new)), SEEDS, ledger=ledger, resume=True))
    assert len(ran) == CELLS + again


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """A configuration with a rule of its own."""
    (tmp_path / "own_rule.py").write_text("from saddleproof import Median as Base\n")
    with (tmp_path / "own_rule.py").open("a") as file:
        file.write("class Own(Base):\n    pass\n")
    path = tmp_path / "c.toml"
    path.write_text(TEXT.replace('"mean"', '"own_rule:Own"'))
    yield path
    sys.modules.pop("own_rule", None)


def test_a_rule_of_ones_own_whose_file_was_changed_is_run_again(
    own: Path, ran: list[tuple[str, int]]
) -> None:
    with Ledger(None) as ledger:
        list(run_trials(load(own), [0], ledger=ledger))
        list(run_trials(load(own), [0], ledger=ledger, resume=True))
        assert len(ran) == 2
        with own.with_name("own_rule.py").open("a") as file:
            file.write("# another one\n")
        list(run_trials(load(own), [0], ledger=ledger, resume=True))
    assert ran[2:] == [("held", 0)]


def test_failures_are_not_kept_and_are_tried_again(ran: list[tuple[str, int]]) -> None:
    text = TEXT.replace("b = 6, ", "b = 10, ")
    with Ledger(None) as ledger:
        for _ in range(2):
            ended = list(run_trials(parse(text), [0], ledger=ledger, resume=True))
            assert [type(one) for one in ended] == [Failure, Failure]
    assert ran == [("held", 0), ("free", 0)] * 2


def test_a_trial_comes_back_as_it_was_written(whole: list[Trial | Failure]) -> None:
    for trial in whole:
        assert dumps(loads(dumps(trial))) == dumps(trial)
        assert loads(dumps(trial)).trace == trial.trace


def test_a_ledger_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        stopped(ledger, 1)
        ledger._db.execute("UPDATE outcomes SET outcome = '\"AAAA\"'")
    with Ledger(path) as ledger, pytest.raises(StoreError, match="does not match its seal"):
        list(run_trials(parse(TEXT), SEEDS, ledger=ledger, resume=True))


def command(folder: Path, *more: str, seeds: int = 2) -> tuple[int, str]:
    """`saddleproof compare` without the report."""
    (folder / "c.toml").write_text(TEXT)
    out = ["--out", str(folder / "out"), "--jobs", "1", "--seeds", str(seeds)]
    result = CliRunner().invoke(main, ["compare", str(folder / "c.toml"), *out, *more])
    return result.exit_code, result.output


def test_ctrl_c_says_how_to_go_on_and_the_command_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: list[tuple[str, int]]
) -> None:
    monkeypatch.setattr(comparing, "_report", lambda *_: True)
    assert command(tmp_path)[0] == 0
    uninterrupted = (tmp_path / "out" / "trials.csv").read_bytes()
    (tmp_path / "out" / "ledger.sqlite").unlink()
    run, ran[:] = compare._trial, []

    def breaks(*given: object) -> Trial:
        if len(ran) == 2:
            raise KeyboardInterrupt
        return run(*given)

    with monkeypatch.context() as patch:
        patch.setattr(compare, "_trial", breaks)
        status, output = command(tmp_path)
    assert status == 130
    assert "interrupted after 2 of 4 runs" in output
    assert f"compare {tmp_path}/c.toml" in output
    assert output.rstrip().endswith("--resume")
    assert len((tmp_path / "out" / "trials.csv").read_text().splitlines()) == 3
    assert command(tmp_path, "--resume")[0] == 0
    assert len(ran) == CELLS
    assert (tmp_path / "out" / "trials.csv").read_bytes() == uninterrupted


def test_a_ledger_that_cannot_be_written_any_more_loses_no_run_that_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, added = Ledger.add, []

    def full(self: Ledger, *given: object) -> None:
        if len(added) == 3:
            raise StoreError("ledger: the disk is full")
        added.append(add(self, *given))

    monkeypatch.setattr(Ledger, "add", full)
    status, output = command(tmp_path)
    assert status == 1
    assert "Error: ledger: the disk is full" in output
    assert "0 of 2" in output
    assert len((tmp_path / "out" / "trials.csv").read_text().splitlines()) == 1 + 3
