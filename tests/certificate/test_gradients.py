"""Certificates of workers that answer gradients only, and of an oracle of known inexactness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.certificate import Certificate
from saddleproof.fleets.base import OK, Announcement, Messages

M, B = 20, 6
WIDE = [-0.4, *np.linspace(0.3, 1.0, 299)]


class Workers:
    """Worker i's gradient is A_i w + t_i; that is all it answers."""

    def __init__(self, matrices: Vector, tilts: Vector) -> None:
        self.matrices, self.tilts = matrices, tilts
        self.m = len(matrices)

    def gradients(self, points: Vector) -> Vector:
        linear = np.einsum("mkl,ql->qmk", self.matrices.astype(points.dtype), points)
        found: Vector = (linear + self.tilts).astype(points.dtype)
        return found


def workers(seed: int, values: list[float], *, unlike: float = 0.0) -> Workers:
    generator = np.random.default_rng(seed)
    d = len(values)
    turn = np.linalg.qr(generator.standard_normal((d, d)))[0]
    noise = generator.standard_normal((M, d, d))
    matrices = turn @ np.diag(values) @ turn.T + unlike * (noise + noise.swapaxes(1, 2)) / 2
    return Workers(matrices, 0.1 * generator.standard_normal((M, d)))


class Matrix:
    """Liars that answer as if their Hessian were `matrix`: consistent at all points."""

    def __init__(self, matrix: Vector) -> None:
        self.matrix = matrix

    def __call__(self, view: AttackView) -> Vector:
        return np.repeat((view.points @ self.matrix)[:, None], len(view.members), axis=1)


LIES = ("push", "cancel", "hide", "invent", "stretch", "overflow")


def lie(problem: Workers, name: str) -> Vector:
    """A Hessian that hides the lowest direction, invents one, or stretches every entry."""
    honest = problem.matrices[B:].mean(axis=0)
    e = np.linalg.eigh(honest)[1][:, 0]
    along, signs = np.outer(e, e), np.sign(np.outer(e, e))
    found: Vector = {
        "push": 1.2 * np.eye(len(e)),
        "cancel": honest - (e @ honest @ e) * along,
        "hide": honest + 1e3 * along,
        "invent": honest - 1e3 * along,
        "stretch": honest + 1e6 * signs,
        "overflow": 1e306 * signs,
    }[name]
    return found


def under(problem: Workers, name: str, w: Vector, **options: Any) -> Certificate:
    attack = Matrix(lie(problem, name))
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, range(B))
    return sp.certify(fleet, w, sp.Median(), B, **options)


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("lowest", [-0.4, 0.0, 0.4])
def test_brackets_hold_the_curvature_of_the_honest_mean(name: str, lowest: float) -> None:
    for seed in range(8):
        d = (1, 2, 6)[seed % 3]
        problem = workers(seed, [lowest, *np.linspace(0.5, 1, d - 1)], unlike=0.1)
        truth = float(np.linalg.eigvalsh(problem.matrices[B:].mean(axis=0))[0])
        found = under(problem, name, np.zeros(d))
        assert found.curvature.low <= truth <= found.curvature.high, str(found)
        assert found.level != "proved" or truth >= -found.tolerance
        slope = float(np.linalg.norm(problem.tilts[B:].mean(axis=0)))
        assert found.gradient_bound >= slope


def test_a_clear_minimum_is_proved_and_a_clear_saddle_is_one() -> None:
    problem = workers(0, [0.5, 0.7, 1.0], unlike=0.02)
    w = -np.linalg.solve(problem.matrices.mean(axis=0), problem.tilts.mean(axis=0))
    found = sp.certify(sp.LocalFleet(problem), w, sp.Median(), B, gradient_tolerance=0.2)
    assert found.level == "proved", str(found)
    assert any("two quotients" in sentence for sentence in found.assumptions)
    for name in LIES:
        found = under(workers(0, [-0.3, 0.4, 1.0]), name, np.zeros(3))
        assert found.level in ("saddle", "open")
        assert not found.certified


@pytest.mark.parametrize("name", LIES)
def test_beyond_256_parameters_only_a_saddle_can_be_proved(name: str) -> None:
    problem = workers(0, WIDE)
    found = under(problem, name, np.zeros(300), seed=1)
    assert found.curvature.low == -np.inf
    assert found.curvature.high >= -0.4
    assert found.level in ("saddle", "open")


def test_a_saddle_beyond_256_parameters_is_proved_where_nobody_lies() -> None:
    found = sp.certify(sp.LocalFleet(workers(0, WIDE)), np.zeros(300), sp.Median(), B, seed=0)
    assert found.level == "saddle"
    assert -0.41 < found.curvature.high < -0.3


