"""PlateauPGD: minibatch training leaves a saddle by a proved jump, and looks only when due."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.optimizers.certified.propose import Propose
from saddleproof.optimizers.plateaus import PlateauPGD, Test, Train
from saddleproof.testing import check_optimizer

B = 6


class Minibatches(sp.problems.Example2):
    """Gradients are those of fresh rows: the honest noise is of the size of a saddle's slopes."""

    def sampled(self, points: np.ndarray, round_id: int) -> np.ndarray:
        rng = np.random.default_rng([7, round_id])
        return self.gradients(points) + 0.2 * rng.standard_normal((1, self.m, self.d))


class Resting(sp.problems.Example2):
    """A problem without noise, at its minimum."""

    def sampled(self, points: np.ndarray, round_id: int) -> np.ndarray:
        return np.zeros((len(points), self.m, self.d))


def attacked(problem: Any, says: str = "against") -> sp.Coalition:
    attack = sp.attacks.LyingAnswers(sp.SaddleAttack(problem.saddle), says=says)
    return sp.Coalition(sp.LocalFleet(problem), attack, members=range(B))


def trained(fleet: Any, optimizer: Any, **options: Any) -> tuple[list[Any], sp.Result]:
    states: list[Any] = []
    options = {"b": B, "seed": 0, "certify": False, "max_rounds": 300} | options
    result = sp.minimize(
        fleet, optimizer, callback=lambda progress: states.append(progress.state), **options
    )
    return states, result


@pytest.mark.parametrize("says", ["against", "for", "quiet"])
def test_minibatch_training_leaves_the_saddle_that_holds_plain_steps(says: str) -> None:
    problem = Minibatches(seed=0)
    _, result = trained(attacked(problem, says), PlateauPGD(step=0.02))
    assert problem.left_saddle(result.w)
    assert any(record.event.startswith("jump") for record in result.trace)
    plain = sp.GradientDescent(step=0.02)
    held = sp.minimize(attacked(problem), plain, b=B, seed=0, max_rounds=300, certify=False)
    assert not problem.left_saddle(held.w)


def test_a_test_of_the_loss_says_what_is_true_of_the_honest() -> None:
    problem = Minibatches(seed=1)
    states, result = trained(attacked(problem), PlateauPGD(step=0.02, every=10))
    asked = 0
    for before, after in pairwise(states):
        if not isinstance(before.phase, Test):
            continue
        asked += 1
        test = after.tests[-1]
        changes = (problem.values(before.run.w) - problem.values(before.anchor))[B:]
        assert test.low - 1e-12 <= changes.mean() <= test.high
        assert test.fell == (test.high < 0 or test.most < 0)
        if test.most < 0:
            assert 2 * (changes < 0).sum() > len(changes)
        assert (test.since, test.round) == (before.since, before.steps)
    assert asked == len(result.state.tests) > 10


def test_it_asks_for_one_gradient_a_step_and_for_numbers_between() -> None:
    problem = Minibatches(seed=1)
    _, result = trained(sp.LocalFleet(problem), PlateauPGD(step=0.02, every=10), max_rounds=24)
    asked = [record.question for record in result.trace]
    assert asked[:11] == ["Gradients"] * 10 + ["Changes"]
    assert all(record.queries == 1 for record in result.trace if record.question == "Gradients")


def test_looks_that_find_nothing_are_each_twice_as_far_apart() -> None:
    problem = Resting(seed=0)
    states, result = trained(
        sp.LocalFleet(problem), PlateauPGD(step=0.1, every=5), w0=problem.minimum
    )
    looks = [state.steps for state in states if isinstance(state.phase, Propose)]
    assert looks == [5, 10, 20, 40, 80, 160][: len(looks)]
    assert len(looks) >= 5
    np.testing.assert_array_equal(result.w, problem.minimum)


def test_a_loss_that_falls_again_ends_the_wait() -> None:
    optimizer = PlateauPGD(step=0.1, every=5)
    states, _ = trained(sp.LocalFleet(sp.problems.Tensor(seed=0)), optimizer, max_rounds=200)
    fell = [b for a, b in pairwise(states) if isinstance(a.phase, Test) and b.tests[-1].fell]
    assert fell
    assert all((state.due, state.wait) == (state.steps, 5) for state in fell)


def test_patience_ends_a_run_that_has_stopped_to_fall() -> None:
    problem = Resting(seed=0)
    optimizer = PlateauPGD(step=0.1, every=5, patience=12)
    states, result = trained(sp.LocalFleet(problem), optimizer, w0=problem.minimum)
    assert result.status == "stopped"
    assert "since step 0" in result.message
    assert states[-1].steps == 12
    assert isinstance(states[-1].phase, Train)


def test_training_keeps_the_dtype_of_its_start() -> None:
    problem = Minibatches(seed=0)
    start = problem.start.astype(np.float32)
    states, result = trained(attacked(problem), PlateauPGD(step=0.02), w0=start, max_rounds=120)
    assert result.w.dtype == np.float32
    for state in states:
        np.testing.assert_array_equal(state.run.w, state.w.astype(np.float64))


def test_it_passes_the_suite_for_optimizers() -> None:
    check_optimizer(PlateauPGD(step=0.1, every=5), max_rounds=80)


@pytest.mark.parametrize("options", [{"step": 0.0}, {"every": 0}, {"patience": 0}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        PlateauPGD(**({"step": 0.1} | options))
