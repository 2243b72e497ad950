"""The lower bound of an eigenvalue holds as often as it states, and with errors in the products."""

from __future__ import annotations

import time

import numpy as np
import pytest

from saddleproof.arrays import Vector
from saddleproof.curvature.lanczos import STEPS, Bound, least_eigenvalues, lower_bound
from saddleproof.curvature.noise import Products

D, DELTA, STARTS = 200, 0.05, 200


def wigner() -> Vector:
    """Eigenvalues of a random symmetric matrix."""
    noise = np.random.default_rng(1).standard_normal((D, D))
    values: Vector = np.linalg.eigvalsh((noise + noise.T) / np.sqrt(2 * D))
    return values


SPECTRA = {
    "wigner": wigner(),
    "one isolated": np.r_[-1.0, np.linspace(0, 1, D - 1)],
    "a cluster": np.r_[np.full(20, -1.0) + 1e-3 * np.arange(20), np.linspace(-0.9, 1, D - 20)],
    "below a geometric sequence": np.r_[-1.02, -(0.9 ** np.arange(D - 1))],
}


def exact(values: Vector) -> Products:
    """Products with a diagonal matrix."""
    return lambda v: (v * values, np.zeros(len(v)))


def missed(name: str, steps: int, delta: float) -> float:
    """The share of random starts whose bound lies above the lowest eigenvalue."""
    values = SPECTRA[name]
    starts = np.random.default_rng(steps).standard_normal((STARTS, D))
    found = least_eigenvalues(exact(values), starts, steps=steps, delta=delta)
    return float(np.mean([bound.low > values.min() for bound in found]))


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("steps", [5, 10, 20, 40])
def test_a_bound_is_too_high_no_more_often_than_stated(name: str, steps: int) -> None:
    assert missed(name, steps, DELTA) <= DELTA


def test_a_delta_0_ten_times_too_large_is_too_high_more_often() -> None:
    """The test above sees a wrong constant."""
    assert max(missed(name, 10, 10 * DELTA) for name in SPECTRA) > DELTA


def test_forty_steps_leave_little_room() -> None:
    for name, values in SPECTRA.items():
        (bound,) = least_eigenvalues(
            exact(values),
            np.random.default_rng(0).standard_normal((1, D)),
            steps=40,
            delta=DELTA,
        )
        spread = float(np.ptp(values))
        assert bound.ritz - bound.low <= 0.005 * spread, name
        assert bound.ritz - values.min() <= 0.02 * spread


def test_the_ritz_vector_has_the_ritz_value() -> None:
    values = SPECTRA["wigner"]
    (bound,) = least_eigenvalues(
        exact(values), np.random.default_rng(0).standard_normal((1, D)), steps=20, delta=DELTA
    )
    assert np.linalg.norm(bound.vector) == pytest.approx(1)
    assert bound.vector @ (values * bound.vector) == pytest.approx(bound.ritz, abs=1e-12)


@pytest.mark.parametrize("d", [1, 2, 7])
def test_no_more_dimensions_than_steps_are_certain(d: int) -> None:
    generator = np.random.default_rng(d)
    noise = generator.standard_normal((d, d))
    matrix = noise + noise.T
    found = least_eigenvalues(
        lambda v: (v @ matrix, np.zeros(len(v))),
        generator.standard_normal((2, d)),
        steps=d,
        delta=1e-300,
    )
    truth = float(np.linalg.eigvalsh(matrix)[0])
    for bound in found:
        assert truth - 1e-12 <= bound.low <= truth
        assert bound.steps == d


def test_one_dimension_more_than_steps_holds_as_often_as_stated() -> None:
    values = np.linspace(-1, 1, 41)
    starts = np.random.default_rng(0).standard_normal((STARTS, 41))
    found = least_eigenvalues(exact(values), starts, steps=40, delta=DELTA)
    assert np.mean([bound.low > -1 for bound in found]) <= DELTA


