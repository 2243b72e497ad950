"""Claims of HessianPGD: its proofs hold against the worst oracle, and it says no more than that."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof import oracle
from saddleproof.arrays import Vector
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import Messages
from saddleproof.optimizers.curvature import by_workers, narrow, stencil
from saddleproof.optimizers.hessian_pgd import HessianPGD
from saddleproof.optimizers.krylov import Krylov
from saddleproof.testing import check_optimizer

M, B, RHO = 20, 6, 0.5


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


# ------------------------------------------------------------------------------- through workers


@given(seed=st.integers(0, 2**32 - 1), d=st.integers(1, 6), size=st.floats(-3, 6))
@settings(max_examples=60, deadline=None)
def test_entries_hold_the_honest_median_hessian(seed: int, d: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    true = rng.standard_normal((M, d, d))
    true = true + true.swapaxes(1, 2)
    w = rng.standard_normal(d)
    points = np.concatenate([w[None], stencil(w, np.eye(d), narrow(w))])
    stack = np.einsum("mkl,ql->qmk", true, points)
    # One voice: as if every entry of their Hessians were this large, of either sign.
    stack[:, :B] = ((points - w) @ (10.0**size * rng.choice([-1.0, 1.0], (d, d))))[:, None]
    names = tuple(map(str, range(M)))
    reading = oracle.read(
        Messages(stack, ("ok",) * M), sp.Median(), B, points=points, workers=names
    )
    found = by_workers(reading, 1, narrow(w), w)
    off = np.linalg.norm(found.matrix - np.median(true[B:], axis=0), 2)
    assert off <= found.error


PROBLEMS = [sp.problems.Example2, sp.problems.RotatedQuartic, sp.problems.Tensor]


@pytest.mark.parametrize("make", PROBLEMS)
@pytest.mark.parametrize("style", ["push", "hold", "cancel"])
@pytest.mark.parametrize("hessian", ["full", "krylov"])
def test_it_leaves_saddles_through_workers_without_rho(make: Any, style: Any, hessian: str) -> None:
    problem = make(seed=0)
    attack = sp.SaddleAttack(problem.saddle, style=style)
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(B))
    result = sp.minimize(fleet, HessianPGD(hessian=hessian), b=B, max_rounds=200, seed=1)
    assert problem.left_saddle(result.w)
    assert result.success
    if hessian == "full":
        assert result.certificate.certified


@dataclass(frozen=True)
class Vote:
    """Liars that claim whatever step is tested to go steeply down, or up."""

    scale: float

    def __call__(self, view: Any) -> Vector:
        away = view.points - view.points[0]
        return np.repeat(self.scale * away[:, None], len(view.members), axis=1)


ATTACKS = [Vote(-1e6), Vote(1e6), sp.SignFlip(), sp.Gaussian(), sp.SaddleAttack(style="cancel")]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("hessian", ["full", "krylov"])
def test_steps_out_of_a_small_gradient_go_down_and_tossed_ones_on_average(
    attack: Any, hessian: str
) -> None:
    proved = tossed = 0
    for seed in range(4):
        problem = sp.problems.Hetero10(seed=seed)
        fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(B))
        seen: list[Any] = []
        sp.minimize(
            fleet, HessianPGD(hessian=hessian), b=B, max_rounds=60, seed=seed,
            callback=seen.append, certify=False,
        )  # fmt: skip
        for before, after in pairwise(seen):
            if after.state.escaped == before.state.escaped:
                continue
            step = after.w - before.w
            ends = [problem.values(before.w + sign * step)[B:].mean() for sign in (0, 1, -1)]
            if after.state.stream == before.state.stream:
                proved += 1
                assert ends[1] < ends[0]
            else:
                tossed += 1
                assert (ends[1] + ends[2]) / 2 < ends[0]
    assert proved + tossed


def test_a_hidden_slope_is_left_by_a_fair_coin() -> None:
    # The liars' votes on the slope outweigh the curvature on either side alone.
    for seed in range(6):
        problem = sp.problems.Hetero10(seed=seed)
        attack = sp.SaddleAttack(problem.saddle, style="push")
        fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(B))
        result = sp.minimize(fleet, HessianPGD(), b=B, seed=seed, max_rounds=60, certify=False)
        assert problem.left_saddle(result.w)


def test_a_minimum_is_proved_and_not_left() -> None:
    problem = sp.problems.Tensor(seed=2)
    attack = sp.SaddleAttack(problem.saddle)
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(B))
    result = sp.minimize(fleet, HessianPGD(), b=B, w0=problem.minimum, seed=0)
    assert result.status == "second_order"
    assert np.linalg.norm(result.w - problem.minimum) < 0.2


# ------------------------------------------------------------------------------- beyond small d


def space(hessian: Vector, rounds: int, seed: int, tilts: float = 0.0) -> Krylov:
    """The Krylov space of exact products; workers differ by tilts only."""
    d = len(hessian)
    rng = np.random.default_rng(seed)
    own = tilts * rng.standard_normal((M, d))
    w, names = np.zeros(d), tuple(map(str, range(M)))
    found = Krylov.begin(rng, d)
    while found.rounds < rounds and len(found.block):
        points = found.points(w, 1e-3)
        stack = (points @ hessian)[:, None] + own
        read = Messages(stack, ("ok",) * M)
        reading = oracle.read(read, sp.Median(), B, points=points, workers=names)
        found = found.grow(reading, w, 1e-3)
    return found


def test_the_krylov_space_reads_the_hessian_off_the_workers() -> None:
    rng = np.random.default_rng(0)
    hessian = rng.standard_normal((30, 30))
    hessian = hessian + hessian.T
    found = space(hessian, 4, seed=1, tilts=10.0)
    Q = found.basis[: len(found.products)]
    assert len(Q) == 16
    assert np.allclose(found.basis @ found.basis.T, np.eye(len(found.basis)), atol=1e-10)
    assert np.abs(found.centre - Q @ hessian @ Q.T).max() <= found.halfwidth.max() < 1e-8
    theta, v = found.lowest()
    assert theta == pytest.approx(v @ hessian @ v)
    assert found.residual() == pytest.approx(np.linalg.norm(hessian @ v - theta * v), rel=1e-6)


def test_an_invariant_space_ends_the_search() -> None:
    found = space(np.diag([-1.0, 1.0] * 10), 12, seed=0)
    assert found.rounds == 2
    assert found.lowest()[0] == pytest.approx(-1.0)


@pytest.mark.parametrize("rounds", [3, 6, 12])
def test_what_the_rounds_may_have_missed_is_covered(rounds: int) -> None:
    missed = []
    for seed in range(25):
        values = np.concatenate([[-1.0], np.linspace(-0.95, 1.0, 199)])
        found = space(np.diag(values), rounds, seed)
        missed.append(found.unseen() < 1.0)
    assert np.mean(missed) <= 0.05


def test_a_krylov_search_never_claims_a_second_order_point() -> None:
    problem = sp.problems.Tensor(seed=0)
    result = sp.minimize(
        problem, HessianPGD(hessian="krylov"), b=B, w0=problem.minimum, seed=0, certify=False
    )
    assert result.status == "no_escape_found"
    assert "Krylov" in result.message


def test_large_d_asks_for_a_krylov_space_by_itself() -> None:
    problem = sp.problems.RotatedQuartic(seed=0, d=300)
    attack = sp.SaddleAttack(problem.saddle)
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(B))
    result = sp.minimize(fleet, HessianPGD(), b=B, seed=0, max_rounds=100, certify=False)
    assert problem.left_saddle(result.w)
    assert max(record.queries for record in result.trace) < 200


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
    assert run.status in ("no_escape_found", "unresolved")
    assert np.array_equal(run.point, [0.0, 0.0])


def test_a_third_of_liars_is_refused_where_ranks_decide() -> None:
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
