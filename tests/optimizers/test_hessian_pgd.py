"""Claims of HessianPGD: its proofs hold against the worst oracle, and it says no more than that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof import oracle
from saddleproof.arrays import Vector
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.optimizers.hessian.hessian_pgd import HessianPGD
from saddleproof.testing import check_optimizer

B, RHO = 6, 0.5


class Flat:
    """F = rho cos(e'w) + w'Bw/2: a saddle at 0, minima at e'w = +-pi, flat along one direction."""

    def __init__(self, d: int, seed: int) -> None:
        Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]
        self.d, self.e = d, Q[:, 0]
        self.B = Q[:, 2:] @ np.diag(np.linspace(0.3, 1, d - 2)) @ Q[:, 2:].T

    def value(self, w: Vector) -> float:
        return float(RHO * np.cos(self.e @ w) + w @ self.B @ w / 2)

    def gradients(self, points: Vector) -> Vector:
        return points @ self.B - RHO * np.sin(points @ self.e)[:, None] * self.e

    def hessian(self, w: Vector) -> Vector:
        return self.B - RHO * np.cos(self.e @ w) * np.outer(self.e, self.e)


@dataclass
class Adversary:
    """Workers of one voice: anything within Delta of grad F, to hide or to fake curvature."""

    truth: Flat
    inexactness: float
    style: str
    m: int = 3

    def gradients(self, points: Vector) -> Vector:
        true = self.truth.gradients(points)
        values, vectors = np.linalg.eigh(self.truth.hessian(points[0]))
        v, hide = vectors[:, 0], 1.0 if values[0] < -1e-9 else -1.0
        side = np.sign((points - points[0]) @ v)[:, None]
        error = {
            "random": np.random.default_rng(0).standard_normal(points.shape),
            "sign": hide * side * np.sign(v),
            "eigen": hide * side * v,
            "zero": -true,
        }[self.style]
        length = np.linalg.norm(error, axis=1, keepdims=True)
        limit = np.maximum(length, self.inexactness if self.style == "zero" else 1e-300)
        return np.repeat((true + self.inexactness * error / limit)[:, None], self.m, axis=1)


STYLES = ["random", "sign", "eigen", "zero"]


def against(truth: Flat, inexactness: float, style: str) -> sp.Result:
    fleet = sp.LocalFleet(Adversary(truth, inexactness, style))
    optimizer = HessianPGD(rho=RHO, inexactness=inexactness, step=1.0)
    start = np.full(truth.d, 1e-3)
    return sp.minimize(fleet, optimizer, b=0, w0=start, max_rounds=10**5, certify=False)


def promise(d: int, inexactness: float) -> float:
    return float((2 * (2 * d) ** 0.5 + 6**0.5) * (RHO * inexactness) ** 0.5)


# ------------------------------------------------------------------------------- the theorem


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("inexactness", [1e-3, 1e-5])
def test_the_theorem_holds_against_the_worst_oracle(style: str, inexactness: float) -> None:
    for seed, d in enumerate([2, 5, 12]):
        truth = Flat(d, seed)
        result = against(truth, inexactness, style)
        low = result.state.found.low
        assert result.status == "second_order"
        assert np.linalg.norm(truth.gradients(result.w[None])) <= 4 * inexactness
        assert -promise(d, inexactness) - 1e-9 <= low
        assert low <= np.linalg.eigvalsh(truth.hessian(result.w))[0] + 1e-9
        excess = truth.value(np.full(d, 1e-3)) - truth.value(np.pi * truth.e)
        budget = 2 * excess / (3 * inexactness**2)
        budget += 2 * excess * (RHO / (6 * inexactness**3)) ** 0.5 + 2
        assert result.rounds <= budget


@pytest.mark.parametrize("style", ["random", "sign", "eigen"])
def test_the_certified_curvature_falls_with_the_square_root_of_the_inexactness(style: str) -> None:
    deltas = 10.0 ** -np.arange(3, 9)
    truth = Flat(8, seed=1)
    certified = [-against(truth, delta, style).state.found.low for delta in deltas]
    slope = np.polyfit(np.log(deltas), np.log(certified), 1)[0]
    assert abs(slope - 0.5) < 0.03


def test_the_bound_of_the_hessian_is_attained_in_one_dimension(drive: Any) -> None:
    # F = -rho |x|^3 / 6 has no curvature at 0; differences show -rho h / 2, the oracle -Delta/h.
    inexactness = 1e-4

    def gradient(x: Vector) -> Vector:
        return -RHO * x * np.abs(x) / 2 - inexactness * np.sign(x)

    run = drive(HessianPGD(rho=RHO, inexactness=inexactness), gradient, [0.0])
    run.run(10)
    e = (2 * RHO * inexactness) ** 0.5
    assert run.state.found.value == pytest.approx(-e)
    assert run.state.found.error == pytest.approx(e)
    assert run.state.found.high == pytest.approx(0, abs=1e-12)


