"""A link with latency: a TCP proxy in a thread that hands on every byte some time after it came."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType

#: Bytes that are on the way in one direction, at most; a fat link over a long way.
_IN_FLIGHT = 1 << 28


class Link:
    """A proxy to a server; `address` is where to dial in.

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

    def __enter__(self) -> Link:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.address = "127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._host, self._port)
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
