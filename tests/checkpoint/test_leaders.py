"""One process at a time leads a run, and its committed rounds are one history."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.arrays import Vector
from saddleproof.checkpoint import FileCheckpoint, Progressed, RoundRecord
from saddleproof.errors import StoreError
from saddleproof.runs import leases
from saddleproof.runs.store import Store
from saddleproof.storage import leases as owners

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


def test_a_leader_that_slept_through_its_lease_cannot_commit(tmp_path):
    with Store(tmp_path / "runs.sqlite") as store:
        here = store.begin("a", "0")
        first, second = (owners.Owner(name, 7, "", name) for name in ("first", "second"))
        with store.db.transaction() as db:
            leases.take(db, here.run, first, here.place)
        here.commit(history("same", 1), first)
        with store.db.transaction() as db:
            db.execute("UPDATE leases SET beat = beat - 1e6")
            leases.take(db, here.run, second, here.place)
        with pytest.raises(StoreError, match="was taken over by process 7 on second"):
            here.commit(history("same", 2), first)
        assert here.load(State).round == 1
        here.commit(history("same", 2), second)


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
