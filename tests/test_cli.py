from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from saddleproof import __version__
from saddleproof.cli import main

CONFIG = """
problem = "example2"
attack = { name = "saddle", members = 6 }
run = { b = 6, seed = 0, max_rounds = 60 }

[[compare]]
label = "held"
optimizer = { name = "gradient_descent", step = 0.5 }
aggregator = "mean"

[[compare]]
label = "free"
"""


#: What a comparison leaves in its folder.
WRITTEN = {"pairs.csv", "report.html", "report.png", "trials.csv"}


@pytest.fixture
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path


def invoke(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == status, result.output
    return result.output


def living(group: int) -> list[str]:
    """States of the group's processes, zombies left out; always empty where there is no /proc."""
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group, *_ = stat.read_text().rpartition(")")[2].split()
            if int(its_group) == group and state != "Z":
                states.append(state)
    return states


def test_help_loads_nothing_heavy():
    code = "import sys, saddleproof.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"numpy", "scipy", "matplotlib", "rich", "sklearn", "torch", "tomllib", "sqlite3"}
    assert not heavy & set(loaded.stdout.split())


def test_version_is_the_packages():
    assert __version__ in invoke("--version")


@pytest.mark.parametrize(
    ("family", "member", "line"),
    [
        ("problems", "pca_digits", "PCA of 1797 real images"),
        ("attacks", "saddle", "hold the server at a saddle"),
        ("aggregators", "median", "Coordinate-wise median"),
        ("optimizers", "certified_pgd", "curvature (float | None; default none): eps_H"),
        ("schedules", "theorem3", "Theorem 3"),
    ],
)
def test_list_has_a_line_on_every_member(family: str, member: str, line: str):
    output = invoke("list", family)
    assert member in output
    assert line in output


def test_list_alone_names_every_family():
    output = invoke("list")
    assert all(name in output for name in ("aggregators", "pca_digits", "trimmed_mean", "theorem3"))


def test_doctor_finds_this_installation_in_order_and_leaves_nothing_behind(inside):
    output = invoke("doctor")
    assert "BAD" not in output
    assert "left the saddle" in output
    assert [path.name for path in inside.iterdir()] == ["c.toml"]


def test_doctor_says_when_the_store_cannot_be_written(inside):
    (inside / "taken").write_text("a file where the folder should be")
    assert "BAD  run store" in invoke("doctor", "--out", "taken", status=1)


def test_run_prints_the_result_with_its_certificate_and_where_it_is_kept(inside):
    output = invoke("run", "c.toml")
    assert "certificate:" in output
    assert "run 1 in saddleproof-runs" in output
    assert (inside / "saddleproof-runs" / "runs.sqlite").exists()


@pytest.mark.parametrize("command", ["run", "serve"])
def test_resume_begins_a_run_and_one_that_has_ended_is_told_and_not_led_again(inside, command):
    first = invoke("run", "c.toml", "--resume")
    assert "run 1 in saddleproof-runs" in first
    again = invoke(command, "c.toml", "--resume")  # a server would listen, and wait for workers
    assert "run 1 in saddleproof-runs/runs.sqlite has ended" in again
    status = re.search(r"status: (\w+)", again)[1]
    assert status in first
    assert again == invoke(command, "c.toml", "--resume")
    assert "run 2 in saddleproof-runs" in invoke("run", "c.toml")


def test_a_mistake_in_the_configuration_is_one_line(inside):
    (inside / "c.toml").write_text(CONFIG.replace("example2", "exampel2"))
    output = invoke("run", "c.toml", status=1)
    assert output.startswith("Error: c.toml, line 2: [problem] name: no problem is called")
    assert "example2" in output


def test_compare_prints_shares_and_writes_the_report(inside):
    output = invoke("compare", "c.toml", "--seeds", "2", "--jobs", "1")
    assert "0 of 2" in output
    assert "2 of 2" in output
    report = inside / "saddleproof-compare"
    assert {path.name for path in report.iterdir()} == WRITTEN | {"ledger.sqlite"}
    lines = (report / "trials.csv").read_text().splitlines()
    assert lines[0].startswith("world,label,problem,attack,optimizer,aggregator,seed,status,rounds")
    assert len(lines) == 1 + 2 * 2


@pytest.mark.slow
def test_ctrl_c_in_a_comparison_shows_what_is_done_and_leaves_no_process(inside):
    command = [sys.executable, "-m", "saddleproof", "compare", "c.toml", "--seeds", "100"]
    with subprocess.Popen(
        [*command, "--jobs", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        line = process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "runs: 20 of 200" in line
    assert "interrupted after" in output
    assert "Traceback" not in errors
    for _ in range(100):  # multiprocessing's own helper ends when it sees that its parent did
        if not living(process.pid):
            break
        time.sleep(0.1)
    assert not living(process.pid)


def test_ctrl_c_after_the_runs_is_no_error_either(inside):
    """While the report is drawn: the table is there, and so is every run."""
    command = [sys.executable, "-m", "saddleproof", "compare", "c.toml", "--seeds", "1"]
    with subprocess.Popen(
        [*command, "--jobs", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        for line in process.stdout:
            if line.startswith("every run:"):
                break
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted after 2 of 2 runs" in output
    assert "Traceback" not in errors
    assert (inside / "saddleproof-compare" / "trials.csv").exists()


@pytest.mark.slow
def test_the_demo_shows_what_it_says(inside):
    output = invoke("demo", "--seeds", "2", "--jobs", "2")
    assert "2 of 2" in output
    assert "Theorem 3 promises nothing" in output
    assert "certificate:" in output
    written = {path.name for path in (inside / "saddleproof-demo").iterdir()}
    assert written == WRITTEN | {"demo.toml"}
