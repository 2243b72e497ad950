"""One process at a time leads a run, and its committed rounds are one history."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof import leases as owners
from saddleproof.arrays import Vector
from saddleproof.checkpoint import FileCheckpoint, Progressed, RoundRecord
from saddleproof.errors import StoreError
from saddleproof.runs import leases
from saddleproof.runs.store import Store

PROBLEM = sp.problems.RotatedQuartic(d=4, workers=9, seed=0)
DESCENT = sp.GradientDescent(step=0.01)


@dataclass(frozen=True)
class State:
    w: Vector


def history(leader: str, rounds: int, before: Progressed | None = None) -> Progressed:
    """`rounds` rounds, those after `before` led by `leader`."""
    trace = () if before is None else before.trace
    for k in range(len(trace), rounds):
        trace += (RoundRecord(k, 1, 1.0, 1.0, event=leader),)
    return Progressed(rounds, {}, trace, State(np.full(2, float(rounds))))


@pytest.fixture(params=["file", "store"])
def place(request, tmp_path):
    """A checkpoint, made anew from the same place for each leader."""
    if request.param == "file":
        yield lambda: FileCheckpoint(tmp_path / "run.npz")
        return
    opened = [Store(tmp_path / "runs.sqlite")]
    run = opened[0].begin("a", "0").run

    def again() -> Any:
        opened.append(Store(tmp_path / "runs.sqlite"))
        return replace(opened[0].unfinished("a"), db=opened[-1].db, run=run)

    yield again
    for store in opened:
        store.close()


def test_a_second_leader_is_refused_before_a_round_and_told_who_leads(place):
    asked = []
    with place().leading(resume=True) as first:
        first.save(history("first", 1))
        fleet = sp.LocalFleet(PROBLEM)
        fleet.round = lambda *_, **__: asked.append(1)  # type: ignore[method-assign]
        with pytest.raises(StoreError, match=f"is led by process {owners.os.getpid()} on "):
            sp.minimize(fleet, DESCENT, b=2, checkpoint=place(), resume=True)
        first.save(history("first", 2))
    assert not asked
    assert place().load(State).round == 2


def test_a_leader_that_ended_leaves_the_lease_to_the_next(place):
    for rounds in (1, 2, 3):
        with place().leading(resume=True) as led_here:
            before = led_here.load(State)
            led_here.save(history("next", rounds, before))
    assert place().load(State).round == 3


def test_a_run_that_holds_rounds_is_not_begun_anew(tmp_path):
    with Store(tmp_path / "runs.sqlite") as store:
        here = store.begin("a", "0")
        options = {"b": 2, "seed": 0, "checkpoint": here}
        first = sp.minimize(PROBLEM, DESCENT, max_rounds=5, **options)
        with pytest.raises(StoreError, match=r"holds 5 rounds already\. Pass resume=True"):
            sp.minimize(PROBLEM, DESCENT, max_rounds=5, **options)
        again = sp.minimize(PROBLEM, DESCENT, max_rounds=9, resume=True, **options)
        assert (again.rounds, again.trace[:5]) == (9, first.trace)


LEADER = """
import sys, time
import saddleproof as sp
from saddleproof.checkpoint import FileCheckpoint
from saddleproof.runs.store import Store
kind, path = sys.argv[1:]
place = FileCheckpoint(path) if kind == "file" else Store(path).begin("a", "0")
with place.leading(resume=True):
    print("leads", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("kind", ["file", "store"])
def test_the_lease_of_a_killed_process_is_taken_over_at_once(tmp_path, kind):
    path = tmp_path / "run"
    command = [sys.executable, "-c", LEADER, kind, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as leader:
        assert leader.stdout is not None
        leader.stdout.readline()
        store = Store(path) if kind == "store" else None
        place = FileCheckpoint(path) if store is None else store.unfinished("a")
        assert place is not None
        with (
            pytest.raises(StoreError, match=f"process {leader.pid} on "),
            place.leading(resume=True),
        ):
            pass
        leader.kill()
        # It is a zombie until somebody waits for it: that is dead enough.
        owners_end(leader.pid)
        with place.leading(resume=True) as led_here:
            led_here.save(history("next", 1))
        if store is not None:
            store.close()


def owners_end(pid: int) -> None:
    """Wait until the process has ended, without taking its status."""
    owners.os.waitid(owners.os.P_PID, pid, owners.os.WEXITED | owners.os.WNOWAIT)


def test_a_process_with_the_same_number_that_began_later_is_another():
    with owners.me() as mine:
        assert mine.alive
        assert replace(mine, born="another boot 5").alive is False
        assert replace(mine, host="elsewhere").alive is None
    assert mine.alive is False  # the lease was given back


def test_a_lock_that_was_removed_fences_its_holder(tmp_path):
    place = FileCheckpoint(tmp_path / "run.npz")
    with place.leading(resume=True) as first:
        (tmp_path / ".run.npz.lock").unlink()
        with place.leading(resume=True) as second:
            second.save(history("second", 3))
            with pytest.raises(StoreError, match="was removed while this process held it"):
                first.save(history("first", 1))
    assert place.load(State).round == 3
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_a_file_that_somebody_else_wrote_is_not_written_over(tmp_path):
    place, other = FileCheckpoint(tmp_path / "run.npz"), FileCheckpoint(tmp_path / "other.npz")
    with place.leading(resume=True) as led_here:
        led_here.save(history("here", 1))
        other.save(history("there", 7))
        Path(other.path).replace(place.path)
        with pytest.raises(StoreError, match="was written by somebody else"):
            led_here.save(history("here", 2))
    assert place.load(State).round == 7


def test_a_lease_from_elsewhere_is_followed_when_its_beat_is_old(tmp_path, monkeypatch):
    with Store(tmp_path / "runs.sqlite") as store:
        here = store.begin("a", "0")
        with closing(sqlite3.connect(store.path)) as db, db, owners.me() as mine:
            away = replace(mine, host="elsewhere", pid=7)
            row = (here.run, away.text(), away.token, leases.now())
            db.execute("INSERT INTO leases VALUES (?, ?, ?, ?)", row)
        with pytest.raises(StoreError, match="process 7 on elsewhere"):
            here.save(history("here", 1))
        later = leases.now() + leases.EXPIRY + 1
        monkeypatch.setattr(leases, "now", lambda: later)
        here.save(history("here", 1))
        assert here.load(State).round == 1


def test_a_leader_beats_while_a_round_takes_long(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "BEAT", 0.01)
    with Store(tmp_path / "runs.sqlite") as store:
        here = store.begin("a", "0")
        with here.leading(resume=True):
            query = "SELECT beat FROM leases"
            first = store.db.execute(query).fetchone()
            until = threading.Event()
            for _ in range(500):
                if store.db.execute(query).fetchone() != first:
                    break
                until.wait(0.02)
            else:
                pytest.fail("the lease was never renewed")


def test_a_tail_that_an_old_version_left_is_cut_and_the_run_goes_on(tmp_path):
    with Store(tmp_path / "runs.sqlite") as store:
        here = store.begin("a", "0")
        here.save(history("one", 5))
        # As two leaders of an earlier version left it: rounds beyond the snapshot.
        old = store.db.execute("SELECT round, state, link FROM snapshots").fetchone()
        assert old[0] == 5
        with store.db.transaction() as db:
            for number in (5, 6):
                row = db.execute("SELECT * FROM rounds WHERE round = 4").fetchone()
                marks = ", ".join("?" * len(row))
                db.execute(f"INSERT INTO rounds VALUES ({marks})", (row[0], number, *row[2:]))
        kept = here.load(State)
        assert (kept.round, len(kept.trace)) == (5, 5)
        here.save(history("two", 7, kept))
        assert [r.event for r in store.trace(here.run)] == ["one"] * 5 + ["two"] * 2


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
