"""A server that is led in this process, by the command itself, over workers in threads."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from saddleproof.cli import main

M = 5
NAMES = tuple(f"worker-{i}" for i in range(M))
CONFIG = f"""
problem = {{ name = "tensor", workers = {M} }}
run = {{ b = 1, seed = 0, max_rounds = 60 }}
"""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The log's handlers and levels are those of before."""
    root, ours = logging.getLogger(), logging.getLogger("saddleproof")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, with a configuration, to work in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def free_port() -> int:
    """Free, and below those that dialling out takes."""
    for number in range(21_000 + os.getpid() % 9_000, 32_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", number)):
            return number
    return pytest.fail("no port is free")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys of a project."""
    keys = pytest.importorskip("saddleproof.fleets.grpc.keys")
    pytest.importorskip("grpc")
    home: Path = tmp_path_factory.mktemp("project") / "keys"
    keys.init(home)
    keys.issue(home, [*NAMES, "eve"])
    return home


@dataclass
class Project:
    """A server's command line, and workers in threads that dial in to it."""

    keys: Path
    address: str
    start: Callable[..., Any]

    def serve(self, *options: str) -> Result:
        """`saddleproof serve run.toml` to its end, here."""
        told = ["--keys", str(self.keys), "--listen", self.address, "--grace", "30"]
        return CliRunner().invoke(main, ["serve", "run.toml", *told, *options])


@pytest.fixture
def served(inside: Path, project: Path, free_port: int) -> Iterator[Project]:
    """served.start(name, answer=...): a worker in a thread, honest unless told otherwise."""
    from saddleproof.cli.worker import from_config
    from saddleproof.errors import FleetError
    from saddleproof.fleets.grpc import keys
    from saddleproof.fleets.grpc.client import Client

    address, running = f"127.0.0.1:{free_port}", []

    def start(name: str, around: Callable[[Any], Any] = lambda honest: honest) -> Any:
        answer = from_config(inside / "run.toml", NAMES.index(name), attack=False)
        client: Any = Client(around(answer), address, keys.load(project, name), pause=0.2)
        client.ended = None

        def work() -> None:
            try:
                client.ended = client.run()
            except FleetError as error:
                client.ended = str(error)

        client.thread = threading.Thread(target=work)
        client.thread.start()
        running.append(client)
        return client

    yield Project(project, address, start)
    for client in running:
        client.stop()
        client.thread.join(30)
        assert not client.thread.is_alive()


@pytest.fixture
def everybody(served: Project) -> Project:
    """All workers dial in, and are honest."""
    for name in NAMES:
        served.start(name)
    return served