def test_an_invariant_space_ends_the_run_with_a_tight_bound() -> None:
    values = np.repeat([-0.5, 1.0, 3.0], 100)
    starts = np.random.default_rng(0).standard_normal((5, 300))
    for bound in least_eigenvalues(exact(values), starts, steps=30, delta=0.01):
        assert -0.5 - 1e-8 <= bound.low <= -0.5


@pytest.mark.parametrize("d", [1000, 10000])
def test_an_eigenvalue_lost_in_the_rounding_of_the_recurrence_is_not_denied(d: int) -> None:
    """I - g u u' is I but for a last place, and its space looks invariant at once."""
    u = np.random.default_rng(5).standard_normal(d)
    u /= np.linalg.norm(u)
    starts = np.random.default_rng(0).standard_normal((1, d))
    for g in (3e-14, 1e-13):
        (bound,) = least_eigenvalues(
            lambda v, g=g: (v - g * np.outer(v @ u, u), np.zeros(len(v))),  # type: ignore[misc]
            starts,
            steps=20,
            delta=0.0025,
        )
        assert bound.low <= 1 - g


# --------------------------------------------------------------------------- errors of the products


HIDDEN, BULK = 1000, np.linspace(0, 1, 2000)


def hiding(v: Vector) -> tuple[Vector, Vector]:
    """Products with diag(BULK), where entry HIDDEN is -1 in truth; the error is stated exactly."""
    return v * BULK, np.abs((1 + BULK[HIDDEN]) * v[:, HIDDEN])


def test_errors_that_hide_the_lowest_direction_hide_nothing_from_the_bound() -> None:
    """Each is small beside lambda_min, since every q_j has a small part along u."""
    starts = np.random.default_rng(0).standard_normal((100, len(BULK)))
    found = least_eigenvalues(hiding, starts, steps=12, delta=DELTA)
    assert all(bound.ritz > -0.01 for bound in found)
    assert np.mean([bound.low > -1 for bound in found]) <= DELTA


@pytest.mark.parametrize("error", [1e-9, 1e-6, 1e-3])
def test_random_errors_of_stated_size_leave_the_bound_true(error: float) -> None:
    values, generator = SPECTRA["one isolated"], np.random.default_rng(0)

    def products(v: Vector) -> tuple[Vector, Vector]:
        wrong = generator.standard_normal(v.shape)
        wrong *= error / np.linalg.norm(wrong, axis=1, keepdims=True)
        return v * values + wrong, np.full(len(v), error)

    starts = generator.standard_normal((STARTS, D))
    found = least_eigenvalues(products, starts, steps=25, delta=DELTA)
    assert np.mean([bound.low > -1 for bound in found]) <= DELTA


def test_an_error_that_is_stated_widens_the_bound() -> None:
    values, starts = SPECTRA["wigner"], np.random.default_rng(0).standard_normal((1, D))
    lows = []
    for error in (0.0, 1e-6, 1e-3):

        def products(v: Vector, error: float = error) -> tuple[Vector, Vector]:
            return v * values, np.full(len(v), error)

        lows.append(least_eigenvalues(products, starts, steps=20, delta=DELTA)[0].low)
    assert lows[0] - 1e-6 > lows[1] - 1e-6 > lows[2]


def test_products_that_are_not_symmetric_show_and_widen_the_bound() -> None:
    generator = np.random.default_rng(0)
    skew = generator.standard_normal((D, D))
    values, skew = SPECTRA["wigner"], 1e-2 * (skew - skew.T) / np.sqrt(D)
    starts = generator.standard_normal((1, D))
    (straight,) = least_eigenvalues(exact(values), starts, steps=20, delta=DELTA)
    (bent,) = least_eigenvalues(
        lambda v: (v * values + v @ skew, np.zeros(len(v))), starts, steps=20, delta=DELTA
    )
    assert bent.low < straight.low - 1e-2


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-160, 1e-120, 1e120, 1e153, 1e160, 1e300])
def test_numbers_whose_squares_vanish_or_overflow_give_no_false_bound(scale: float) -> None:
    values = np.r_[-0.5, np.linspace(0, 1, D - 1)] * scale
    starts = np.random.default_rng(1).standard_normal((2, D))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for bound in least_eigenvalues(exact(values), starts, steps=30, delta=DELTA):
            assert bound.low <= -0.5 * scale


