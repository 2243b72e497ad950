"""A network that breaks: honest workers in a network namespace of their own, whose link is cut."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import saddleproof as sp
from saddleproof.cli.worker import from_config
from saddleproof.config.parse import load
from saddleproof.config.setup import build
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc.fleet import GrpcFleet

pytestmark = pytest.mark.slow

M, B = 8, 2
NAMES = tuple(f"worker-{i}" for i in range(M))
CONFIG = f"""
problem = {{ name = "example2", workers = {M} }}
attack = {{ name = "saddle", members = {B} }}
optimizer = {{ name = "gradient_descent", step = 0.1 }}
run = {{ b = {B}, seed = 0, max_rounds = 25 }}
"""
PATIENT = Deadline(grace=60.0, limit=120.0)
#: For who is cut off; the others may be slow, on a machine that has much to do.
SHORT = Deadline(grace=3.0, limit=120.0)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=30)


class Island:
    """A network namespace; its one link leads here."""

    def __init__(self, name: str, ours: str) -> None:
        self.name, self.address = name, ours
        ip("netns", "add", name)
        ip("link", "add", f"{name}h", "type", "veth", "peer", "name", f"{name}t", "netns", name)
        ip("addr", "add", f"{ours}/30", "dev", f"{name}h")
        ip("-n", name, "addr", "add", f"{ours[:-1]}2/30", "dev", f"{name}t")
        ip("link", "set", f"{name}h", "up")
        self.link("up")

    def link(self, state: str) -> None:
        ip("-n", self.name, "link", "set", f"{self.name}t", state)


@pytest.fixture
def island():
    name = f"sp{os.getpid()}"
    try:
        yield Island(name, f"10.231.{os.getpid() % 256}.1")
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no network namespaces here: {getattr(error, 'stderr', None) or error}")
    finally:
        with contextlib.suppress(OSError):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def parted(island, config, folder, start):
    """parted(n): a fleet whose last n workers are processes on the island; two of the first lie."""
    with contextlib.ExitStack() as stack:

        def make(n: int) -> GrpcFleet:
            fleet = GrpcFleet(
                NAMES, folder, listen=f"{island.address}:0", deadline=PATIENT, keepalive=1.0
            )
            stack.callback(fleet.close)
            for i in range(M - n):
                start(fleet, NAMES[i], from_config(config, i, attack=i < B))
            for name in NAMES[M - n :]:
                command = [sys.executable, "-m", "saddleproof", "worker", str(config), "--server",
                           fleet.address, "--keys", str(folder), "--name", name]  # fmt: skip
                process = subprocess.Popen(["ip", "netns", "exec", island.name, *command])
                stack.callback(process.wait)
                stack.callback(process.kill)
            assert fleet.gather(120) == ()
            return fleet

        yield make


def run(fleet, config, **loop) -> sp.Result:
    setup = build(load(config))
    return sp.minimize(
        fleet, setup.optimizer, aggregator=setup.aggregator, b=B, w0=setup.problem.start, seed=0,
        max_rounds=25, **loop,
    )  # fmt: skip


def test_a_run_goes_on_while_one_is_cut_off_and_hears_it_when_the_link_is_mended(
    parted, island, config, until
):
    fleet = parted(1)

    def weather(progress):
        if progress.record.round == 3:
            island.link("down")
            fleet.deadline = SHORT
        if progress.record.round == 10:
            island.link("up")
            until(lambda: M - 1 not in fleet._desk.away(), 120)
            fleet.deadline = PATIENT

    result = run(fleet, config, callback=weather)
    assert result.rounds > 20
    cut = [record.round for record in result.trace if NAMES[-1] in record.absent]
    assert cut == [4, 5, 6, 7, 8, 9, 10]
    assert "dead" in {record.absent.get(NAMES[-1]) for record in result.trace}  # it was noticed
    assert result.excluded == {}


def test_a_run_that_too_many_are_cut_off_from_stops_with_its_state_and_goes_on_when_mended(
    parted, island, config, tmp_path, until
):
    fleet, kept = parted(4), tmp_path / "kept.npz"

    def weather(progress):
        if progress.record.round == 3:
            island.link("down")
            fleet.deadline = SHORT

    stopped = run(fleet, config, callback=weather, checkpoint=kept)
    assert stopped.status == "too_few_workers"
    assert all(name in stopped.message for name in NAMES[-4:])
    assert stopped.rounds == 4
    island.link("up")
    fleet.deadline = PATIENT
    fleet.gather(120)
    point = build(load(config)).problem.start[None]
    until(lambda: fleet.round(point, round_id=0).status == ("ok",) * M, 120)
    result = run(fleet, config, checkpoint=kept, resume=True)
    whole = build(load(config)).minimize()
    assert result.w.tobytes() == whole.w.tobytes()
    assert str(result.certificate) == str(whole.certificate)
    assert result.trace == whole.trace
