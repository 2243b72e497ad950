"""Two leaders, partitions of the store and clocks that jump: one history is committed, and kept."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from saddleproof.arrays import Vector
from saddleproof.checkpoint import Progressed, RoundRecord
from saddleproof.errors import StoreError
from saddleproof.runs import leases
from saddleproof.runs.store import Store
from saddleproof.storage import leases as owners


@dataclass(frozen=True)
class State:
    w: Vector


def history(leader: str, rounds: int, before: Progressed | None = None) -> Progressed:
    """`rounds` rounds, those after `before` led by `leader`."""
    trace = () if before is None else before.trace
    for k in range(len(trace), rounds):
        trace += (RoundRecord(k, 1, 1.0, 1.0, event=leader),)
    return Progressed(rounds, {}, trace, State(np.full(2, float(rounds))))


class Leader:
    """One leader in a simulated world, with a clock and a name of its own."""

    def __init__(self, name: str, path: Path, world: World) -> None:
        self.name, self.world = name, world
        self.store = Store(path)
        self.owner = owners.Owner(f"host-{name}", 1, "", name * 32)
        self.leads, self.loop = False, None

    def step(self) -> None:
        here = replace(self.world.here, db=self.store.db)
        if not self.leads:
            with self.store.db.transaction() as db:
                leases.take(db, here.run, self.owner, here.place)
            self.leads = True
            self.loop = here.load(State)
            return
        rounds = (0 if self.loop is None else self.loop.round) + 1
        after = history(self.name, rounds, self.loop)
        try:
            here.commit(after, self.owner)
        except StoreError:
            self.leads, self.loop = False, None  # a new process is started in its place
            self.owner = replace(self.owner, token=f"{self.name}{random.random()}")
            raise
        self.loop = after
        self.world.committed.append(after.trace[-1])


class World:
    """Two leaders, a shared store, partitions, and clocks that jump."""

    def __init__(self, path: Path) -> None:
        self.clock = 1e9
        self.skew = {"a": 0.0, "b": 0.0}
        self.committed: list[RoundRecord] = []
        with Store(path) as store:
            self.here = store.begin("a", "0")
        self.leaders = {name: Leader(name, path, self) for name in "ab"}

    def close(self) -> None:
        for leader in self.leaders.values():
            leader.store.close()


def schedule(path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """One random schedule; the rounds committed and the refusals."""
    generator, world, refusals = random.Random(seed), World(path), 0
    cut: dict[str, bool] = {"a": False, "b": False}
    for _ in range(40):
        name = generator.choice("ab")
        event = generator.random()
        if event < 0.1:
            cut[name] = not cut[name]  # the store cannot be reached
        elif event < 0.2:
            world.skew[name] += generator.choice([-1e4, -61.0, 61.0, 1e4])
        elif event < 0.3:
            world.clock += generator.choice([1.0, 59.0, 61.0, 500.0])
        elif not cut[name]:
            now = world.clock + world.skew[name]
            monkeypatch.setattr(leases, "now", lambda now=now: now)
            with suppress(StoreError):
                world.leaders[name].step()
                refusals -= 1
            refusals += 1
    with Store(path) as store:
        trace = store.trace(world.here.run)
    # One history: what was acknowledged is there, in the order in which it was, and nothing else.
    assert list(trace) == world.committed
    assert [record.round for record in trace] == list(range(len(trace)))
    monkeypatch.undo()
    kept = replace(world.here, db=world.leaders["a"].store.db).load(State)
    assert (0 if kept is None else kept.round) == len(trace)
    world.close()
    return len(trace), refusals


@pytest.mark.parametrize("seeds", [range(12), pytest.param(range(12, 300), marks=pytest.mark.slow)])
def test_two_leaders_under_partitions_and_clock_jumps_commit_one_history(
    tmp_path, monkeypatch, seeds
):
    found = [schedule(tmp_path / f"{seed}.sqlite", seed, monkeypatch) for seed in seeds]
    assert sum(rounds for rounds, _ in found) > 5 * len(seeds)
    assert sum(refusals for _, refusals in found) > 3 * len(seeds)
