"""CertifiedPGD where a default was wrong once: stiff and far wells, symmetry, many liars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import saddleproof as sp


class Well:
    """((x/s)^2 - 1)^2 / 4 + k (y - y0)^2 / 2 + <tilt, w> / s: a saddle at (0, y0), if no tilt."""

    d = 2

    def __init__(self, size: float = 1.0, stiffness: float = 1.0, rest: float = 0.0) -> None:
        self.size, self.stiffness, self.rest = size, stiffness, rest

    def value(self, w: np.ndarray, tilt: np.ndarray) -> float:
        u, away = w[0] / self.size, w[1] - self.rest
        well = (u**2 - 1) ** 2 / 4 + self.stiffness * away**2 / 2
        return float(well + tilt @ w / self.size)

    def gradient(self, points: np.ndarray, tilt: np.ndarray) -> np.ndarray:
        u, away = points[:, 0] / self.size, points[:, 1] - self.rest
        rows = np.stack([(u**3 - u) / self.size, self.stiffness * away], axis=1)
        return rows + tilt / self.size


def problem_of(loss: Any, tilt: float = 0.0, m: int = 12) -> sp.Problem:
    return sp.Problem(loss, list(np.random.default_rng(0).normal(size=(m, 2)) * tilt))


def ended(problem: Any, w0: list[float], b: int = 2, **options: Any) -> sp.Result:
    return sp.minimize(problem, b=b, w0=np.array(w0), max_rounds=150, **{"seed": 0} | options)


@pytest.mark.parametrize("tilt", [0.0, 0.05])
@pytest.mark.parametrize("stiffness", [1.0, 10.0, 100.0, 1e4, 1e8])
def test_it_leaves_a_saddle_beside_a_coordinate_of_any_stiffness(
    stiffness: float, tilt: float
) -> None:
    result = ended(problem_of(Well(stiffness=stiffness), tilt), [0.0, 0.0])
    assert abs(result.w[0]) == pytest.approx(1.0, abs=0.1)
    assert result.success


@pytest.mark.parametrize("start", [[0.0, 1e6], [1e-3, 1e6], [0.0, 1e6 + 3]])
def test_it_leaves_a_saddle_beside_a_parameter_at_a_million(start: list[float]) -> None:
    problem = problem_of(Well(rest=1e6), m=7)
    result = ended(problem, start)
    np.testing.assert_allclose(np.abs(result.w), [1.0, 1e6], rtol=1e-6)
    assert result.success
    saddle = sp.certify(sp.LocalFleet(problem), np.array([0.0, 1e6]), sp.Median(), 2)
    assert saddle.level == "saddle"


@pytest.mark.parametrize("tilt", [0.0, 0.05])
@pytest.mark.parametrize("size", [1e-6, 1e-3, 1e3, 1e6])
def test_it_leaves_wells_of_any_size(size: float, tilt: float) -> None:
    result = ended(problem_of(Well(size=size, stiffness=1 / size**2), tilt), [0.0, 0.0])
    assert abs(result.w[0]) / size == pytest.approx(1.0, abs=0.1)
    assert result.success


def test_a_well_of_a_millionth_is_left_beside_a_parameter_at_a_million() -> None:
    result = ended(problem_of(Well(size=1e-6, rest=1e6)), [0.0, 1e6])
    assert abs(result.w[0]) / 1e-6 == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("name", ["PCADigits", "Phase", "GaussianMixture", "LinearAutoencoder"])
def test_a_start_where_every_gradient_is_exactly_zero_is_left(name: str) -> None:
    problem = getattr(sp.problems, name)(seed=0)
    origin = np.zeros(problem.d)
    assert not problem.gradients(origin[None]).any()
    result = ended(problem, list(origin), b=6, certify=False)
    values = [problem.values(w).mean() for w in (origin, result.w)]
    assert values[1] < values[0] - 0.1


class Flat:
    d = 3

    def value(self, w: np.ndarray, _: Any) -> float:
        return 0.0

    def gradient(self, points: np.ndarray, _: Any) -> np.ndarray:
        return np.zeros_like(points)


def test_a_flat_loss_ends_where_it_began() -> None:
    result = ended(sp.Problem(Flat(), range(5)), [1.0, 1.0, 1.0], b=1)
    np.testing.assert_array_equal(result.w, np.ones(3))
    assert result.rounds <= 5


# --- few liars, and many --------------------------------------------------------------------------


def attacked(problem: Any, says: str, liars: int) -> sp.Coalition:
    attack = sp.attacks.LyingAnswers(sp.SaddleAttack(problem.saddle), says=says)
    return sp.Coalition(sp.LocalFleet(problem), attack, members=range(liars))


def honest_lowest(problem: Any, w: np.ndarray, liars: int) -> float:
    """lambda_min of the Hessian of the honest workers' mean."""
    axes = np.repeat(np.eye(problem.d)[None], problem.m, axis=0)
    mean = problem.products(w, axes)[liars:].mean(axis=0)
    return float(np.linalg.eigvalsh((mean + mean.T) / 2)[0])


