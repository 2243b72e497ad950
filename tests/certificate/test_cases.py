"""Points for which certificates were false once, with what is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.arrays import Vector
from saddleproof.certificate import Certificate


class StiffWell:
    """A double well in x beside stiffness * y^2 / 2: the saddle at 0 has curvature -1."""

    d = 2

    def __init__(self, stiffness: float) -> None:
        self.stiffness = stiffness

    def value(self, w: Vector, tilt: Vector) -> float:
        return float((w[0] ** 2 - 1) ** 2 / 4 + self.stiffness * w[1] ** 2 / 2 + tilt @ w)

    def gradient(self, points: Vector, tilt: Vector) -> Vector:
        columns = [points[:, 0] ** 3 - points[:, 0], self.stiffness * points[:, 1]]
        found: Vector = np.stack(columns, axis=1) + tilt
        return found


class FarWell:
    """A double well in x beside a parameter that rests at 1e6: the saddle is (0, 1e6)."""

    d = 2

    def value(self, w: Vector, _: Any) -> float:
        return float((w[0] ** 2 - 1) ** 2 / 4 + (w[1] - 1e6) ** 2 / 2)

    def gradient(self, points: Vector, _: Any) -> Vector:
        return np.stack([points[:, 0] ** 3 - points[:, 0], points[:, 1] - 1e6], axis=1)


class Bowl:
    """One worker's loss is curvature * w^2 / 2."""

    d = 1

    def value(self, w: Vector, curvature: float) -> float:
        return 0.5 * curvature * float(w[0]) ** 2

    def gradient(self, points: Vector, curvature: float) -> Vector:
        return curvature * points


class GradientsOnly(sp.LocalFleet):
    """The same workers, asked for gradients alone."""

    def __init__(self, problem: Any) -> None:
        super().__init__(problem)
        self.questions = (sp.questions.Gradients,)


@pytest.fixture(params=[sp.LocalFleet, GradientsOnly], ids=["asked", "gradients only"])
def fleet_of(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("stiffness", [1, 10, 100, 1e4, 1e8])
def test_a_saddle_beside_any_stiffness_is_a_saddle(stiffness: float, fleet_of: Any) -> None:
    tilts = list(np.random.default_rng(0).normal(size=(12, 2)) * 0.05)
    found = sp.certify(
        fleet_of(sp.Problem(StiffWell(stiffness), tilts)), np.zeros(2), sp.Median(), 2
    )
    assert found.level == "saddle"
    assert found.curvature.low <= -1 <= found.curvature.high < -0.9


def test_a_saddle_beside_a_far_parameter_is_a_saddle(fleet_of: Any) -> None:
    problem, saddle = sp.Problem(FarWell(), [None] * 7), np.array([0.0, 1e6])
    found = sp.certify(fleet_of(problem), saddle, sp.Median(), 2)
    assert found.level == "saddle"
    assert found.curvature.low <= -1 <= found.curvature.high
    assert np.allclose(problem.hessian(saddle), np.diag([-1.0, 1.0]), atol=1e-3)


@pytest.mark.parametrize(("m", "b"), [(20, 4), (50, 5), (100, 10), (200, 20)])
@pytest.mark.parametrize("kind", ["exponential", "lognormal", "two groups"])
def test_skewed_curvatures_certify_no_saddle(m: int, b: int, kind: str) -> None:
    """The honest mean is -.05, and the liars say the most convex honest value."""
    for seed in range(6):
        generator = np.random.default_rng(seed)
        draw = {
            "exponential": generator.exponential(size=m),
            "lognormal": generator.lognormal(size=m),
            "two groups": generator.choice([0.0, 3.0], m, p=[0.8, 0.2]),
        }[kind]
        curvatures = draw[b:].mean() - 0.05 - draw
        curvatures[:b] = curvatures[b:].max()
        truth = float(curvatures[b:].mean())
        fleet = sp.LocalFleet(sp.Problem(Bowl(), list(curvatures)))
        found = sp.certify(fleet, np.zeros(1), sp.Median(), b)
        assert found.level != "proved"
        assert found.curvature.low <= truth <= found.curvature.high


def bowls(curvatures: list[float], b: int, **options: Any) -> Certificate:
    fleet = sp.LocalFleet(sp.Problem(Bowl(), curvatures))
    return sp.certify(fleet, np.zeros(1), sp.Median(), b, **options)


def test_from_a_third_on_proofs_still_hold_and_are_used() -> None:
    found = bowls([1.0] * 20, 9)
    assert found.level == "proved"
    assert any("deny" in sentence for sentence in found.assumptions)
    assert bowls([-1.0] * 20, 9).level == "saddle"


def test_one_worker_that_answers_anything_loud_is_named() -> None:
    for lie in (-1e9, -1e100, -1e154):
        found = bowls([1.0] * 9 + [lie], 3)
        assert found.level == "conditional"
        assert found.conditional is not None
        assert found.conditional.without == ("worker-9",)


def test_without_liars_the_bracket_is_the_mean() -> None:
    found = bowls([1.0, 2.0, 6.0], 0)
    assert found.curvature.low == pytest.approx(3.0, abs=1e-6)
    assert found.curvature.high == pytest.approx(3.0, abs=1e-6)
    assert found.risk == 0.0