def test_a_minimum_beyond_256_parameters_stays_open() -> None:
    found = sp.certify(sp.LocalFleet(workers(0, WIDE[1:])), np.zeros(299), sp.Median(), B, seed=0)
    assert found.level in ("open", "majority")
    assert not found.certified


def test_a_float32_point_is_certified_with_longer_steps() -> None:
    problem = workers(6, [0.5, 1.0], unlike=0.01)
    problem.tilts = problem.tilts * 0
    found = sp.certify(sp.LocalFleet(problem), np.zeros(2, dtype=np.float32), sp.Median(), B)
    assert found.level == "proved", str(found)
    assert found.curvature.low <= np.linalg.eigvalsh(problem.matrices.mean(axis=0))[0]


def test_points_that_overflow_beside_this_one_leave_it_open() -> None:
    class Steep(Workers):
        def gradients(self, points: Vector) -> Vector:
            with np.errstate(over="ignore", invalid="ignore"):
                return super().gradients(points) * np.exp(1e9 * points[:, :1])[:, None]

    for d in (2, 300):
        base = workers(0, list(np.linspace(0.3, 1, d)))
        found = sp.certify(
            sp.LocalFleet(Steep(base.matrices, base.tilts)), np.zeros(d), sp.Median(), B, seed=0
        )
        assert found.level == "open"
        assert found.curvature.low == -np.inf


# --------------------------------------------------- an oracle of known inexactness (Definition 3)


class DeltaOracle:
    """One worker that answers grad F plus an error of norm Delta."""

    workers: tuple[str, ...] = ("oracle",)

    def __init__(
        self, gradient: Callable[[Vector], Vector], error: Callable[[Vector], Vector]
    ) -> None:
        self.gradient, self.error = gradient, error

    def announce(self, announcement: Announcement) -> None: ...

    def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
        return Messages((self.gradient(points) + self.error(points))[:, None], (OK,))

    def close(self) -> None: ...


@pytest.mark.parametrize("style", ["random", "signs", "eigen", "zero"])
def test_the_classical_bound_holds_in_every_trial(style: str) -> None:
    for seed in range(20):
        generator = np.random.default_rng(seed)
        d, rho, delta = int(generator.integers(1, 7)), 2.0, 10.0 ** generator.uniform(-4, -1)
        turn = np.linalg.qr(generator.standard_normal((d, d)))[0]
        matrix = turn @ np.diag(generator.uniform(-1, 1, d)) @ turn.T
        lowest, vectors = np.linalg.eigh(matrix)
        e = vectors[:, 0]

        def gradient(x: Vector, matrix: Vector = matrix) -> Vector:
            # Hessian matrix + diag(|x|): 1-Lipschitz, so rho = 2 is allowed
            return x @ matrix + x * np.abs(x) / 2

        def error(
            x: Vector, e: Vector = e, d: int = d, delta: float = delta,
            generator: np.random.Generator = generator,
            gradient: Callable[[Vector], Vector] = gradient,
        ) -> Vector:  # fmt: skip
            way = {
                "random": generator.standard_normal(x.shape),
                "signs": np.sign(x @ np.outer(e, e)),
                "eigen": np.sign(x @ e)[:, None] * e,
                "zero": -gradient(x),
            }[style]
            size = np.linalg.norm(way, axis=1, keepdims=True)
            limit = size if style != "zero" else np.maximum(size, delta)
            unit: Vector = np.divide(way, limit, out=np.zeros_like(way), where=limit > 0)
            return delta * unit

        found = sp.certify(
            DeltaOracle(gradient, error), np.zeros(d), sp.Median(), 0, rho=rho, delta=delta
        )
        bound = (2 * d * rho * delta) ** 0.5
        assert found.curvature.low <= lowest[0] + 1e-12
        assert found.curvature.high >= lowest[0] - 1e-12
        width = found.curvature.high - found.curvature.low
        assert width == pytest.approx(2 * bound, rel=1e-6)  # the bound is the one derived


@pytest.mark.parametrize("delta", [1e-1, 1e-3])
def test_proposition_1_is_never_certified(delta: float) -> None:
    """f_s(w) = Delta^1.5 sin(w / sqrt(Delta) + s): the oracle may answer 0 everywhere."""
    truth = -(delta**0.5)  # the worst f_s''(w) over s, whatever w
    silent = DeltaOracle(np.zeros_like, np.zeros_like)
    for w in (np.zeros(1), np.array([0.3]), np.array([-7.0])):
        known = sp.certify(silent, w, sp.Median(), 0, rho=1.0, delta=delta)
        assert known.curvature.low <= truth
        assert not known.certified
        assert known.gradient_bound >= delta
        assert not sp.certify(silent, w, sp.Median(), 0, delta=delta).certified