def test_a_step_is_taken_only_where_f_must_fall(drive: Any) -> None:
    # F = Delta x - c x^2 / 2 + rho x^3 / 6: the oracle hides the slope and overstates c.
    inexactness, taken = 1e-4, []
    h = (2 * inexactness / RHO) ** 0.5
    for c in np.linspace(1.0, 6.0, 41) * (RHO * inexactness) ** 0.5:

        def gradient(x: Vector, c: float = c) -> Vector:
            true = inexactness - c * x + RHO * x**2 / 2
            return true - inexactness * np.where(x < 0, -1.0, 1.0)

        run = drive(HessianPGD(rho=RHO, inexactness=inexactness), gradient, [0.0])
        run.round()
        run.round()
        taken.append(run.state.escaped)
        x = run.point[0]
        fall = -(inexactness * x - c * x**2 / 2 + RHO * x**3 / 6)
        assert x == 0 or x == pytest.approx((c - inexactness / h) / RHO)
        assert fall >= taken[-1] * (RHO * x) ** 3 / (6 * RHO**2) - 1e-15
    assert taken[0] == 0
    assert taken[-1] == 1


@pytest.mark.parametrize("slope", [-2e-4, 2e-4])
def test_a_step_goes_against_the_slope_that_was_read(drive: Any, slope: float) -> None:
    run = drive(HessianPGD(rho=RHO, inexactness=1e-4), lambda x: slope - x, [0.0])
    run.round()
    run.round()
    assert run.state.escaped == 1
    assert np.sign(run.point[0]) == -np.sign(slope)


def test_an_escape_lowers_f_by_what_is_promised() -> None:
    for seed in range(8):
        truth, inexactness = Flat(6, seed), 10.0 ** -(3 + seed % 2)
        fleet = sp.LocalFleet(Adversary(truth, inexactness, STYLES[seed % 4]))
        optimizer = HessianPGD(rho=RHO, inexactness=inexactness, step=1.0)
        state = optimizer.init(np.zeros(6), seed=0)
        escaped, before = 0, truth.value(np.zeros(6))
        for _ in range(40):
            points = optimizer.ask(state)
            reading = oracle.read(
                fleet.round(points, round_id=0), sp.Median(), 0, points=points,
                workers=fleet.workers,
            )  # fmt: skip
            state = optimizer.tell(state, reading)
            now = truth.value(optimizer.point(state))
            if state.escaped > escaped:
                assert now <= before - 6**0.5 * inexactness**1.5 / RHO**0.5
            escaped, before = state.escaped, now
        assert escaped > 0


@pytest.mark.parametrize("style", ["random", "sign", "eigen"])
def test_a_krylov_search_of_such_an_oracle_proves_a_saddle_and_never_a_minimum(style: str) -> None:
    for seed in range(4):
        truth, inexactness = Flat(12, seed), 1e-4
        fleet = sp.LocalFleet(Adversary(truth, inexactness, style))
        optimizer = HessianPGD(rho=RHO, inexactness=inexactness, step=1.0, hessian="krylov")
        options = {"b": 0, "w0": np.zeros(12), "max_rounds": 10**4, "certify": False}
        result = sp.minimize(fleet, optimizer, seed=seed, **options)
        assert result.state.escaped > 0  # a step was proved
        assert result.status == "no_escape_found"
        assert truth.value(result.w) < truth.value(np.zeros(12))
        lowest = np.linalg.eigvalsh(truth.hessian(result.w))[0]
        assert result.state.found.high >= lowest - 1e-12


def test_where_the_oracle_may_answer_nothing_no_more_than_sqrt_delta_is_claimed() -> None:
    # Proposition 1: f_s'' of Delta^1.5 sin(w / sqrt(Delta) + s) reaches -sqrt(Delta).
    class Silent:
        m = 3

        def gradients(self, points: Vector) -> Vector:
            return np.zeros((len(points), 3, 1))

    for inexactness in (1e-1, 1e-4):
        optimizer = HessianPGD(rho=1.0, inexactness=inexactness)
        result = sp.minimize(sp.LocalFleet(Silent()), optimizer, b=0, w0=np.ones(1), certify=False)
        assert result.state.found.low <= -(inexactness**0.5)
        assert result.rounds == 2


# ------------------------------------------------------------------------------- the house


@pytest.mark.parametrize(
    "optimizer",
    [HessianPGD(), HessianPGD(rho=1.0), HessianPGD(hessian="krylov"),
     HessianPGD(rho=1.0, inexactness=1e-3, step=0.1)],
)  # fmt: skip
def test_it_is_a_member_of_the_family(optimizer: HessianPGD) -> None:
    check_optimizer(optimizer)
    check_optimizer(optimizer, sp.problems.Example2(seed=0), b=B)


@pytest.mark.parametrize(
    "optimizer",
    [HessianPGD(), HessianPGD(rho=1.0), HessianPGD(hessian="krylov"),
     HessianPGD(rho=1.0, inexactness=1e-3)],
)  # fmt: skip
def test_neighbours_that_overflow_end_the_run_without_a_claim(
    drive: Any, optimizer: HessianPGD
) -> None:
    def gradient(points: Vector) -> Vector:
        return np.where(points == 0, 0.0, np.inf)

    run = drive(optimizer, gradient, [0.0, 0.0])
    assert run.run(50) < 50
    assert run.status == "unresolved"
    assert np.array_equal(run.point, [0.0, 0.0])


def test_a_third_of_liars_is_refused_where_workers_steer() -> None:
    problem = sp.problems.Example2(seed=0)
    with pytest.raises(BreakdownError):
        sp.minimize(problem, HessianPGD(), b=7)


@pytest.mark.parametrize(
    "options",
    [{"rho": 0.0}, {"inexactness": 0.1}, {"tolerance": -1.0}, {"hessian": "half"}, {"rounds": 0}],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        HessianPGD(**options)
