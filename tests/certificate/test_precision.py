"""Workers that compute coarsely, or with numbers of any size, make no bound false."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.arrays import Vector

M, B = 9, 2


class Quadratic:
    """w'A w / 2 + t'w, in float32 where `single`; `hidden` goes on in float64."""

    def __init__(self, d: int, *, single: bool, hidden: bool = False) -> None:
        self.d, self.single, self.hidden = d, single, hidden

    def value(self, w: Vector, data: tuple[Vector, Vector]) -> float:
        return float(w @ data[0] @ w / 2 + data[1] @ w)

    def gradient(self, points: Vector, data: tuple[Vector, Vector]) -> Vector:
        A, t = data
        if not self.single:
            return points @ A + t
        short = points.astype(np.float32) @ A.astype(np.float32) + t.astype(np.float32)
        return self._sent(short)

    def _sent(self, short: Any) -> Vector:
        sent: Vector = short.astype(float)
        # A factor that is 1 for all that matters, and leaves no digit of a float32.
        return sent * (1 + 1e-13) if self.hidden else sent


class WithProduct(Quadratic):
    """The same, with Hessian-vector products in the same arithmetic."""

    def product(self, _: Vector, v: Vector, data: tuple[Vector, Vector]) -> Vector:
        if not self.single:
            return data[0] @ v
        return self._sent(data[0].astype(np.float32) @ v.astype(np.float32))


class GradientsOnly(sp.LocalFleet):
    """Workers that answer gradients alone."""

    def __init__(self, problem: Any) -> None:
        super().__init__(problem)
        self.questions = (sp.questions.Gradients,)


def valley(seed: int, d: int) -> tuple[Vector, Vector]:
    """A float32 matrix with lowest eigenvalue 0 but for its rounding, and a point."""
    generator = np.random.default_rng(seed)
    turn = np.linalg.qr(generator.standard_normal((d, d)))[0]
    A = turn @ np.diag(np.r_[0.0, generator.uniform(0.5, 4, d - 1)]) @ turn.T
    A = (A + A.T).astype(np.float32).astype(float) / 2
    w = generator.standard_normal(d) * 10 ** generator.uniform(-1, 2)
    return A, w.astype(np.float32).astype(float)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("loss", [Quadratic, WithProduct])
def test_float32_in_float64_messages_proves_nothing_false(
    loss: type[Quadratic], hidden: bool
) -> None:
    levels: list[str] = []
    for seed in range(60):
        d = (2, 3, 20)[seed % 3]
        A, w = valley(seed, d)
        problem = sp.Problem(loss(d, single=True, hidden=hidden), [(A, -A @ w)] * M)
        found = sp.certify(sp.LocalFleet(problem), w, sp.Median(), B, seed=seed)
        truth = float(np.linalg.eigvalsh(A)[0])
        assert found.curvature.low <= truth <= found.curvature.high
        assert found.level != "saddle"
        levels.append(found.level)
    assert levels.count("proved") > 20


def test_float32_beyond_the_lanczos_steps_proves_nothing_false() -> None:
    for seed in range(8):
        A, w = valley(seed, 120)
        problem = sp.Problem(WithProduct(120, single=True, hidden=True), [(A, -A @ w)] * M)
        found = sp.certify(sp.LocalFleet(problem), w, sp.Median(), B, seed=seed)
        assert found.curvature.low <= np.linalg.eigvalsh(A)[0] <= found.curvature.high


@pytest.mark.parametrize("hidden", [False, True])
def test_float32_messages_of_gradients_alone_prove_nothing_false(hidden: bool) -> None:
    for seed in range(60):
        d = (2, 3, 20)[seed % 3]
        A, w = valley(seed, d)
        problem = sp.Problem(Quadratic(d, single=True, hidden=hidden), [(A, -A @ w)] * M)
        found = sp.certify(GradientsOnly(problem), w, sp.Median(), B, seed=seed)
        assert found.curvature.low <= np.linalg.eigvalsh(A)[0] <= found.curvature.high


def test_a_clear_saddle_in_float32_is_seen() -> None:
    A = np.diag([-1.0, 2.0])
    for loss in (Quadratic, WithProduct):
        fleet = sp.LocalFleet(sp.Problem(loss(2, single=True), [(A, np.zeros(2))] * M))
        assert sp.certify(fleet, np.ones(2), sp.Median(), B).level == "saddle"
    only = GradientsOnly(sp.Problem(Quadratic(2, single=True), [(A, np.zeros(2))] * M))
    assert sp.certify(only, np.ones(2), sp.Median(), B).refuted


@pytest.mark.parametrize("offset", [1e3, 1e5])
def test_large_gradients_that_cancel_between_workers_hide_no_curvature(offset: float) -> None:
    """In float32 a curvature of -1e-3 is less than the last place of such a gradient."""
    A, shifts = np.diag([1.0, -1e-3]), [np.array([0, offset * (-1) ** i]) for i in range(10)]
    for hidden in (False, True):
        problem = sp.Problem(Quadratic(2, single=True, hidden=hidden), [(A, t) for t in shifts])
        for fleet in (sp.LocalFleet(problem), GradientsOnly(problem)):
            found = sp.certify(fleet, np.zeros(2), sp.Median(), B)
            assert found.curvature.low <= -1e-3 <= found.curvature.high


class Cancelling(Quadratic):
    """F_i is a huge quadratic minus the same one, but for `A`."""

    HUGE = 1e10 * np.array([[1.0, 0.3], [0.3, 1.0]])

    def gradient(self, points: Vector, data: tuple[Vector, Vector]) -> Vector:
        return points @ (self.HUGE + data[0]) / 3 * 3 - points @ self.HUGE / 3 * 3

    def product(self, _: Vector, v: Vector, data: tuple[Vector, Vector]) -> Vector:
        return (self.HUGE + data[0]) @ v / 3 * 3 - self.HUGE @ v / 3 * 3


def test_huge_terms_that_cancel_within_a_worker_leave_the_bracket_true() -> None:
    for power in np.arange(-7, -4, 0.25):
        lowest = float(10**power)
        problem = sp.Problem(Cancelling(2, single=False), [(np.diag([lowest, 1.0]), None)] * M)
        found = sp.certify(sp.LocalFleet(problem), np.array([0.1, 0.7]), sp.Median(), B)
        assert found.curvature.low <= lowest <= found.curvature.high


@pytest.mark.parametrize("d", [1, 2, 3])
def test_noisy_gradients_prove_nothing_false(d: int) -> None:
    generator = np.random.default_rng(0)

    class Noisy(Quadratic):
        def gradient(self, points: Vector, data: tuple[Vector, Vector]) -> Vector:
            noise = 1e-3 * generator.standard_normal(points.shape)
            return super().gradient(points, data) + noise

    values = np.r_[0.3, np.ones(d - 1)]
    problem = sp.Problem(Noisy(d, single=False), [(np.diag(values), np.zeros(d))] * M)
    for _ in range(20):
        found = sp.certify(sp.LocalFleet(problem), np.zeros(d), sp.Median(), B)
        assert found.curvature.low <= 0.3 <= found.curvature.high


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e-155, 1e-100, 1e150, 1e154, 1e160, 1e300])
@pytest.mark.parametrize("d", [3, 100])
def test_numbers_of_any_size_leave_the_bounds_true(d: int, scale: float) -> None:
    A = np.diag(np.r_[-0.5, np.linspace(0.1, 1, d - 1)]) * scale
    problem = sp.Problem(WithProduct(d, single=False), [(A, np.full(d, scale))] * 7)
    found = sp.certify(sp.LocalFleet(problem), np.zeros(d), sp.Median(), 2, seed=0)
    assert found.curvature.low <= -0.5 * scale <= found.curvature.high
    assert found.gradient_bound >= scale * d**0.5 * (1 - 1e-9)
    assert found.level in ("open", "saddle")


def test_a_liar_whose_squares_overflow_stops_no_certificate() -> None:
    for lie in (1e154, -1e154, 1e200, 1e300):
        shards = [(np.eye(2), np.zeros(2))] * 8 + [(np.eye(2) * lie, np.full(2, lie))]
        problem = sp.Problem(WithProduct(2, single=False), shards)
        found = sp.certify(sp.LocalFleet(problem), np.ones(2) * 1e-9, sp.Median(), 2)
        assert found.curvature.low <= 1 <= found.curvature.high
        assert found.level == "conditional", str(found)
        assert found.conditional is not None
        assert found.conditional.without == ("worker-8",)


def test_a_loss_with_structure_at_many_scales_is_bracketed() -> None:
    """sum_k s_k^2 sin(w / s_k): curvature of every scale at once."""
    scales = 10.0 ** -np.arange(0, 6)

    class Rough(Quadratic):
        def value(self, w: Vector, data: Any) -> float:
            return float((scales**2 * np.sin(w[0] / scales)).sum())

        def gradient(self, points: Vector, data: Any) -> Vector:
            found: Vector = (scales * np.cos(points / scales)).sum(axis=1, keepdims=True)
            return found

    problem = sp.Problem(Rough(1, single=False), [None] * 5)
    for w in np.random.default_rng(0).uniform(-3, 3, 30):
        truth = -float(np.sin(w / scales).sum())
        found = sp.certify(sp.LocalFleet(problem), np.array([w]), sp.Median(), 1)
        assert found.curvature.low <= truth <= found.curvature.high
