"""`saddleproof benchmark`: files, exit codes, and a run that goes on."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

import saddleproof as sp
from saddleproof.benchmark import running
from saddleproof.cli import main

MINE = """
import numpy as np

def clouds():
    rng = np.random.default_rng(7)
    labels = np.arange(60) % 2
    return rng.normal(size=(60, 2)) + 3 * labels[:, None], labels

def halves(labels, workers, seed):
    return np.array_split(np.random.default_rng(seed).permutation(len(labels)), workers)

def net(shape, classes, *, bias: bool = True):
    from torch import nn
    return nn.Linear(shape[0], classes, bias=bias)
"""
TEXT = """
[benchmark]
data = "mine_of_test:clouds"
models = { name = "mine_of_test:net", bias = false, label = "net" }
splits = "mine_of_test:halves"
rules = ["mean", "median"]
attacks = ["none", "sign_flip"]
liars = 1
workers = 5
seeds = 2

[training]
rounds = 2
"""


@pytest.fixture
def config(tmp_path: Path):
    (tmp_path / "mine_of_test.py").write_text(MINE)
    path = tmp_path / "b.toml"
    path.write_text(TEXT)
    yield path
    sys.modules.pop("mine_of_test", None)


def called(config: Path, *more: str):
    out = ["--out", str(config.parent / "out"), "--jobs", "1"]
    return CliRunner().invoke(main, ["benchmark", str(config), *out, *more])


@pytest.mark.slow
def test_the_command_writes_what_it_shows_and_what_it_takes_to_cite_it(config):
    result = called(config, "--format", "svg")
    assert result.exit_code == 0, result.output
    out = config.parent / "out"
    names = {"runs.csv", "cells.csv", "pairs.csv", "curves.csv", "tables.tex", "cite.txt",
             "benchmark.toml", "ledger.sqlite", "accuracy.svg", "curves.svg"}  # fmt: skip
    assert {file.name for file in out.iterdir()} == names
    assert "mine_of_test:clouds, net, mine_of_test:halves, b=1" in result.output
    assert len((out / "runs.csv").read_text().splitlines()) == 1 + 8
    assert (out / "benchmark.toml").read_text() == config.read_text()
    assert f"command: {sys.executable}" in (out / "cite.txt").read_text()


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_finished_and_resume_ends_with_the_same_bytes(config, monkeypatch):
    whole = called(config)
    bytes_of = {
        name: (config.parent / "out" / name).read_bytes() for name in ("runs.csv", "tables.tex")
    }
    run, made = running.outcome, []

    def stopping(*given):
        made.append(given)
        if len(made) == 4:
            raise KeyboardInterrupt
        return run(*given)

    monkeypatch.setattr(running, "outcome", stopping)
    stopped = called(config)
    assert stopped.exit_code == 130
    assert "interrupted after 3 of 8 runs" in stopped.output
    assert "not run" in stopped.output
    assert "--resume" in stopped.output
    monkeypatch.setattr(running, "outcome", run)
    resumed = called(config, "--resume")
    assert resumed.exit_code == whole.exit_code == 0
    for name, data in bytes_of.items():
        assert (config.parent / "out" / name).read_bytes() == data


def test_a_failed_run_is_shown_and_the_command_exits_with_one(config, monkeypatch):
    run = running.outcome

    def failing(plan, cell, seed):
        if cell.labels["rule"] == "median" and seed == 1:
            raise ZeroDivisionError("no way")
        return run(plan, cell, seed)

    monkeypatch.setattr(running, "outcome", failing)
    result = called(config)
    assert result.exit_code == 1
    assert "1 failed" in result.output
    assert "no way" in result.output
    assert (config.parent / "out" / "tables.tex").exists()


def test_seeds_of_the_command_stand_in_the_place_of_the_file_s(config):
    assert called(config, "--seeds", "1").exit_code == 0
    assert len((config.parent / "out" / "runs.csv").read_text().splitlines()) == 1 + 4


def test_without_pytorch_the_command_says_in_one_line_what_to_install(config, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("saddleproof.benchmark.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("run", "plan"):
        monkeypatch.delitem(vars(sp.benchmark), name, raising=False)
    importing = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return importing(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    result = called(config)
    assert result.exit_code == 1
    assert result.output == (
        "Error: torch is not installed; it comes with the extra 'torch': "
        "pip install 'saddleproof[torch]'\n"
    )


def test_a_mistake_in_the_file_is_one_line(config):
    config.write_text(config.read_text().replace('"median"', '"medain"'))
    result = called(config)
    assert result.exit_code == 1
    assert "line 6: [benchmark] rules.1.name: no aggregator is called 'medain'" in result.output
    assert result.output.count("\n") == 1


def test_python_runs_the_same_file_and_keeps_it_in_the_same_ledger(config, monkeypatch):
    assert called(config).exit_code == 0
    seen = []
    found = sp.benchmark.run(
        config,
        ledger=config.parent / "out" / "ledger.sqlite",
        resume=True,
        callback=lambda name, good: seen.append((name, good)),
    )
    assert len(seen) == found.done == found.total == 8
    assert all(good for _, good in seen)
    monkeypatch.setattr(running, "outcome", None)  # all of it is in the ledger
    again = sp.benchmark.run(config, ledger=config.parent / "out" / "ledger.sqlite", resume=True)
    assert repr(again) == repr(found)
    written = again.write(config.parent / "again", formats=("png",))
    assert {file.name for file in written} >= {"runs.csv", "accuracy.png", "curves.png"}
    assert (config.parent / "again/runs.csv").read_bytes() == (
        config.parent / "out/runs.csv"
    ).read_bytes()


def test_resume_without_a_ledger_is_refused(config):
    with pytest.raises(sp.errors.OptionError, match="pass ledger="):
        sp.benchmark.run(config, resume=True)
