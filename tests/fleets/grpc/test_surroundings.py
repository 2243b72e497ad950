"""Where a fleet lives: in a notebook, whose loop runs; beside a disk that can be full."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys

import numpy as np
import pytest

from saddleproof.fleets.grpc import keys
from saddleproof.fleets.grpc.fleet import GrpcFleet


def test_a_fleet_is_made_asked_and_closed_inside_a_loop_that_runs(folder, caplog):
    async def cell():
        fleet = GrpcFleet(["worker-0"], folder)
        fleet.gather(0.0)
        status = fleet.round(np.zeros((1, 4)), round_id=0, timeout=0.1).status
        fleet.close()
        return status, fleet._loop.is_closed(), fleet._thread.thread.is_alive()

    assert asyncio.run(cell()) == (("dead",), True, False)
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


SERVER = """
import socket, sys
from saddleproof.fleets.grpc.fleet import GrpcFleet
fleet = GrpcFleet(["worker-0"], sys.argv[1])
host, _, port = fleet.address.rpartition(":")
for _ in range(int(sys.argv[2])):
    with socket.create_connection((host, int(port))) as peer:
        peer.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        peer.recv(100)
fleet.close()
"""


def test_handshakes_that_fail_write_nothing_to_stderr(folder):
    """gRPC's core would write a line for each."""
    told = [
        subprocess.run(
            [sys.executable, "-c", SERVER, str(folder), "30"],
            env={k: v for k, v in os.environ.items() if k != "GRPC_VERBOSITY"} | extra,
            capture_output=True, text=True, timeout=120, check=True,
        ).stderr
        for extra in ({}, {"GRPC_VERBOSITY": "INFO"})
    ]  # fmt: skip
    assert told[0] == ""
    assert told[1].count("\n") >= 30  # who wants the lines has them


def test_a_worker_that_comes_and_goes_without_end_fills_no_log(folder, peer, until, caplog):
    caplog.set_level(logging.INFO, logger="saddleproof")
    with contextlib.closing(GrpcFleet(["worker-0"], folder)) as fleet:
        for i in range(40):
            one = peer(fleet, "worker-0")
            until(lambda i=i: fleet.counters()["worker-0"]["connected"] == i + 1)
            one.close()
            until(lambda: "worker-0" not in fleet._desk.lines)
    told = [r for r in caplog.records if getattr(r, "saddle_worker", "") == "worker-0"]
    assert {r.saddle_event for r in told} == {"connected"}
    assert [r.saddle_times for r in told] == [1, 2, 4, 8, 16, 32]


def test_workers_hear_that_a_server_stops_whose_run_may_go_on(folder, worker, until, caplog):
    caplog.set_level(logging.INFO, logger="saddleproof")
    fleet = GrpcFleet(["worker-0"], folder)
    client = worker(fleet, keys.load(folder, "worker-0"))
    assert fleet.gather(60) == ()
    fleet.close(done=False)
    until(lambda: "the server stops; the run may go on later" in caplog.text)
    assert client.thread.is_alive()


def test_a_fleet_that_cannot_be_made_gives_its_port_back(folder, monkeypatch):
    from saddleproof.fleets.grpc import fleet as module

    with contextlib.closing(GrpcFleet(["worker-0"], folder)) as first:
        address = first.address

    def broken(**_):
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(module, "told", broken)  # after the port was taken
        with pytest.raises(ZeroDivisionError):
            GrpcFleet(["worker-0"], folder, listen=address)
    GrpcFleet(["worker-0"], folder, listen=address).close()
