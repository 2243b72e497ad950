"""Claims of the certificate: its bounds hold under attack, and it says no more than it knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from saddleproof.aggregators.median import Median
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView, Coalition
from saddleproof.certificate import Certificate, certify
from saddleproof.certificate.hessian import (
    Bracket,
    WorkerHessians,
    difference_points,
    worker_hessians,
)
from saddleproof.certificate.record import verdict
from saddleproof.errors import OptionError
from saddleproof.fleets.base import DEAD, LATE, OK, Announcement, Messages
from saddleproof.fleets.local import LocalFleet
from saddleproof.optimizers.base import Evidence

M, B = 20, 6


class Workers:
    """Worker i's gradient is A_i w + 4 c w^3 + t_i, with its own matrix and tilt."""

    def __init__(self, matrices: Vector, tilts: Vector, quartic: float = 0.0) -> None:
        self.matrices, self.tilts, self.quartic = matrices, tilts, quartic
        self.m = len(matrices)

    def gradients(self, points: Vector) -> Vector:
        linear = np.einsum("mkl,ql->qmk", self.matrices.astype(points.dtype), points)
        cubic = 4 * self.quartic * points[:, None] ** 3
        return (linear + cubic + self.tilts).astype(points.dtype)

    def hessians(self, w: Vector) -> Vector:
        hessians: Vector = self.matrices + 12 * self.quartic * np.diag(w**2)
        return hessians


def workers(
    seed: int, eigenvalues: list[float], *, unlike: float = 0.0, quartic: float = 0.0
) -> Workers:
    rng = np.random.default_rng(seed)
    d = len(eigenvalues)
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    noise = rng.standard_normal((M, d, d))
    matrices = turn @ np.diag(eigenvalues) @ turn.T + unlike * (noise + noise.swapaxes(1, 2)) / 2
    return Workers(matrices, 0.1 * rng.standard_normal((M, d)), quartic)


@dataclasses.dataclass(frozen=True)
class Matrix:
    """Liars that answer as if their Hessian were `matrix`: consistent at all points."""

    matrix: Vector

    def __call__(self, view: AttackView) -> Vector:
        lie = view.points @ self.matrix
        return np.repeat(lie[:, None], len(view.members), axis=1)


def lies(problem: Workers, w: Vector) -> dict[str, Vector]:
    """Hessians that hide the lowest direction, invent one, or stretch every entry."""
    honest = problem.hessians(w)[B:].mean(axis=0)
    e = np.linalg.eigh(honest)[1][:, 0]
    along, signs = np.outer(e, e), np.sign(np.outer(e, e))
    return {
        "push": 1.2 * np.eye(len(w)),
        "cancel": honest - (e @ honest @ e) * along,
        "hide": honest + 1e3 * along,
        "invent": honest - 1e3 * along,
        "stretch": honest + 1e6 * signs,
        "shrink": honest - 1e6 * signs,
        "overflow": 1e306 * signs,
    }


def certify_under(problem: Workers, matrix: Vector, w: Vector, **options: object) -> Certificate:
    fleet = Coalition(LocalFleet(problem), Matrix(matrix), range(B))
    return certify(fleet, w, Median(), B, **options)  # type: ignore[arg-type]


LIES = ["push", "cancel", "hide", "invent", "stretch", "shrink", "overflow"]


# ------------------------------------------------------------------------------- what it proves


@pytest.mark.parametrize("lie", LIES)
def test_a_clear_minimum_is_proved_under_attack(lie: str) -> None:
    for seed in range(10):
        problem = workers(seed, [0.5, 0.7, 1.0], unlike=0.02)
        w = -np.linalg.solve(problem.matrices.mean(axis=0), problem.tilts[B:].mean(axis=0))
        found = certify_under(problem, lies(problem, w)[lie], w)
        truth = np.linalg.eigvalsh(problem.matrices[B:].mean(axis=0))[0]
        assert found.certified, str(found)
        assert 0 < found.curvature.low <= truth <= found.curvature.high


@pytest.mark.parametrize("lie", LIES)
def test_a_saddle_is_never_proved(lie: str) -> None:
    for seed in range(15):
        problem = workers(seed, [-0.3, 0.4, 0.7, 1.0], unlike=0.1)
        found = certify_under(problem, lies(problem, np.zeros(4))[lie], np.zeros(4))
        assert found.level != "proved", str(found)
        assert not found.certified


