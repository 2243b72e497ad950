"""The table of contents of the benchmarks, and what `make bench` runs again."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def bench() -> SimpleNamespace:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        names = ("contents", "runs", "ledger")
        return SimpleNamespace(**{name: importlib.import_module(name) for name in names})


@pytest.fixture
def kept(bench, tmp_path, monkeypatch) -> SimpleNamespace:
    """A tree with one benchmark that imports a helper, and the folder of what was done."""
    folder, package = tmp_path / "benchmarks", tmp_path / "src" / "saddleproof"
    (folder / "speed").mkdir(parents=True)
    package.mkdir(parents=True)
    files = {
        "own": folder / "speed" / "one.py",
        "helper": folder / "helper.py",
        "version": package / "__init__.py",
        "package": package / "loop.py",
    }
    files["own"].write_text("from helper import x\n")
    files["helper"].write_text("x = 1\n")
    files["version"].write_text('__version__ = "1.0"\n')
    files["package"].write_text("y = 1\n")
    for module in (bench.contents, bench.runs):
        monkeypatch.setattr(module, "BENCHMARKS", folder)
    monkeypatch.setattr(bench.runs, "ROOT", tmp_path)
    monkeypatch.setattr(bench.runs, "PACKAGE", package)
    one = bench.contents.Benchmark("one", "speed", "seconds", ledger=True)
    place = tmp_path / "kept"
    place.mkdir()
    return SimpleNamespace(one=one, files=files, again=lambda: bench.runs.Kept(place))


def test_every_benchmark_is_in_the_table_of_contents(bench):
    def has_main(path: Path) -> bool:
        body = ast.parse(path.read_bytes()).body
        return any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in body)

    found = {path for path in BENCHMARKS.glob("*/*.py") if has_main(path)}
    assert {one.path for one in bench.contents.CONTENTS.values()} == found


def test_every_benchmark_says_what_it_asks_and_how_long_it_takes(bench):
    for one in bench.contents.CONTENTS.values():
        assert bench.contents.summary(one)
        assert one.takes in bench.contents.LENGTHS
        assert f"python benchmarks {one.name}" in one.path.read_text()
        assert ("--ledger" in one.path.read_text()) == one.ledger


def test_what_ended_well_is_not_run_again(kept):
    assert not kept.again().is_done(kept.one)
    kept.again().add(kept.one, 3.0)
    assert kept.again().is_done(kept.one)
    assert kept.again().standing(kept.one) == "done in 3 s"


@pytest.mark.parametrize("what", ["own", "helper", "version"])
def test_a_benchmark_whose_source_or_version_changed_is_run_again(kept, what):
    kept.again().add(kept.one, 3.0)
    kept.files[what].write_text(kept.files[what].read_text().replace("1", "2") + "# changed\n")
    assert not kept.again().is_done(kept.one)


def test_a_change_of_the_package_is_named_and_begins_a_new_ledger(kept):
    kept.again().add(kept.one, 3.0)
    before = kept.again().ledger(kept.one)
    kept.files["package"].write_text("y = 2\n")
    assert kept.again().is_done(kept.one)
    assert "the package's source has changed" in kept.again().standing(kept.one)
    assert kept.again().ledger(kept.one) != before


def test_a_benchmark_that_fails_or_lacks_its_device_is_not_done(bench, kept, monkeypatch):
    codes = iter([1, bench.contents.SKIPPED, 0])
    monkeypatch.setattr(bench.runs, "printed", lambda *_: next(codes))
    assert bench.runs.run([kept.one], kept.again()) == 1
    assert not kept.again().is_done(kept.one)
    assert bench.runs.run([kept.one], kept.again()) == 0
    assert not kept.again().is_done(kept.one)
    assert bench.runs.run([kept.one], kept.again()) == 0
    assert kept.again().is_done(kept.one)


def test_what_is_stopped_is_not_done_and_what_ended_before_stays_done(bench, kept, monkeypatch):
    def stopped(benchmark, _):
        if benchmark is kept.one:
            return 0
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.runs, "printed", stopped)
    other = bench.contents.Benchmark("helper", "", "hours")
    assert bench.runs.run([kept.one, other], kept.again()) == 130
    assert kept.again().is_done(kept.one)
    assert not kept.again().is_done(other)


@pytest.mark.parametrize("arguments", [["nothing"], ["run", "nothing"]])
def test_an_unknown_benchmark_is_named(arguments):
    command = [sys.executable, str(BENCHMARKS), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "nothing" in ran.stderr
