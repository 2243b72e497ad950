"""Where a fleet lives: in a notebook, whose loop runs; beside a disk that can be full."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys

import numpy as np

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
