"""Ray's actors: what a worker that dies, raises, dawdles or lies can do to a run, and cannot.

One Ray for the module; it takes seconds to start.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.deadline import Deadline
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature
from saddleproof.testing import QuarticSaddle, check_fleet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Ray's own imports warn of is not ours
    ray = pytest.importorskip("ray")

from saddleproof.fleets.ray import RayFleet

# Ray leaves the files of its daemons to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
POINTS = np.arange(8.0).reshape(2, 4)


class Moody:
    """A bowl whose shard says what its worker does: answer, raise, sleep, or send something."""

    d = 4

    def value(self, w: Any, data: Any) -> float:
        return float(w @ w)

    def gradient(self, points: Any, data: Any) -> Any:
        mood, flag, _ = data
        if mood == "raise":
            raise ValueError("no data today")
        if mood == "sleep" and not Path(flag).exists():
            time.sleep(3.0)
        if mood == "nan":
            return np.full_like(points, np.nan)
        if mood == "pid":
            return np.full_like(points, os.getpid())
        return 2 * points


@pytest.fixture(scope="module", autouse=True)
def cluster(request: pytest.FixtureRequest) -> Iterator[None]:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    ray.cloudpickle.register_pickle_by_value(sys.modules[request.getfixturevalue("problems_in")])
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ray.init(include_dashboard=False, log_to_driver=False, num_cpus=1)
        except Exception as error:  # noqa: BLE001 - Ray raises no more than that
            ray.shutdown()
            gc.collect()  # what it leaves to the garbage collector warns here, and nowhere else
            pytest.skip(f"Ray does not start on this machine now: {error}")
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.shutdown()
        for daemon in [one for one in gc.get_objects() if isinstance(one, subprocess.Popen)]:
            daemon.wait(30)  # Ray ends its daemons and does not ask how they ended
        gc.collect()


@pytest.fixture
def fleet_of() -> Iterator[Any]:
    """Makes a fleet of moody workers, closed at the end."""
    fleets = []

    def make(*moods: str, flag: str = "", **options: Any) -> RayFleet:
        problem = sp.Problem(
            Moody(), [(mood, flag, np.zeros(50_000)) for mood in moods], start=np.ones(4)
        )
        fleets.append(RayFleet(problem, **options))
        return fleets[-1]

    yield make
    for fleet in fleets:
        fleet.close()


def test_the_ray_fleet_passes_the_suite() -> None:
    check_fleet(RayFleet(QuarticSaddle(m=2)), POINTS)


@pytest.mark.slow
def test_actors_answer_every_question_in_the_bytes_of_the_local_fleet(
    problem_of: Any, same_bytes: Any
) -> None:
    problem = problem_of(3)
    fleet = RayFleet(problem)
    same_bytes(fleet, problem)
    fleet.close()


@pytest.mark.slow
def test_the_ray_fleet_passes_the_suite_with_every_question(
    problem_of: Any, questions_about: Any
) -> None:
    problem = problem_of(2)
    check_fleet(RayFleet(problem), problem.start[None], questions_about(problem))


@pytest.mark.slow
def test_a_problem_that_answers_gradients_alone_is_not_asked_for_more() -> None:
    class Slopes:
        m = 1

        def gradients(self, points: Any) -> Any:
            return points[:, None]

    fleet = RayFleet(Slopes())
    assert fleet.questions == sp.LocalFleet(Slopes()).questions == (Gradients,)
    fleet.close()


@pytest.mark.slow
def test_a_worker_that_cannot_answer_a_question_is_dead_for_the_round(fleet_of: Any) -> None:
    fleet = fleet_of("fine", "raise")
    assert fleet.ask(Curvatures(np.ones(4), np.eye(4)), round_id=0).status == ("ok", "dead")
    assert fleet.ask(Changes(np.ones(4), np.eye(4), np.ones(1)), round_id=1).status == ("ok", "ok")


@pytest.mark.slow
def test_losses_that_were_announced_come_beside_gradients_only(fleet_of: Any) -> None:
    fleet = fleet_of("fine")
    fleet.announce(Announcement(None, 0, sp.optimizers.ValuePGD(step=0.1)))
    assert fleet.ask(Gradients(POINTS), round_id=0).loss_answers is not None
    assert fleet.ask(LeastCurvature(POINTS[0]), round_id=1).losses is None


@pytest.mark.slow
def test_closing_a_fleet_leaves_a_ray_that_it_did_not_start() -> None:
    RayFleet(QuarticSaddle(m=1)).close()
    assert ray.is_initialized()


@pytest.mark.slow
def test_actors_answer_what_the_local_fleet_answers_to_the_bit_losses_too() -> None:
    problem = QuarticSaddle(m=2)
    told = Announcement(None, 1, sp.optimizers.ValuePGD(step=0.1))
    fleets = [sp.LocalFleet(problem), RayFleet(problem)]
    for fleet in fleets:
        fleet.announce(told)
    local, remote = (fleet.round(POINTS, round_id=0) for fleet in fleets)
    np.testing.assert_array_equal(np.stack(remote.answers, axis=1), local.values)
    np.testing.assert_array_equal(np.stack(remote.loss_answers, axis=1), local.losses)
    fleets[1].close()


def test_a_worker_that_raises_is_dead_for_the_round_and_the_others_are_heard(fleet_of: Any) -> None:
    messages = fleet_of("fine", "raise").round(POINTS, round_id=0)
    assert messages.status == ("ok", "dead")
    assert "no data today" in messages.notes["worker-1"]
    np.testing.assert_array_equal(messages.answers[0], 2 * POINTS)


@pytest.mark.slow
def test_a_killed_worker_is_dead_then_late_then_back_with_its_shard(fleet_of: Any) -> None:
    fleet = fleet_of("fine", "pid", "fine", deadline=Deadline(grace=0.5, limit=20.0))
    fleet.announce(Announcement(None, 1))
    first = int(fleet.round(POINTS, round_id=0).answers[1][0, 0])
    os.kill(first, signal.SIGKILL)
    seen, until = [], time.monotonic() + 60
    while time.monotonic() < until:
        messages = fleet.round(POINTS, round_id=len(seen) + 1)
        seen.append(messages.status[1])
        assert (messages.status[0], messages.status[2]) == ("ok", "ok")
        if seen[-1] == "ok" and int(messages.answers[1][0, 0]) != first:
            break
    assert seen[-1] == "ok"
    assert set(seen[:-1]) <= {"dead", "late", "ok"}
    assert {"dead", "late"} & set(seen)


@pytest.mark.slow
def test_a_straggler_is_late_and_its_old_answer_is_never_counted(
    fleet_of: Any, tmp_path: Any
) -> None:
    awake = tmp_path / "awake"
    fleet = fleet_of(
        "fine", "sleep", "fine", flag=str(awake), deadline=Deadline(grace=0.3, limit=30.0)
    )
    fleet.announce(Announcement(None, 1))
    fleet.round(POINTS, round_id=0, timeout=0.5)  # actors are warm, the pace is known
    assert fleet.round(POINTS, round_id=1).status == ("ok", "late", "ok")
    awake.touch()
    time.sleep(4.0)
    messages = fleet.round(3 * POINTS, round_id=2, timeout=10.0)
    assert messages.status == ("ok", "ok", "ok")
    np.testing.assert_array_equal(messages.answers[1], 6 * POINTS)


class Forgetful:
    """Ray, but this worker's answers are not at hand when they are fetched: its node is gone."""

    def __init__(self, fleet: RayFleet, lost: int) -> None:
        self.fleet, self.lost = fleet, lost

    def __getattr__(self, name: str) -> Any:
        return getattr(ray, name)

    def get(self, refs: Any, *, timeout: float) -> Any:
        wanted = refs if isinstance(refs, list) else [refs]
        if any(self.of(ref) == self.lost for ref in wanted):
            time.sleep(timeout)
            raise ray.exceptions.GetTimeoutError
        return ray.get(refs, timeout=timeout)

    def of(self, ref: Any) -> int:
        actor = ref.task_id().actor_id()
        return [one._actor_id for one in self.fleet._actors].index(actor)


