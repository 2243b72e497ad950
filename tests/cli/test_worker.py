"""`saddleproof worker`: what its process exits with, and how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from saddleproof.cli import main

NAMES = ("worker-0", "worker-1")


@pytest.fixture
def fleet(project: Path) -> Iterator[Any]:
    from saddleproof.fleets.grpc.fleet import GrpcFleet

    with contextlib.closing(GrpcFleet(NAMES, project)) as made:
        yield made


def worker(fleet: Any, project: Path, *options: str, name: str = "worker-0") -> Any:
    told = ["--server", fleet.address, "--keys", str(project), "--name", name]
    return CliRunner().invoke(main, ["worker", "run.toml", "--index", "0", *told, *options])


def after(seconds: float, do: Any) -> Any:
    import threading

    timer = threading.Timer(seconds, do)
    timer.start()
    return timer


def test_one_whose_run_is_done_exits_with_0(fleet, project, inside, monkeypatch):
    from saddleproof.fleets.grpc.client import Client

    session = Client._session

    def and_then(self: Any, channel: Any) -> bool:
        after(0.3, fleet.close)
        return session(self, channel)

    monkeypatch.setattr(Client, "_session", and_then)
    assert worker(fleet, project).exit_code == 0


def test_sigterm_is_exit_code_0_for_a_worker(fleet, project, inside):
    def leave() -> None:
        while not fleet.counters()["worker-0"]["connected"]:
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    timer = after(0.0, leave)
    told = worker(fleet, project)
    timer.join()
    assert (told.exit_code, told.stdout) == (0, "")


@pytest.mark.parametrize("reason", ["not on the roster", "proved bad"])
def test_one_that_the_server_refuses_for_good_exits_with_3(fleet, project, inside, reason, until):
    if reason == "proved bad":
        fleet.exclude({"worker-0": "NaN or Inf"})
        until(lambda: "worker-0" in fleet.unseated())
    name = "eve" if "roster" in reason else "worker-0"
    told = worker(fleet, project, name=name)
    assert told.exit_code == 3
    assert f"refuses this worker: {reason}" in told.output


def test_what_a_server_says_cannot_act_on_the_worker_s_terminal(
    fleet, project, inside, monkeypatch
):
    from saddleproof.errors import FleetError
    from saddleproof.fleets.grpc.client import Client

    def refused(self: Any) -> str:
        raise FleetError("refused: \x1b[2Jgone\nError: forged")

    monkeypatch.setattr(Client, "run", refused)
    told = worker(fleet, project)
    assert told.exit_code == 3
    assert told.output.splitlines() == ["Error: refused: \\x1b[2Jgone\\nError: forged"]


@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        (["--keys", "nowhere"], "cannot read nowhere", 1),
        (["--index", "7"], "there is no number 7", 1),
        (["--load", "nothing:at_all"], "give either CONFIG or --load", 2),
        (["--log-level", "loud"], "Invalid value", 2),
    ],
)
def test_what_is_wrong_before_it_dials_in_is_1_and_a_wrong_option_2(
    fleet, project, inside, options, said, code
):
    told = worker(fleet, project, *options)
    assert (told.exit_code, said in told.output) == (code, True), told.output


HELD = """
import os, signal, sys, threading, time
from saddleproof.cli.signals import stopping

with stopping():
    try:
        print("ready", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        print("saving", flush=True)
        while True:  # a save that takes for ever
            time.sleep(0.01)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("pair", [("SIGTERM", "SIGTERM"), ("SIGINT", "SIGTERM")], ids=str)
def test_a_second_signal_ends_a_process_at_once_with_the_shell_s_code(pair):
    with subprocess.Popen([sys.executable, "-c", HELD], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(getattr(signal, pair[0]))
        assert process.stdout.readline() == b"saving\n"
        process.send_signal(getattr(signal, pair[1]))
        assert process.wait(30) == -signal.SIGTERM


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_the_first_process_of_a_container_also_ends_at_the_second_signal():
    """There the kernel ignores a signal that nobody handles."""
    first = f"import os\nos.getpid = lambda: 1\n{HELD}"
    with subprocess.Popen([sys.executable, "-c", first], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == b"saving\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM


def test_handlers_are_those_of_before_in_the_end():
    from saddleproof.cli.signals import stopping

    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with stopping() as stop:
        assert not stop.wanted
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert stop.wanted
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.fixture
def until() -> Any:
    import time

    def wait(condition: Any) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.005)

    return wait
