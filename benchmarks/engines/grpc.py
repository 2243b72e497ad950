"""What a round of `GrpcFleet` costs beside bare gRPC streaming of the same bytes.

    python benchmarks grpc [--workers 20] [--d 1000] [--rounds 200]

Every worker is a process of its own on this machine. All three ask the same 20 processes, in
turns, block by block: a bare asynchronous gRPC server that writes the question's bytes to every
stream and waits for as many from each, without TLS and with mutual TLS, and the fleet, which has
TLS, names, deadlines, counters and checks besides.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import grpc
import numpy as np

from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc import keys, transport
from saddleproof.fleets.grpc.client import Client
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.grpc.frames import HEADER

BLOCKS = 10
BENCHMARKS = Path(__file__).parents[1]


class Bare:
    """A server that streams bytes and counts heads."""

    def __init__(self, m: int, size: int, credentials: keys.Credentials | None) -> None:
        self.m, self.frame = m, bytes(size)
        self.loop = asyncio.new_event_loop()
        self.streams: list = []
        self.ended = asyncio.Event()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.address = self.call(self._start(credentials))

    def call(self, work):
        """Its result, from the loop's thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    async def _start(self, credentials) -> str:
        self.server = grpc.aio.server(options=transport.server_options(60.0))
        handler = grpc.stream_stream_rpc_method_handler(self._talk)
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(transport.SERVICE, {transport.METHOD: handler}),)
        )
        if credentials is None:
            port = self.server.add_insecure_port("127.0.0.1:0")
        else:
            tls = transport.server_credentials(credentials, lambda: None)
            port = self.server.add_secure_port("127.0.0.1:0", tls)
        await self.server.start()
        return f"127.0.0.1:{port}"

    async def _talk(self, _requests, context) -> None:
        self.streams.append(context)
        await self.ended.wait()

    async def _ask(self, context) -> None:
        await context.write(self.frame)
        await context.read()

    async def _round(self) -> None:
        await asyncio.gather(*(self._ask(context) for context in self.streams))

    def round(self) -> None:
        """One question to everybody, one answer from each."""
        self.call(self._round())

    def close(self) -> None:
        """Hang up."""
        self.call(self.server.stop(0))
        self.loop.call_soon_threadsafe(self.loop.stop)


def bare_worker(address: str, credentials: keys.Credentials | None) -> None:
    """Answer as many bytes as were asked."""
    channel = (
        grpc.insecure_channel(address)
        if credentials is None
        else transport.channel(address, credentials, 60.0)
    )
    outgoing: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with contextlib.suppress(grpc.RpcError):  # the server hung up
        for frame in channel.stream_stream(transport.PATH)(iter(outgoing.get, None)):
            outgoing.put(frame)
    outgoing.put(None)


def worker(folder: str, name: str, plain: str, secure: str, fleet: str) -> None:
    """One process: a bare worker without TLS, one with, and a `Client`."""
    credentials = keys.load(folder, name)
    for address, shown in ((plain, None), (secure, credentials)):
        threading.Thread(target=bare_worker, args=(address, shown), daemon=True).start()
    Client(lambda asked, _, losses: (asked.points, None), fleet, credentials).run()  # noqa: ARG005


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--d", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(*options.worker)
        return
    names = [f"worker-{i}" for i in range(options.workers)]
    points = np.ones((1, options.d))
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "keys"
        keys.init(folder)
        keys.issue(folder, names)
        server = keys.load(folder)
        size = HEADER.size + points.nbytes
        plain, secure = Bare(len(names), size, None), Bare(len(names), size, server)
        fleet = GrpcFleet(names, server, deadline=Deadline(grace=60.0, limit=300.0))
        addresses = plain.address, secure.address, fleet.address
        command = [sys.executable, str(BENCHMARKS), "grpc", "--worker", str(folder)]
        processes = [subprocess.Popen([*command, name, *addresses]) for name in names]  # noqa: S603 - our own
        try:
            fleet.gather(300.0)
            while min(len(plain.streams), len(secure.streams)) < len(names):
                time.sleep(0.1)
            ways = {
                "bare": plain.round,
                "bare, TLS": secure.round,
                "GrpcFleet": lambda: fleet.round(points, round_id=0),
            }
            _show(options, _measure(ways, options.rounds // BLOCKS))
        finally:
            for server_side in (fleet, plain, secure):
                server_side.close()
            for process in processes:
                process.wait(timeout=60)


def _measure(ways: dict, rounds: int) -> dict[str, list[float]]:
    """Seconds a round, way to one mean a block; the ways take turns."""
    blocks: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(BLOCKS):
        for name, ask in ways.items():
            began = time.perf_counter()
            for _ in range(rounds):
                ask()
            blocks[name].append((time.perf_counter() - began) / rounds)
    return {name: found[1:] for name, found in blocks.items()}  # the first warms up


def _show(options: argparse.Namespace, blocks: dict[str, list[float]]) -> None:
    print(f"{options.workers} workers, d = {options.d}, {options.rounds} rounds a way")
    for name, found in blocks.items():
        ratios = [ours / bare for ours, bare in zip(found, blocks["bare"], strict=True)]
        secure = [ours / bare for ours, bare in zip(found, blocks["bare, TLS"], strict=True)]
        print(
            f"{name:<10} {1e3 * statistics.median(found):7.2f} ms a round; "
            f"{statistics.median(ratios):5.2f} x bare ({min(ratios):.2f} to {max(ratios):.2f}), "
            f"{statistics.median(secure):5.2f} x bare with TLS"
        )
