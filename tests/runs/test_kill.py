"""Runs that are really killed, in processes of their own."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

CONFIG = """
[problem]
name = "linear_autoencoder"  # some forty rounds, and every kind of question

[attack]
name = "saddle"
members = 6

[run]
b = 6
seed = 0
max_rounds = 60
"""


def command(config: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "saddleproof", "run", str(config), "--out", str(out), *more]


def query(out: Path, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(out / "runs.sqlite", timeout=30)) as db:
        return db.execute(sql).fetchall()


def rounds(out: Path) -> int:
    try:
        return query(out, "SELECT count(*) FROM rounds")[0][0]
    except sqlite3.OperationalError:  # the file or its tables are not there yet
        return 0


def start_and_stop(command: list[str], out: Path, at: int, how: signal.Signals) -> int:
    """Send a signal once `at` rounds are committed; returns the exit status."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and rounds(out) < at:
            time.sleep(0.002)
        process.send_signal(how)
        return process.wait(timeout=60)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "run.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def untouched(config, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("untouched")
    subprocess.run(command(config, out), check=True, capture_output=True)
    return out


def kill_and_resume(config: Path, out: Path, untouched: Path, kills: list[int]) -> None:
    for nth, at in enumerate(kills):
        resume = ["--resume"] if nth else []
        status = start_and_stop(command(config, out, *resume), out, at, signal.SIGKILL)
        assert status == -signal.SIGKILL
        assert at <= rounds(out) < rounds(untouched)
        assert query(out, "PRAGMA integrity_check") == [("ok",)]
        # What was committed is whole: the snapshot stands right after the last round.
        assert query(out, "SELECT round FROM snapshots") == [(rounds(out),)]
    subprocess.run(command(config, out, "--resume"), check=True, capture_output=True)
    for sql in (
        "SELECT * FROM rounds ORDER BY round",
        "SELECT round, state FROM snapshots",
        "SELECT status, message, certificate FROM runs",
        "PRAGMA integrity_check",
    ):
        assert query(out, sql) == query(untouched, sql)


@pytest.mark.slow
def test_a_run_that_is_killed_twice_ends_in_the_same_bytes(config, untouched, tmp_path):
    kill_and_resume(config, tmp_path, untouched, [2, 15])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_wherever_it_is_killed_it_ends_in_the_same_bytes(config, untouched, tmp_path, seed):
    generator = random.Random(seed)
    last = rounds(untouched) - 8
    kill_and_resume(config, tmp_path, untouched, sorted(generator.sample(range(1, last), k=3)))


def test_ctrl_c_leaves_a_run_that_goes_on_to_the_same_bytes(config, untouched, tmp_path):
    status = start_and_stop(command(config, tmp_path), tmp_path, 4, signal.SIGINT)
    assert status == 130
    assert query(tmp_path, "SELECT status, ended FROM runs") == [("interrupted", None)]
    subprocess.run(command(config, tmp_path, "--resume"), check=True, capture_output=True)
    last = "SELECT round, state FROM snapshots"
    assert query(tmp_path, last) == query(untouched, last)
