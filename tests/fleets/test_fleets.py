"""The in-process fleet, and what any transport makes of its mail."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saddleproof.attacks import Coalition, SignFlip
from saddleproof.config.parse import load
from saddleproof.config.setup import build
from saddleproof.errors import FleetError
from saddleproof.fleets import LocalFleet, Messages, collect
from saddleproof.fleets.table import FLEETS
from saddleproof.fleets.worker import workers_of
from saddleproof.loop import minimize
from saddleproof.optimizers import GradientDescent
from saddleproof.problems.pca import PCADigits
from saddleproof.problems.table import ALL_PROBLEMS
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature
from saddleproof.storage import snapshot
from saddleproof.testing import QuarticSaddle, check_fleet

EXAMPLES = Path(__file__).parents[2] / "examples"
POINTS = np.arange(12.0).reshape(3, 4)


MEMBERS: dict[str, dict[str, Any]] = {name: {} for name in ALL_PROBLEMS} | {
    "two_layer": {"hidden": 5},
    "linear_autoencoder": {"components": 12, "units": (1, 4, 9)},
}


@pytest.mark.parametrize("name", FLEETS)
def test_every_fleet_passes_the_suite(name: str) -> None:
    check_fleet(FLEETS[name](QuarticSaddle()), POINTS)


def test_the_local_fleet_passes_the_suite_with_every_question(
    problem_of: Any, questions_about: Any
) -> None:
    problem = problem_of(5)
    questions = questions_about(problem)
    check_fleet(LocalFleet(problem), problem.start[None], questions)
    check_fleet(Coalition(LocalFleet(problem), SignFlip(), [0]), problem.start[None], questions)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_worker_alone_answers_in_the_bytes_of_all_together(name: str) -> None:
    """On the other engines each worker answers by itself."""
    problem = ALL_PROBLEMS[name](seed=3, workers=7, **MEMBERS[name])
    rng = np.random.default_rng(1)
    w = np.asarray(problem.origin) + 0.1 * rng.standard_normal(problem.d)
    directions = rng.standard_normal((4, problem.d))
    for question in (
        Gradients(w + directions),
        Changes(w, directions, np.array([1e-3, 0.1, -2.0])),
        Curvatures(w, directions),
        LeastCurvature(w, steps=4, seed=3),
        LeastCurvature(w, steps=60, seed=3),
    ):
        together = LocalFleet(problem).ask(question, round_id=0).answers
        for worker, answer in zip(workers_of(problem), together, strict=True):
            assert worker.reply(question).tobytes() == answer.tobytes(), question


@pytest.mark.parametrize("kind", ["changes", "curvatures", "least"])
def test_the_bytes_of_an_answer_do_not_depend_on_how_the_question_lies_in_memory(
    kind: str,
) -> None:
    problem = PCADigits(components=10, workers=5, seed=0)
    wide = np.random.default_rng(1).standard_normal((problem.d, 3))
    w, directions, lengths = wide[:, 0], wide.T, np.ones((2, 2))[:, 0]
    for make in (np.asarray, np.ascontiguousarray):
        question = {
            "changes": lambda of: Changes(of(w), of(directions), of(lengths)),
            "curvatures": lambda of: Curvatures(of(w), of(directions)),
            "least": lambda of: LeastCurvature(of(w), seed=1),
        }[kind](make)
        answers = LocalFleet(problem).ask(question, round_id=0).answers
        alone = [worker.reply(question) for worker in workers_of(problem)]
        assert [a.tobytes() for a in answers] == [a.tobytes() for a in alone]
        if make is np.asarray:
            first = answers
    np.testing.assert_array_equal(np.stack(first), np.stack(answers))


def test_a_coalition_passes_as_a_fleet() -> None:
    check_fleet(Coalition(LocalFleet(QuarticSaddle()), SignFlip(), range(3)), POINTS)


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
    fleet = LocalFleet(QuarticSaddle(m=5))
    messages = fleet.round(POINTS, round_id=0)
    assert fleet.workers == tuple(f"worker-{i}" for i in range(5))
    assert messages.status == ("ok",) * 5
    np.testing.assert_array_equal(messages.values, QuarticSaddle(m=5).gradients(POINTS))


def test_a_closed_fleet_says_what_to_do() -> None:
    fleet = LocalFleet(QuarticSaddle())
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


def test_a_loss_that_raises_here_ends_the_run_and_the_checkpoint_stays(tmp_path: Path) -> None:
    class Raising(QuarticSaddle):
        """Its third round fails."""

        asked = 0

        def gradients(self, points: Any) -> Any:
            self.asked += 1
            if self.asked == 3:
                raise ZeroDivisionError("the third round")
            return super().gradients(points)

    loop: dict[str, Any] = {"optimizer": GradientDescent(step=0.1), "b": 1, "max_rounds": 5}
    loop |= {"seed": 0, "certify": False, "checkpoint": tmp_path / "run"}
    with pytest.raises(ZeroDivisionError, match="the third round"):
        minimize(Raising(), **loop)
    assert len(minimize(Raising(), resume=True, **loop | {"max_rounds": 3}).trace) == 3