def test_a_product_that_overflows_gives_no_bound_and_spoils_no_other() -> None:
    values = SPECTRA["wigner"]

    def products(v: Vector) -> tuple[Vector, Vector]:
        images = v * values
        images[0, 3] = np.inf
        return images, np.zeros(len(v))

    starts = np.random.default_rng(0).standard_normal((2, D))
    lost, kept = least_eigenvalues(products, starts, steps=20, delta=DELTA)
    (alone,) = least_eigenvalues(exact(values), starts[1:], steps=20, delta=DELTA)
    assert lost.low == -np.inf
    assert not lost.vector.any()
    assert kept.low == alone.low


def test_a_bound_does_not_depend_on_the_company() -> None:
    """A run that is close early ends there, whoever goes on beside it."""
    easy, hard = SPECTRA["one isolated"], SPECTRA["below a geometric sequence"]
    starts = np.random.default_rng(0).standard_normal((2, D))

    def both(v: Vector) -> tuple[Vector, Vector]:
        return v * np.stack([easy, hard]), np.zeros(2)

    together = least_eigenvalues(both, starts, steps=40, delta=DELTA)
    for i, values in enumerate((easy, hard)):
        (alone,) = least_eigenvalues(exact(values), starts[[i]], steps=40, delta=DELTA)
        assert (alone.low, alone.ritz) == (together[i].low, together[i].ritz)


def test_a_deadline_leaves_the_bound_so_far() -> None:
    values, starts = SPECTRA["wigner"], np.random.default_rng(0).standard_normal((1, D))
    late = time.monotonic() - 1
    (bound,) = least_eigenvalues(exact(values), starts, steps=40, delta=DELTA, deadline=late)
    assert bound.steps == 1
    assert bound.low <= values[0]


def test_every_step_is_told() -> None:
    told: list[tuple[int, int]] = []
    token = STEPS.set(lambda done, whole: told.append((done, whole)))
    try:
        starts = np.random.default_rng(0).standard_normal((1, D))
        least_eigenvalues(exact(SPECTRA["wigner"]), starts, steps=4, delta=DELTA)
    finally:
        STEPS.reset(token)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


# ------------------------------------------------------------------------------- the root by itself


def test_the_root_solves_its_equation() -> None:
    thetas, betas, d, delta = np.array([-1.0, 0.5, 2.0]), np.array([0.7, 1.1, 0.3]), 50, 0.1
    t = lower_bound(thetas, betas, d, delta)
    delta_0 = delta * np.sqrt(np.pi / (2 * d))
    assert np.prod(thetas - t) == pytest.approx(np.prod(betas) / delta_0, rel=1e-9)


def test_a_product_of_betas_beyond_all_numbers_is_no_trouble() -> None:
    for size in (1e-300, 1e300):
        thetas, betas = np.linspace(-1, 1, 40) * size, np.full(40, 0.5 * size)
        t = lower_bound(thetas, betas, 100, 0.01)
        assert t / size == pytest.approx(lower_bound(thetas / size, betas / size, 100, 0.01))


def test_errors_of_zero_change_nothing() -> None:
    thetas, betas = np.array([-1.0, 0.5]), np.array([0.7, 0.3])
    plain = lower_bound(thetas, betas, 50, 0.1)
    assert lower_bound(thetas, betas, 50, 0.1, np.eye(2), np.zeros(2)) == plain
    assert lower_bound(thetas, betas, 50, 0.1, np.eye(2), np.full(2, 1e-3)) < plain


def test_a_bound_is_data() -> None:
    assert Bound(-1.0, 0.0, 1.0, np.zeros(2), 3).steps == 3