def test_liars_cannot_hide_a_saddle_on_which_the_honest_agree() -> None:
    problem = workers(0, [-0.3, 0.4, 1.0])
    for lie in lies(problem, np.zeros(3)).values():
        found = certify_under(problem, lie, np.zeros(3))
        assert found.level == "witness"
        assert "negative curvature witnessed" in str(found)
        assert found.curvature.high == pytest.approx(-0.3, abs=1e-6)
        assert found.v is not None
        assert found.v @ problem.matrices[0] @ found.v == pytest.approx(-0.3)


@pytest.mark.parametrize("d", [1, 2, 8])
@pytest.mark.parametrize("lowest", [-0.4, 0.0, 0.4])
def test_brackets_hold_the_pooled_curvature(d: int, lowest: float) -> None:
    wrong = trials = 0
    for seed in range(12):
        problem = workers(seed, [lowest, *np.linspace(0.5, 1, d - 1)], unlike=0.1)
        truth = np.linalg.eigvalsh(problem.matrices[B:].mean(axis=0))[0]
        for lie in lies(problem, np.zeros(d)).values():
            found = certify_under(problem, lie, np.zeros(d)).curvature
            wrong += not found.low <= truth <= found.high
            trials += 1
    assert wrong <= 0.05 * trials  # two standard errors a side


@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.integers(3, 25),
    d=st.integers(1, 4),
    share=st.floats(0, 0.49),
    size=st.floats(-6, 6),
)
@settings(max_examples=200, deadline=None)
def test_entries_always_hold_the_honest_median(
    seed: int, m: int, d: int, share: float, size: float
) -> None:
    b = int(share * m)
    rng = np.random.default_rng(seed)
    true = rng.standard_normal((m, d, d)) * rng.choice([1.0, 100.0], (m, 1, 1))
    true = (true + true.swapaxes(1, 2)) / 2
    errors = rng.random((m, d, d)) * 0.1
    errors = (errors + errors.swapaxes(1, 2)) / 2
    stated = true + errors * rng.uniform(-1, 1)
    stated[:b] = 10.0**size * rng.choice([-1.0, 1.0], (b, 1, 1))
    claims = WorkerHessians(stated, errors, b)
    low, high = claims.entry_interval()
    median = np.median(true[b:], axis=0)
    assert (low <= median).all()
    assert (median <= high).all()
    lowest = np.linalg.eigvalsh(median)[0]
    assert claims.by_entries().low - 1e-9 <= lowest <= claims.by_entries().high + 1e-9
    own = np.linalg.eigvalsh(true[b:])[:, 0]
    assert claims.by_eigenvalues().low <= np.median(own) + 1e-9


def test_errors_cover_rounding_and_curvature_within_the_step() -> None:
    # The step of 1e-2 only where the Hessian is monotone across it: away from w = 0.
    for seed, where, longest in ((0, 0.0, 6e-6), (1, 1.0, 1e-2), (2, 1e3, 1e-3), (3, 1e-3, 6e-6)):
        problem = workers(seed, [0.3, 0.6, 1.0], unlike=0.2, quartic=1.0)
        w = where * np.random.default_rng(seed).standard_normal(3)
        for step in (longest, 6e-6, 1e-6, 1e-7):
            points = difference_points(w, step * max(1.0, float(np.abs(w).max())))
            claims = worker_hessians(problem.gradients(points), points, B, None)
            assert (np.abs(claims.matrices - problem.hessians(w)) <= claims.errors).all()


# ------------------------------------------- a Delta-oracle in place of workers (Definition 3)


class Oracle:
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
def test_classical_bound_holds_in_every_trial(style: str) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        d, rho, delta = int(rng.integers(1, 7)), 2.0, 10.0 ** rng.uniform(-4, -1)
        turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
        matrix = turn @ np.diag(rng.uniform(-1, 1, d)) @ turn.T
        lowest, vectors = np.linalg.eigh(matrix)
        e = vectors[:, 0]

        def gradient(x: Vector, matrix: Vector = matrix) -> Vector:
            # Hessian matrix + diag(|x|): 1-Lipschitz, so rho = 2 is allowed
            return x @ matrix + x * np.abs(x) / 2

        def error(
            x: Vector, e: Vector = e, d: int = d, delta: float = delta,
            rng: np.random.Generator = rng, gradient: Callable[[Vector], Vector] = gradient,
        ) -> Vector:  # fmt: skip
            way = {
                "random": rng.standard_normal(x.shape),
                "signs": np.sign(x @ np.outer(e, e)),
                "eigen": np.sign(x @ e)[:, None] * e,
                "zero": -gradient(x),
            }[style]
            size = np.linalg.norm(way, axis=1, keepdims=True)
            limit = size if style != "zero" else np.maximum(size, delta)
            return delta * np.divide(way, limit, out=np.zeros_like(way), where=limit > 0)

        found = certify(Oracle(gradient, error), np.zeros(d), Median(), 0, rho=rho, delta=delta)
        bound = (2 * d * rho * delta) ** 0.5
        assert found.curvature.low <= lowest[0] + 1e-12
        assert found.curvature.high >= lowest[0] - 1e-12
        width = found.curvature.high - found.curvature.low
        assert width == pytest.approx(2 * bound, rel=1e-6)  # the bound is the one derived


