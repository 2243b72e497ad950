"""The in-process fleet, and what any transport makes of its mail."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from saddleproof import snapshot
from saddleproof.attacks import Coalition, SignFlip
from saddleproof.errors import FleetError
from saddleproof.fleets import LocalFleet, Messages, collect
from saddleproof.fleets.table import FLEETS
from saddleproof.runs.config import load
from saddleproof.runs.setup import build
from saddleproof.testing import Bowl, check_fleet

EXAMPLES = Path(__file__).parents[2] / "examples"
POINTS = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize("name", FLEETS)
def test_every_fleet_passes_the_suite(name: str) -> None:
    check_fleet(FLEETS[name](Bowl()), POINTS)


def test_a_coalition_passes_as_a_fleet() -> None:
    check_fleet(Coalition(LocalFleet(Bowl()), SignFlip(), range(3)), POINTS)


def test_the_run_that_every_engine_shows_is_that_of_the_example_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES / "flower_app"))
    task = importlib.import_module("digits.task")
    near = task.train(LocalFleet(task.problem()), callback=lambda progress: True)
    setup = build(load(EXAMPLES / "digits.toml"))
    far = setup.minimize(callback=lambda progress: True)
    assert near.rounds == far.rounds == 1  # the one in which everybody is heard and six lie
    assert snapshot.dumps(near.state) == snapshot.dumps(far.state)
    assert near.trace == far.trace
    assert (setup.problem.m, setup.options.b) == (task.WORKERS, task.LIARS)


def test_the_local_fleet_answers_every_workers_gradient() -> None:
    fleet = LocalFleet(Bowl(m=5))
    messages = fleet.round(POINTS, round_id=0)
    assert fleet.workers == tuple(f"worker-{i}" for i in range(5))
    assert messages.status == ("ok",) * 5
    np.testing.assert_array_equal(messages.values, Bowl(m=5).gradients(POINTS))


def test_a_closed_fleet_says_what_to_do() -> None:
    fleet = LocalFleet(Bowl())
    fleet.close()
    with pytest.raises(FleetError, match=r"make a new one with LocalFleet\(problem\)"):
        fleet.round(POINTS, round_id=0)


def test_answers_are_one_a_worker_whatever_they_came_in() -> None:
    stack = np.arange(24.0).reshape(2, 3, 4)
    together = Messages(stack, ("ok",) * 3)
    apart = Messages([stack[:, i] for i in range(3)], ("ok",) * 3)
    for one, other in zip(together.answers, apart.answers, strict=True):
        np.testing.assert_array_equal(one, other)


def test_collect_sorts_mail_by_roster() -> None:
    messages = collect(("a", "b"), [("b", 2), ("a", 1)])
    assert messages.values == [1, 2]
    assert messages.status == ("ok", "ok")
    assert messages.notes == {}


def test_a_second_vote_voids_both() -> None:
    messages = collect(("a", "b"), [("a", 1), ("b", 2), ("a", 1)])
    assert messages.status == ("malformed", "ok")
    assert messages.notes == {"a": "second vote"}


def test_a_stranger_is_noted_and_takes_no_seat() -> None:
    messages = collect(("a",), [("eve", 9), ("a", 1)])
    assert messages.values == [1]
    assert messages.notes == {"eve": "not on the roster"}


def test_silence_is_late_unless_the_transport_knows_better() -> None:
    assert collect(("a", "b"), [], absent={"b": "dead"}).status == ("late", "dead")
