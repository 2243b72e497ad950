"""Processes that are killed, stopped and told to leave: real ones, over loopback with TLS."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc.fleet import GrpcFleet

M = 5
NAMES = tuple(f"worker-{i}" for i in range(M))
POINTS = np.arange(32.0).reshape(4, 8)
CONFIG = f"""
problem = {{ name = "tensor", workers = {M} }}
attack = {{ name = "saddle", members = 1 }}
run = {{ b = 1, seed = 0, max_rounds = 60 }}
"""
#: All that is of the run; what the transport turned away is of its processes.
ROUNDS = (
    "SELECT run, round, queries, gradient_norm, inexactness, charged, absent, strangers, left_out "
    "FROM rounds ORDER BY run, round"
)


def saddleproof(*arguments) -> list[str]:
    return [sys.executable, "-m", "saddleproof", *map(str, arguments)]


def query(out, sql: str) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(out / "runs.sqlite", timeout=60)) as db:
        return db.execute(sql).fetchall()


def committed(out) -> int:
    try:
        return query(out, "SELECT count(*) FROM rounds")[0][0]
    except sqlite3.OperationalError:
        return 0


def arrays(state: bytes) -> dict[str, bytes]:
    """What a snapshot keeps, but for the problem's fingerprint: a server does not have the data."""
    with np.load(io.BytesIO(state)) as kept:
        found = {name: kept[name].tobytes() for name in kept}
    tree = json.loads(found["tree"])
    known = tree["state"]["fields"]["fingerprint"]["dict"]
    for name in [name for name in known if name.startswith("problem")]:
        del known[name]
    return found | {"tree": json.dumps(tree).encode()}


def ended(out) -> list[list[tuple]]:
    return [
        query(out, ROUNDS),
        [(r, arrays(state)) for r, state in query(out, "SELECT round, state FROM snapshots")],
        query(out, "SELECT status, message, certificate FROM runs"),
        query(out, "PRAGMA integrity_check"),
    ]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def processes():
    """Started here, dead in the end."""
    started: list[subprocess.Popen] = []

    def start(command) -> subprocess.Popen:
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def port():
    """Free, and below those that dialling out takes: it stays free while no server runs."""
    for number in range(20_000 + os.getpid() % 10_000, 32_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", number)):
            return number
    return pytest.fail("no port is free")


@pytest.mark.slow
def test_one_command_runs_liars_and_all_in_processes_and_ends_as_the_local_run(config, tmp_path):
    far, near = tmp_path / "far", tmp_path / "near"
    serve = saddleproof("serve", config, "--local-workers", "--out", far, "--grace", 60)
    told = subprocess.run(serve, check=True, capture_output=True, text=True)
    subprocess.run(saddleproof("run", config, "--out", near), check=True, capture_output=True)
    assert "status: second_order" in told.stdout
    assert "PRIVATE" not in told.stdout + told.stderr
    assert ended(far) == ended(near)


def living(group: int) -> list[str]:
    """The group's processes, those left out that are dead and not yet buried."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pgid=,stat=,args="], check=True, capture_output=True, text=True
    )
    lines = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    return [args for its, state, *args in lines if int(its) == group and state[0] != "Z"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_is_stopped_leaves_no_process_and_if_it_may_no_key_behind(
    config, tmp_path, until, how
):
    serve = saddleproof("serve", config, "--local-workers", "--out", tmp_path / "out")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    server = subprocess.Popen(
        serve, stdout=subprocess.PIPE, env=os.environ | {"TMPDIR": str(temporary)},
        start_new_session=True,
    )  # fmt: skip
    with server:
        try:
            assert b"waiting" in server.stdout.readline()  # the workers are started
            server.send_signal(how)
            assert server.wait(60) != 0
            until(lambda: living(server.pid) == [], 180)  # who is still importing ends after that
            if how == signal.SIGTERM:
                assert list(temporary.glob("saddleproof-keys-*")) == []
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_server_that_is_killed_again_and_again_ends_in_the_same_bytes(
    config, folder, tmp_path, port, processes
):
    near, far, address = tmp_path / "near", tmp_path / "far", f"127.0.0.1:{port}"
    subprocess.run(saddleproof("run", config, "--out", near), check=True, capture_output=True)
    for name in NAMES:
        liar = ["--attack"] if name == "worker-0" else []
        processes(saddleproof("worker", config, "--server", address, "--keys", folder,
                              "--name", name, *liar))  # fmt: skip
    serve = saddleproof("serve", config, "--listen", address, "--keys", folder, "--resume",
                        "--out", far, "--grace", 60)  # fmt: skip
    for at in sorted(random.Random(0).sample(range(1, committed(near) - 5), k=3)):
        server = processes(serve)
        while server.poll() is None and committed(far) < at:
            time.sleep(0.001)
        server.kill()
        assert server.wait() == -signal.SIGKILL
        assert at <= committed(far) < committed(near)
        assert query(far, "SELECT round FROM snapshots") == [(committed(far),)]
        assert ended(far)[0] == ended(near)[0][: committed(far)]
    subprocess.run(serve, check=True, capture_output=True)
    assert ended(far) == ended(near)


@pytest.fixture
def four(config, folder, start, answers, processes):
    """A fleet of four workers in threads and one in a process of its own."""
    from saddleproof.cli.worker import from_config

    deadline = Deadline(grace=0.3, slack=0.0, limit=60.0)
    with contextlib.closing(GrpcFleet(NAMES, folder, deadline=deadline, keepalive=1.0)) as fleet:
        fleet.announce(Announcement(sp.Median().estimates, 1))
        for i, name in enumerate(NAMES[1:], start=1):
            start(fleet, name, from_config(config, i, attack=False))
        command = saddleproof("worker", config, "--server", fleet.address, "--keys", folder,
                              "--name", "worker-0")  # fmt: skip
        fleet.fifth = processes(command)
        fleet.again = lambda: processes(command)
        assert fleet.gather(120) == ()
        yield fleet


def round_until(fleet, status: str, seconds: float = 60.0) -> None:
    """Ask until worker-0 has this status; rounds go on all the while."""
    end = time.monotonic() + seconds
    while True:
        messages = fleet.round(POINTS, round_id=0)
        assert messages.status.count("ok") >= 3
        if messages.status[0] == status:
            return
        assert time.monotonic() < end, f"never {status}: {messages.status[0]}"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_worker_killed_or_stopped_is_gone_until_it_is_back(four):
    round_until(four, "ok")
    four.fifth.send_signal(signal.SIGSTOP)
    round_until(four, "late")
    round_until(four, "dead")  # the keepalive noticed
    four.fifth.send_signal(signal.SIGCONT)
    four.deadline = Deadline(grace=5.0)
    round_until(four, "ok")
    four.fifth.kill()
    round_until(four, "dead")
    four.again()
    round_until(four, "ok")


@pytest.mark.slow
def test_a_worker_that_is_told_to_stop_leaves_in_order(four):
    four.fifth.terminate()
    assert four.fifth.wait(30) == 0
    back = four.again()
    four.deadline = Deadline(grace=5.0)
    round_until(four, "ok")
    four.close()
    assert back.wait(30) == 0  # and so does one that hears that the run is done