@pytest.mark.slow
def test_a_worker_whose_answer_is_lost_is_dead_for_the_round_and_holds_nobody_up(
    fleet_of: Any,
) -> None:
    fleet = fleet_of("fine", "fine", "fine", deadline=Deadline(grace=20.0, limit=30.0))
    fleet.announce(Announcement(None, 1))
    fleet.round(POINTS, round_id=0)
    fleet._ray = Forgetful(fleet, lost=1)
    began = time.monotonic()
    assert fleet.round(POINTS, round_id=1).status == ("ok", "dead", "ok")
    assert time.monotonic() - began < 10.0
    fleet._ray = ray
    messages = fleet.round(3 * POINTS, round_id=2)
    assert messages.status == ("ok", "ok", "ok")
    np.testing.assert_array_equal(messages.answers[1], 6 * POINTS)


@pytest.mark.slow
def test_nan_from_an_actor_is_charged_and_the_run_goes_on(fleet_of: Any) -> None:
    fleet = fleet_of("fine", "fine", "nan", "fine", "fine")
    result = sp.minimize(fleet, sp.GradientDescent(step=0.1), b=1, max_rounds=3, certify=False)
    assert result.excluded == {"worker-2": "NaN or Inf"}


@pytest.mark.slow
def test_the_same_run_ends_in_the_same_bytes_on_ray_and_here() -> None:
    problem = sp.problems.PCADigits(components=10, workers=5, seed=0)
    attack = sp.SaddleAttack(problem.saddle, style="push")
    fleets = [sp.LocalFleet(problem), RayFleet(problem)]
    here, there = (
        sp.minimize(sp.Coalition(fleet, attack, [0]), b=1, w0=problem.start, seed=0)
        for fleet in fleets
    )
    fleets[1].close()
    np.testing.assert_array_equal(here.w, there.w)
    assert str(here.certificate) == str(there.certificate)
    assert here.rounds == there.rounds


@pytest.mark.slow
def test_a_workers_answer_is_a_pickle_which_is_why_ray_is_for_friends(fleet_of: Any) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return os.getpid, ()

    @ray.remote(num_cpus=0)
    class Evil:
        def vote(self, question: Any, *, losses: bool) -> Any:
            return Payload()

    fleet = fleet_of("fine", "fine", "fine")
    fleet._actors[1] = Evil.remote()
    messages = fleet.round(POINTS, round_id=0)
    assert messages.answers[1] == os.getpid()  # its code ran in this process
