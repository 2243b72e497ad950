"""What one worker can make the server hold: over a link with latency, with late answers, in frames.

`pytest -m slow -s tests/fleets/grpc/test_memory.py` prints the figures of the documentation.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

import grpc
import pytest

from saddleproof.fleets.grpc import keys, transport
from saddleproof.fleets.grpc.frames import answer_to, decode
from saddleproof.fleets.grpc.header import PIECE

#: Bytes that are on the way in one direction, at most; a fat link over a long way.
_IN_FLIGHT = 1 << 28


class Link:
    """A TCP proxy in a thread that hands on every byte some time after it came.

    Args:
        server: "host:port".
        seconds: how long a byte is on its way, in each direction.
    """

    def __init__(self, server: str, seconds: float) -> None:
        self._host, _, port = server.rpartition(":")
        self._port, self._seconds = int(port), seconds
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.address = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._over.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._host, self._port)
        self._writers += [writer, there[1]]
        for one, other in ((reader, there[1]), (there[0], writer)):
            queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_IN_FLIGHT >> 16)
            for work in (self._take(one, queue), self._give(other, queue)):
                task = asyncio.ensure_future(work)
                self._tasks.add(task)

    async def _take(
        self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        data = b"more"
        while data:
            with contextlib.suppress(ConnectionError):
                data = await reader.read(1 << 16)
            await queue.put((self._loop.time() + self._seconds, data))

    async def _give(
        self, writer: asyncio.StreamWriter, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                when, data = await queue.get()
                await asyncio.sleep(when - self._loop.time())
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        writer.close()


SERVER = """
import gc, sys
from pathlib import Path
import numpy as np
from saddleproof.fleets.grpc import past
from saddleproof.fleets.grpc.fleet import GrpcFleet

folder, guarded = sys.argv[1], sys.argv[2] == "guarded"
if not guarded:  # every late piece is taken, and dropped
    past.Past.refusal = lambda self, name, header, rest: None
fleet = GrpcFleet(["worker-0"], folder, keepalive=60.0)
fleet.gather(0.0)

def memory(line="VmRSS"):
    told = Path("/proc/self/status").read_text().split(line + ":")[1]
    return int(told.split()[0])

print(fleet.address, flush=True)
for what in sys.stdin:
    if what == "ask\\n":
        fleet.round(np.zeros((1, 1 << 22)), round_id=0, timeout=3.0)
        fleet.round(np.zeros((1, 4)), round_id=1, timeout=0.5)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    print(memory(), memory("VmHWM"), fleet.counters()["worker-0"]["malformed"], flush=True)
fleet.close(done=False)
"""


class Server:
    """A server in a process of its own, which tells how much memory it holds."""

    def __init__(self, folder: Path, how: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(folder), how],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.address = self._process.stdout.readline().strip()

    def told(self, what: str) -> tuple[int, int, int]:
        """Resident kilobytes now and at most, and proofs that worker-0 is bad."""
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        now, most, proofs = map(int, self._process.stdout.readline().split())
        return now, most, proofs

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)


def flooded(folder, how: str, seconds: float, path: str) -> tuple[int, int, int, int]:
    """(idle, peak) KiB, proofs and MiB sent: first pieces of one old answer, for `seconds`."""
    asked, begin, sent = [], threading.Event(), []
    with Server(folder, how) as server, Link(server.address, 0.1) as link:

        def flood():
            assert begin.wait(60)
            piece, end = answer_to(asked[0]).packed() + bytes(PIECE), time.monotonic() + seconds
            while time.monotonic() < end:
                yield piece
                sent.append(1)

        def hear(call):
            with contextlib.suppress(grpc.RpcError):
                for frame in call:
                    header, _ = decode(frame)
                    if header.size > PIECE and not asked:
                        asked.append(header)

        with transport.channel(link.address, keys.load(folder, "worker-0")) as channel:
            call = channel.stream_stream(path)(flood())
            hearing = threading.Thread(target=hear, args=(call,))
            hearing.start()
            time.sleep(2.0)
            idle, _, _ = server.told("ask")
            begin.set()
            most = 0
            for _ in range(int(seconds)):
                time.sleep(1.0)
                _, most, proofs = server.told("memory")
            call.cancel()
            hearing.join(60)
    told = f"idle {idle} KiB, at most {most} KiB, {len(sent)} MiB sent, {proofs} proofs"
    sys.stdout.write(f"\n{how}: {told}\n")
    return idle, most, proofs, len(sent)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(("how", "limit"), [("guarded", 1.2), ("every piece taken", 1.5)])
def test_a_flood_over_a_link_with_latency_costs_a_fifth_of_the_idle_memory_at_most(
    folder, how, limit
):
    """A worker that repeats a first piece is proved bad at once.

    Without that guard the window of gRPC holds alone, at 1.2 times the idle memory and a little
    more or less; a window that grows takes six times as much.
    """
    idle, most, proofs, sent = flooded(folder, how, 10.0, transport.PATH)
    assert most < limit * idle
    assert sent > 10 or how == "guarded"
    assert proofs == (how == "guarded")


def test_the_window_does_not_grow_with_the_latency_of_the_link():
    told = dict(transport.server_options(10.0))
    assert told["grpc.http2.bdp_probe"] == 0
    assert told["grpc.http2.lookahead_bytes"] <= PIECE