@pytest.mark.parametrize("delta", [1e-1, 1e-3])
def test_proposition_1_is_never_certified(delta: float) -> None:
    """f_s(w) = Delta^1.5 sin(w / sqrt(Delta) + s): the oracle may answer 0 everywhere."""
    truth = -(delta**0.5)  # the worst f_s''(w) over s, whatever w
    silent = Oracle(np.zeros_like, np.zeros_like)
    for w in (np.zeros(1), np.array([0.3]), np.array([-7.0])):
        known = certify(silent, w, Median(), 0, rho=1.0, delta=delta)
        assert known.curvature.low <= truth
        assert not known.certified
        assert known.gradient_bound >= delta
        unknown = certify(silent, w, Median(), 0)
        assert not unknown.certified
        assert "flat answer" in unknown.reason


# ------------------------------------------------------------------------- what it does not prove


class Faulty:
    """A fleet underneath, with some workers late, dead or answering NaN."""

    def __init__(self, problem: Workers, status: dict[int, str]) -> None:
        self.fleet, self.fault = LocalFleet(problem), status
        self.workers = self.fleet.workers
        self.rounds: list[int] = []

    def announce(self, announcement: Announcement) -> None: ...

    def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
        self.rounds.append(round_id)
        values: NDArray[np.float64] = np.array(
            self.fleet.round(points, round_id=round_id).values, copy=True
        )
        status = [OK] * len(self.workers)
        for worker, fault in self.fault.items():
            if fault == "nan":
                values[1, worker] = np.nan
            else:
                status[worker] = fault
        return Messages(values, tuple(status))

    def close(self) -> None: ...


def test_late_dead_and_nan_workers_leave_the_proof_standing() -> None:
    problem = workers(1, [0.5, 1.0], unlike=0.02)
    fleet = Faulty(problem, {0: LATE, 1: DEAD, 2: "nan", 3: "nan"})
    w = -np.linalg.solve(problem.matrices.mean(axis=0), problem.tilts.mean(axis=0))
    found = certify(fleet, w, Median(), B, rho=1e-3, round_id=7)
    assert found.certified, str(found)
    assert found.rounds == 2
    assert fleet.rounds == [7, 8]


def test_workers_proved_bad_in_the_first_round_count_in_the_second() -> None:
    class Shifting(Faulty):
        def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
            self.fault = dict.fromkeys(range(4 * round_id, 4 * round_id + 4), "nan")
            return super().round(points, round_id=round_id, timeout=timeout)

    problem = workers(1, [0.5, 1.0], unlike=0.02)
    found = certify(Shifting(problem, {}), np.zeros(2), Median(), B, rho=1.0)
    entries, *_, classical = found.brackets
    assert entries.low > 0
    assert classical.low == -np.inf  # 4 + 4 bad workers are more than b = 6


def test_too_many_faults_are_a_verdict_and_no_exception() -> None:
    fleet = Faulty(workers(1, [0.5, 1.0]), dict.fromkeys(range(12), DEAD))
    found = certify(fleet, np.zeros(2), Median(), B)
    assert (found.level, found.certified, found.rounds) == ("none", False, 1)
    assert "8 usable messages" in found.reason


def test_beyond_a_third_liars_can_deny_but_not_forge() -> None:
    problem = workers(2, [-0.3, 1.0], unlike=0.01)
    for lie in lies(problem, np.zeros(2)).values():
        fleet = Coalition(LocalFleet(problem), Matrix(lie), range(9))
        found = certify(fleet, np.zeros(2), Median(), 9)
        assert found.level != "proved"
        assert any("deny" in sentence for sentence in found.assumptions)