def test_without_liars_it_ends_with_a_proof() -> None:
    for name in ("Example2", "Tensor"):
        problem = getattr(sp.problems, name)(seed=0)
        result = ended(problem, list(problem.start), b=0)
        assert result.success
        assert problem.left_saddle(result.w)
        found, truth = result.certificate.curvature, honest_lowest(problem, result.w, 0)
        assert found.low - 1e-9 <= truth <= found.high + 1e-9


@pytest.mark.parametrize("b", [7, 9])
@pytest.mark.parametrize("says", ["truthful", "against", "for", "forge", "quiet", "loud"])
def test_from_a_third_of_liars_on_no_claim_is_false(says: str, b: int) -> None:
    for name in ("Example2", "UnequalHessians", "Tensor"):
        problem = getattr(sp.problems, name)(seed=1)
        fleet = attacked(problem, says, b)
        result = sp.minimize(fleet, b=b, w0=problem.start, seed=1, max_rounds=30)
        found, truth = result.certificate, honest_lowest(problem, result.w, b)
        assert found.curvature.low - 1e-9 <= truth <= found.curvature.high + 1e-9
        gradient = problem.gradients(result.w[None])[0, b:].mean(axis=0)
        assert np.linalg.norm(gradient) <= found.gradient_bound
        assert found.majority is None
        if result.status == "second_order":
            assert truth >= -found.tolerance
        if result.status == "saddle":
            assert truth < 0


@pytest.mark.parametrize("says", ["huge", "nan", "median"])
def test_one_liar_with_an_absurd_or_a_stolen_answer_changes_little(says: str) -> None:
    problem = sp.problems.Tensor(seed=0)
    result = ended(attacked(problem, says, 1), list(problem.start), b=1)
    assert problem.left_saddle(result.w)
    assert result.certificate.curvature.low - 1e-9 <= honest_lowest(problem, result.w, 1)


class Nearest:
    """|w - z|^2 / 2."""

    d = 2

    def value(self, w: np.ndarray, z: np.ndarray) -> float:
        return float(((w - z) ** 2).sum() / 2)

    def gradient(self, points: np.ndarray, z: np.ndarray) -> np.ndarray:
        return points - z


@pytest.mark.parametrize("offset", [0.0, 10.0, -3.0])
def test_a_descent_ends_where_the_median_says_and_not_where_the_noise_begins(offset: float) -> None:
    """Seven bowls around 0, 1, ..., 6: within the noise of b = 1, but the middle one is 3."""
    shards = [np.array([float(i) + offset, 0.0]) for i in range(7)]
    result = sp.minimize(sp.Problem(Nearest(), shards), b=1, w0=np.zeros(2), seed=0)
    np.testing.assert_allclose(result.w, [3.0 + offset, 0.0], atol=1e-6)
