"""A wire that is cut and mended: a relay that swallows everything, as a broken network does."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time

import numpy as np

import saddleproof as sp
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc import keys
from saddleproof.fleets.grpc.client import Client
from saddleproof.fleets.grpc.fleet import GrpcFleet

M = 5
NAMES = tuple(f"worker-{i}" for i in range(M))


class Wire:
    """A TCP relay that can be cut: then it swallows everything, as a broken network does."""

    def __init__(self, address: str) -> None:
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self.cut = threading.Event()
        self.over = threading.Event()
        self.ear = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.ear.getsockname()[1]}"
        self.threads = [threading.Thread(target=self._listen)]
        self.threads[0].start()

    def _listen(self) -> None:
        while not self.over.is_set():
            if select.select([self.ear], [], [], 0.05)[0]:
                one, _ = self.ear.accept()
                other = socket.create_connection((self.host, self.port))
                self.threads.append(threading.Thread(target=self._relay, args=(one, other)))
                self.threads[-1].start()

    def _relay(self, one, other) -> None:
        with one, other:
            while not self.over.is_set():
                for ready in select.select([one, other], [], [], 0.05)[0]:
                    try:
                        data = ready.recv(1 << 16)
                        if not data:
                            return
                        if not self.cut.is_set():
                            (other if ready is one else one).sendall(data)
                    except OSError:
                        return

    def close(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.ear.close()


def test_a_worker_behind_a_cut_wire_is_heard_when_it_is_mended(folder, start, answers, bowl):
    points = np.arange(8.0).reshape(2, 4)
    deadline = Deadline(grace=0.2, slack=0.0, limit=60.0)
    with contextlib.closing(GrpcFleet(NAMES, folder, deadline=deadline, keepalive=1.0)) as fleet:
        fleet.announce(Announcement(sp.Median().estimates, 1))
        for name, answer in zip(NAMES[1:], answers[1:], strict=True):
            start(fleet, name, answer)
        with contextlib.closing(Wire(fleet.address)) as wire:
            lone = Client(
                answers[0], wire.address, keys.load(folder, "worker-0"), keepalive=0.5, pause=0.2
            )
            thread = threading.Thread(target=lone.run)
            thread.start()
            fleet.gather(60)
            seen = []
            for cut in (False, True, False):
                (wire.cut.set if cut else wire.cut.clear)()
                fleet.deadline = deadline if cut else Deadline(grace=10.0)
                end = time.monotonic() + 60
                while (status := fleet.round(points, round_id=0).status)[0] != (
                    "dead" if cut else "ok"
                ):
                    assert status.count("ok") >= 3
                    assert time.monotonic() < end
                    time.sleep(0.02)
                seen.append(status[0])
            assert seen == ["ok", "dead", "ok"]
            lone.stop()
            thread.join()