def test_an_unknown_inexactness_makes_no_gradient_small() -> None:
    problem = workers(4, [0.5, 1.0])
    found = certify(LocalFleet(problem), np.array([5.0, 5.0]), Median(), 7)  # 7 of 20: no Delta
    assert (found.level, found.inexactness) == ("proved", np.inf)
    assert not found.stationary
    assert not found.certified
    assert "unknown inexactness" in found.reason


def test_failed_escapes_are_evidence_and_never_a_certificate() -> None:
    problem = workers(3, [0.05, 1.0], unlike=0.3)
    evidence = Evidence(
        4, 0.2, 0.95, assumptions=("the quadratic model holds",), numbers={"Delta_H": 0.1}
    )
    found = certify(LocalFleet(problem), np.zeros(2), Median(), B, evidence=evidence)
    assert found.level == "evidence"
    assert not found.certified
    assert "lambda_min < -0.2" in str(found)
    assert "the quadratic model holds" in found.assumptions
    none = dataclasses.replace(evidence, escapes_failed=0)
    assert certify(LocalFleet(problem), np.zeros(2), Median(), B, evidence=none).level == "none"


def test_a_witness_overrules_evidence() -> None:
    evidence = Evidence(4, 0.2, 0.95)
    fleet = LocalFleet(workers(0, [-0.5, 1.0]))
    assert certify(fleet, np.zeros(2), Median(), B, evidence=evidence).level == "witness"


def test_a_point_on_a_slope_is_not_certified() -> None:
    problem = workers(4, [0.5, 1.0])
    found = certify(LocalFleet(problem), np.array([5.0, 5.0]), Median(), B)
    assert found.level == "proved"
    assert not found.certified
    assert "gradient is not small" in found.reason


def test_an_overflowing_point_is_not_certified() -> None:
    problem = workers(4, [0.5, 1.0], quartic=1.0)
    with np.errstate(over="ignore"):
        found = certify(LocalFleet(problem), np.array([1e200, 0.0]), Median(), B)
    assert (found.level, found.certified) == ("none", False)
    assert "overflows" in found.reason


def test_no_hessian_is_asked_for_when_it_is_not_wanted() -> None:
    fleet = LocalFleet(workers(5, [0.5, 1.0]))
    found = certify(fleet, np.zeros(2), Median(), B, hessian="none")
    assert (found.curvature.low, found.rounds) == (-np.inf, 1)
    assert found.method == "none"
    assert np.isfinite(found.gradient_bound)


# ------------------------------------------------------------------------------- beyond small d

WIDE = [-0.4, *np.linspace(0.3, 1.0, 39)]


@pytest.mark.parametrize("lie", LIES)
def test_a_krylov_witness_survives_every_lie(lie: str) -> None:
    problem = workers(0, WIDE)
    matrix = lies(problem, np.zeros(40))[lie]
    found = certify_under(problem, matrix, np.zeros(40), hessian="krylov", seed=1)
    assert found.level == "witness", str(found)
    assert -0.41 < found.curvature.high < -0.35
    assert found.rounds <= 13


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("lowest", [0.0, 0.02, 0.3])
def test_a_krylov_space_proves_no_minimum_and_no_saddle_that_is_not_there(
    lie: str, lowest: float
) -> None:
    for seed in range(3):
        problem = workers(seed, [lowest, *WIDE[1:]], unlike=0.01)
        truth = np.linalg.eigvalsh(problem.matrices[B:].mean(axis=0))[0]
        matrix = lies(problem, np.zeros(40))[lie]
        found = certify_under(problem, matrix, np.zeros(40), hessian="krylov", seed=seed)
        assert found.level in ("witness", "evidence", "none")
        assert not found.certified
        assert truth <= found.curvature.high
        assert found.curvature.low == -np.inf


def test_krylov_evidence_states_residual_rounds_and_probability() -> None:
    found = certify(
        LocalFleet(workers(0, WIDE[1:])), np.zeros(39), Median(), B, hessian="krylov", seed=0
    )
    assert (found.level, found.method) == ("evidence", "Lanczos")
    for part in ("residual", "rounds", "Lanczos", "probability", "no liar could predict"):
        assert part in str(found)
    assert found.lanczos is not None
    assert found.lanczos.confidence == pytest.approx(0.95)
    assert found.lanczos.curvature_bound == pytest.approx(0, abs=1e-3)


def test_large_d_gets_a_krylov_space_and_an_infinite_tolerance_proves_nothing() -> None:
    problem = workers(0, [-0.4, *np.linspace(0.3, 1.0, 259)])
    found = certify(LocalFleet(problem), np.zeros(260), Median(), B, seed=0, tolerance=np.inf)
    assert (found.level, found.rounds) == ("witness", 13)


