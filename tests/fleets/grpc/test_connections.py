"""Connections that cost descriptors: how many there may be, and for how long."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import grpc
import numpy as np
import pytest

from saddleproof.errors import FleetError
from saddleproof.fleets.grpc import keys, transport
from saddleproof.fleets.grpc.client import Client, honest
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.worker import workers_of
from saddleproof.testing import QuarticSaddle

resource = pytest.importorskip("resource")
POINTS = np.zeros((1, 4))

SERVER = """
import os, resource, sys, tempfile
import numpy as np
from saddleproof.fleets.grpc import transport
from saddleproof.fleets.grpc.fleet import GrpcFleet

resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
transport._HANDSHAKE, transport._IDLE = 2.0, 1.0
fleet = GrpcFleet(["worker-0"], sys.argv[1], keepalive=60.0)
print(fleet.address, flush=True)
for number, line in enumerate(sys.stdin):
    fleet.gather(60.0)
    status = fleet.round(np.zeros((1, 4)), round_id=number).status[0]
    try:
        with contextlib.ExitStack() as files:
            for _ in range(16):  # a save: the store, its log, a draft, a folder
                files.enter_context(tempfile.TemporaryFile())
        saved = "saved"
    except OSError as error:
        saved = error.strerror
    print(status, saved, len(os.listdir("/proc/self/fd")), flush=True)
fleet.close(done=False)
"""


@pytest.fixture
def served(folder):
    """served(): a round of a server that may open 160 files, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import contextlib\n" + SERVER, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def ask() -> tuple[str, ...]:
        process.stdin.write("round\n")
        process.stdin.flush()
        return tuple(process.stdout.readline().split())

    ask.address = process.stdout.readline().strip()
    with process:
        yield ask
        process.stdin.close()


def plain(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)))


@pytest.mark.slow
def test_400_bare_connections_end_no_round_and_no_save_and_keep_nobody_out_for_long(
    served, folder, start_at
):
    stop = start_at(served.address)
    assert served()[:2] == ("ok", "saved")
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(plain(served.address))
        for _ in range(3):
            status, saved, files = served()
            assert (status, saved) == ("ok", "saved")
            assert 100 < int(files) <= 160 - 32
        stop()
        for _ in range(20):  # its place is taken
            stack.enter_context(plain(served.address))
        start_at(served.address)  # dials in until the handshakes of the flood have timed out
        assert served()[:2] == ("ok", "saved")


@pytest.mark.slow
def test_a_certificate_holds_no_number_of_connections_without_a_stream(
    served, folder, start_at, until
):
    start_at(served.address)
    assert served()[0] == "ok"
    mine = keys.load(folder, "worker-1")
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(transport.channel(served.address, mine)) for _ in range(100)]
        left = []
        for channel in held:
            channel.subscribe(left.append, try_to_connect=True)
        until(lambda: left.count(grpc.ChannelConnectivity.READY) > 20)
        assert served()[:2] == ("ok", "saved")
        until(lambda: int(served()[2]) < 60)  # idle connections are closed
    assert served()[:2] == ("ok", "saved")


def test_a_stream_outlives_the_age_of_its_connection(folder, monkeypatch, start, answers, until):
    monkeypatch.setattr(transport, "_AGE", 0.2)
    with contextlib.closing(GrpcFleet(["worker-0"], folder)) as fleet:
        start(fleet, "worker-0", answers[0])
        assert fleet.gather(60) == ()
        seen = []
        until(lambda: seen.append(fleet.round(POINTS, round_id=0).status) or len(seen) == 300)
        assert set(seen) == {("ok",)}
        assert fleet.counters()["worker-0"]["connected"] == 1


def test_a_limit_too_low_for_the_roster_is_refused_with_the_cure(folder, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    with pytest.raises(FleetError, match=r"may open 100 files.*20 workers needs 36.*ulimit -n"):
        GrpcFleet([f"worker-{i}" for i in range(20)], folder)


def test_there_are_as_many_connections_as_descriptors_allow_and_some_are_kept_back(monkeypatch):
    monkeypatch.setattr(transport, "_descriptors", lambda: 30)
    for soft, most in ((resource.RLIM_INFINITY, 320), (20_000, 320), (200, 106)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert transport.most_connections(20) == most


@pytest.fixture
def start_at(folder):
    """start_at(address): worker-0 dials in there, in a thread."""
    running = []

    def begin(address: str) -> Callable[[], None]:
        answer = honest(workers_of(QuarticSaddle(m=5))[0])
        client = Client(answer, address, keys.load(folder, "worker-0"), pause=0.5)
        thread = threading.Thread(target=client.run)
        thread.start()
        running.append(lambda: (client.stop(), thread.join(30)))
        return running[-1]

    yield begin
    for stop in running:
        stop()
