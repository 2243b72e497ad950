"""What GradientOnlyPGD assumes of its workers: where that is needed, and where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.fleets.base import Messages
from saddleproof.problems.quartic import TiltedQuartic

B = 6


class ChangingLiars(sp.LocalFleet):
    """Six other workers vote at every query point: up, or down, from the saddle."""

    def __init__(self, problem: Any, vote: float) -> None:
        super().__init__(problem)
        self._rng, self._vote = np.random.default_rng(0), vote

    def round(self, points: np.ndarray, *, round_id: int, timeout: float | None = None) -> Messages:
        honest = super().round(points, round_id=round_id)
        values = honest.values.copy()
        for k, w in enumerate(points):
            liars = self._rng.permutation(values.shape[1])[:B]
            values[k, liars] = self._vote * (w - self.problem.saddle)
        return Messages(values, honest.status)


def test_liars_that_change_from_point_to_point_break_its_sums_and_it_says_so() -> None:
    """Nearly every worker lies at one of the nodes of a segment, but at each node only six do."""
    problem = sp.problems.Example2(seed=0, n=40_000)
    options = {"b": B, "w0": problem.start, "seed": 0, "max_rounds": 100, "certify": False}
    result = sp.minimize(ChangingLiars(problem, 10.0), sp.GradientOnlyPGD(), **options)
    assert result.status == "unresolved"


class FreshSamples(sp.LocalFleet):
    """Honest workers that draw new data in every round, or, where they must not, at every point."""

    problem: TiltedQuartic

    def __init__(self, problem: TiltedQuartic, n: int, every: str = "round") -> None:
        super().__init__(problem)
        self._rng, self._n, self._every = np.random.default_rng(0), n, every

    def round(self, points: np.ndarray, *, round_id: int, timeout: float | None = None) -> Messages:
        if self._every == "point":
            rows = [self._drawn(point[None]) for point in points]
            return Messages(np.concatenate(rows), ("ok",) * len(self.workers))
        return Messages(self._drawn(points), ("ok",) * len(self.workers))

    def _drawn(self, points: np.ndarray) -> np.ndarray:
        shape = self.problem.tilts.shape
        tilts = self._rng.standard_normal(shape) / np.sqrt(self._n)
        return self.problem.gradients(points) - self.problem.tilts + tilts


def attacked(problem: Any, **options: Any) -> sp.Coalition:
    attack = sp.SaddleAttack(problem.saddle)
    return sp.Coalition(FreshSamples(problem, 2000, **options), attack, members=range(B))


@pytest.mark.parametrize("seed", range(4))
def test_with_fresh_samples_in_every_round_a_clear_jump_lowers_the_population(
    seed: int,
) -> None:
    """The landing was chosen before the data that speak for it were drawn."""
    problem = sp.problems.Example2(seed=seed)
    problem.tilts[:] = 0  # what is left is the population's F
    rises: list[float] = []
    before: list[Any] = [None]

    def watch(progress: Any) -> None:
        old, state = before[0], progress.state
        if old is not None and old.phase == "escape" and state.phase == "descend":
            rises.append(problem.value(state.main.w) - problem.value(state.escape.anchor))
        before[0] = state

    options = {"b": B, "w0": problem.start, "seed": seed, "max_rounds": 100, "certify": False}
    result = sp.minimize(attacked(problem), sp.GradientOnlyPGD(), callback=watch, **options)
    assert rises
    assert max(rises) < 0
    assert problem.left_saddle(result.w)


def test_other_samples_at_every_point_cost_the_cancellation() -> None:
    """Differences of one worker then hold the noise of two draws, and the survey says so."""

    def spread(every: str) -> float:
        problem, seen = sp.problems.Example2(seed=0), []

        def watch(progress: Any) -> None:
            if progress.state.escape is not None:
                seen.append(progress.state.escape.model.spread)

        options = {"b": B, "w0": problem.start, "seed": 0, "max_rounds": 15, "certify": False}
        fleet = attacked(problem, every=every)
        sp.minimize(fleet, sp.GradientOnlyPGD(), callback=watch, **options)
        return max(seen)

    assert spread("round") < 1e-9
    assert spread("point") > 0.1
