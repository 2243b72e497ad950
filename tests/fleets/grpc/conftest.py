"""One authority for all tests, workers in threads, and a peer that says whatever it likes."""

from __future__ import annotations

import collections
import contextlib
import queue
import threading
import time

import numpy as np
import pytest

grpc = pytest.importorskip("grpc")  # all of this folder needs the extra

# ruff: noqa: E402 - what follows needs it too
from desk_talk import desk  # noqa: F401 - a fixture, as the next two
from hostile_peers import four, nothing_escapes  # noqa: F401

from saddleproof.errors import FleetError
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc import keys, transport
from saddleproof.fleets.grpc.client import Client, honest
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.worker import workers_of
from saddleproof.testing import QuarticSaddle

M = 5
NAMES = tuple(f"worker-{i}" for i in range(M))


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("project") / "keys"
    keys.init(home)
    keys.issue(home, [*NAMES, *(f"worker-{i}" for i in range(M, 20)), "eve"])
    return home


@pytest.fixture(scope="session")
def foreign(tmp_path_factory):
    """Another authority's folder, with the same names."""
    home = tmp_path_factory.mktemp("foreign") / "keys"
    keys.init(home)
    keys.issue(home, NAMES)
    return home


@pytest.fixture
def bowl():
    return QuarticSaddle(m=M)


@pytest.fixture
def answers(bowl):
    return [honest(worker) for worker in workers_of(bowl)]


@pytest.fixture
def fleet(folder):
    """A fleet that waits long for an honest worker on a loaded machine."""
    with contextlib.closing(
        GrpcFleet(NAMES, folder, deadline=Deadline(grace=30.0, limit=60.0), keepalive=1.0)
    ) as made:
        yield made


@contextlib.contextmanager
def clients():
    """begun(client): it runs in a thread, and `refusal` is how it ended; all are stopped then."""
    running = []

    def begun(client: Client) -> Client:
        client.refusal = None

        def run():
            try:
                client.run()
            except FleetError as error:
                client.refusal = str(error)

        client.thread = threading.Thread(target=run)
        client.thread.start()
        running.append(client)
        return client

    yield begun
    for client in running:
        client.stop()
        client.thread.join(30)
        assert not client.thread.is_alive()


@pytest.fixture
def start(folder):
    """start(fleet, name, answer): a client in a thread; all are stopped in the end."""
    with clients() as begun:
        yield lambda fleet, name, answer: begun(
            Client(answer, fleet.address, keys.load(folder, name))
        )


@pytest.fixture
def begun(fleet, start, answers):
    """The fleet with all its honest workers connected."""
    for name, answer in zip(NAMES, answers, strict=True):
        start(fleet, name, answer)
    assert fleet.gather(60) == ()
    return fleet


class Peer:
    """Someone at the other end of a stream who says whatever he likes."""

    def __init__(self, channel, *, compression=None, path=transport.PATH):
        self._out = queue.SimpleQueue()
        self._channel = channel
        self.call = channel.stream_stream(path)(iter(self._out.get, None), compression=compression)

    def say(self, *messages: bytes) -> None:
        for message in messages:
            self._out.put(message)

    def hear(self) -> bytes:
        return next(self.call)

    def refusal(self) -> grpc.RpcError:
        """How the server ended it."""
        with pytest.raises(grpc.RpcError) as caught:
            collections.deque(self.call, maxlen=0)
        return caught.value

    def close(self) -> None:
        self.call.cancel()
        self._out.put(None)
        self._channel.close()


@pytest.fixture
def peer(folder):
    """peer(fleet, name): a stream with that name's certificate."""
    made = []

    def connect(fleet, name="worker-0", *, home=folder, **options) -> Peer:
        one = Peer(transport.channel(fleet.address, keys.load(home, name)), **options)
        made.append(one)
        return one

    yield connect
    for one in made:
        one.close()


@pytest.fixture
def until():
    """until(condition): wait for it; the machine may be slow."""

    def wait(condition, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it never happened"
            time.sleep(0.005)

    return wait


def zeros(question, round_id, *, losses):
    return np.zeros(question.shape), None


@pytest.fixture
def worker():
    """worker(fleet, credentials): a client in a thread; `refusal` is how it ended."""
    with clients() as begun:
        yield lambda fleet, credentials: begun(Client(zeros, fleet.address, credentials, pause=0.2))