def test_workers_that_die_in_a_krylov_search_leave_what_was_found() -> None:
    class Dying(Faulty):
        def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
            self.fault = dict.fromkeys(range(12), DEAD) if round_id >= 6 else {}
            return super().round(points, round_id=round_id, timeout=timeout)

    found = certify(Dying(workers(0, WIDE), {}), np.zeros(40), Median(), B, hessian="krylov")
    assert found.level == "evidence"
    assert found.numbers["Lanczos rounds"] == 6


def test_an_overflow_in_a_krylov_search_is_a_verdict() -> None:
    problem = workers(4, [0.5, 1.0], quartic=1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        found = certify(LocalFleet(problem), np.array([1e200, 0.0]), Median(), B, hessian="krylov")
    assert found.level == "none"


def test_a_krylov_search_of_an_oracle_uses_what_is_known_of_it() -> None:
    rng = np.random.default_rng(0)
    matrix = np.diag(np.array(WIDE))
    for delta in (1e-3, 1e-5):

        def error(x: Vector, delta: float = delta) -> Vector:
            way = rng.standard_normal(x.shape)
            return delta * way / np.linalg.norm(way, axis=1, keepdims=True)

        fleet = Oracle(lambda x: x @ matrix, error)
        found = certify(
            fleet, np.zeros(40), Median(), 0, rho=1.0, delta=delta, hessian="krylov", seed=0
        )
        assert found.level == "witness"
        assert -0.4 <= found.curvature.high <= -0.4 + 4 * (2 * delta) ** 0.5
        silent = certify(fleet, np.zeros(40), Median(), 0, delta=delta, hessian="krylov", seed=0)
        assert silent.level == "none"


def test_float32_workers_are_certified_with_a_wider_step() -> None:
    problem = workers(6, [0.5, 1.0], unlike=0.01)
    problem.tilts = problem.tilts * 0
    found = certify(LocalFleet(problem), np.zeros(2, dtype=np.float32), Median(), B)
    assert found.certified, str(found)
    assert found.numbers["step"] > 1e-3


class Single(Workers):
    """Workers that compute in float32, whatever they were sent."""

    def gradients(self, points: Vector) -> Vector:
        return super().gradients(points.astype(np.float32)).astype(points.dtype)


@pytest.mark.parametrize("hessian", ["full", "krylov"])
def test_float32_in_float64_messages_proves_nothing_that_is_false(hessian: str) -> None:
    rng = np.random.default_rng(0)
    valley = np.full((M, 2, 2), 2.0)  # eigenvalues 0 and 4
    for _ in range(60):
        w = rng.standard_normal(2) * 10 ** rng.uniform(-1, 2)
        w = w.astype(np.float32).astype(float)
        problem = Single(valley, np.tile(-valley[0] @ w, (M, 1)))
        found = certify(LocalFleet(problem), w, Median(), B, tolerance=0.0, hessian=hessian, seed=0)
        assert found.curvature.low <= 0 <= found.curvature.high
    saddle = Single(np.tile(np.diag([-1.0, 2.0]), (M, 1, 1)), np.zeros((M, 2)))
    assert certify(LocalFleet(saddle), np.ones(2), Median(), B, hessian=hessian).refuted


def test_the_text_names_bounds_level_method_assumptions_and_rounds() -> None:
    problem = workers(7, [0.5, 1.0], unlike=0.01)
    text = str(certify(LocalFleet(problem), np.zeros(2), Median(), B))
    for part in ("||grad F||", "lambda_min", "level", "method", "assumes", "rounds", "tolerance"):
        assert part in text


@pytest.mark.parametrize(
    "options", [{"rho": 0.0}, {"delta": -1.0}, {"hessian": "half"}, {"tolerance": -1.0}]
)
def test_options_that_cannot_work_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        certify(LocalFleet(workers(0, [1.0])), np.zeros(1), Median(), B, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tolerance", "level"), [(0.4, "witness"), (1.5, "proved"), (2, "witness")]
)
def test_a_tolerance_of_the_hessians_own_size_proves_no_saddle_to_be_none(
    tolerance: float, level: str
) -> None:
    saddle = Bracket("entries", low=-1.0, high=-0.5)
    assert verdict((saddle,), tolerance, size=2.0, evidence=None)[0] == level
    valley = Bracket("entries", low=-0.1, high=0.1)
    assert verdict((valley,), 2.0, size=2.0, evidence=None)[0] == "proved"
