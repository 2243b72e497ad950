"""The vectors of Lanczos stay orthogonal at little cost, and what keeps them so is an error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.arrays import Vector
from saddleproof.curvature import recurrence
from saddleproof.curvature.lanczos import Bound, least_eigenvalues, lower_bound
from saddleproof.curvature.recurrence import Recurrence

D, STEPS, DELTA = 2000, 60, 0.0025
#: As of a network: a bulk about zero, and some large eigenvalues that converge early.
OUTLIERS = np.r_[np.linspace(-0.1, 0.1, D - 10), np.geomspace(0.3, 3.0, 10)]


def starts(n: int = 1, d: int = D, seed: int = 0) -> Vector:
    x = np.random.default_rng(seed).standard_normal((n, d))
    unit: Vector = x / np.linalg.norm(x, axis=1, keepdims=True)
    return unit


def run(values: Vector, steps: int = STEPS, *, skew: Vector | None = None) -> Recurrence:
    """Lanczos on a diagonal matrix, and on a skew one besides."""
    made = Recurrence(starts(d=len(values)), steps)
    for _ in range(steps):
        image = made.last * values
        made.step(image if skew is None else image + made.last @ skew.T, np.zeros(1))
    return made


def orthogonality(made: Recurrence) -> float:
    basis = made._basis[0, : made.k]
    return float(np.abs(basis @ basis.T - np.eye(made.k)).max())


def bound(values: Vector, seed: int = 0) -> Bound:
    found = least_eigenvalues(
        lambda v: (v * values, np.zeros(len(v))),
        starts(d=len(values), seed=seed),
        steps=STEPS,
        delta=DELTA,
    )
    return found[0]


def test_vectors_stay_orthogonal_and_few_steps_look_at_all_of_them() -> None:
    made = run(OUTLIERS)
    assert orthogonality(made) < 10 * recurrence.LOSS
    assert 2 <= len(made._taken[0]) <= STEPS / 2


def test_a_look_is_followed_by_another() -> None:
    """The next vector comes from the last two, of which one was not looked at."""
    looks = sorted(run(OUTLIERS)._taken[0])
    first = [j for j in looks if j - 1 not in looks]
    assert set(first) <= {j - 1 for j in looks} | {STEPS - 1}


@pytest.mark.parametrize("width", [1e-6, 1e-9, 1e-12])
def test_vectors_stay_orthogonal_where_hardly_anything_is_left_of_a_product(width: float) -> None:
    bulk = np.r_[np.full(500, -1.0), np.full(500, 1.0), np.full(500, 3.0)]
    made = run(bulk + width * np.random.default_rng(0).standard_normal(1500), 12)
    assert made._size[0] == 12
    assert orthogonality(made) < 1e-12


def test_without_any_look_they_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recurrence, "LOSS", np.inf)
    assert orthogonality(run(OUTLIERS)) > 0.1


def test_a_subtraction_that_leaves_little_is_made_again() -> None:
    made = run(OUTLIERS, 12)
    made._beta[0, 11] = 0.0
    made.k, made._again[0] = 11, True
    basis, u = made._basis[0, :12], starts(seed=1)[0]
    u = u - u @ basis.T @ basis
    rest = (basis.sum(axis=0) / 3 + 1e-10 * u)[None]
    beta, one = np.linalg.norm(rest, axis=1), np.ones(1)
    made._forget(rest, beta, one, 0 * one, np.ones(1, dtype=bool))
    assert np.abs(basis @ rest[0]).max() <= 1e-14 * beta[0]


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    ends=st.lists(st.floats(-10, 10), min_size=1, max_size=12),
    width=st.sampled_from([0.0, 1e-6, 0.1, 1.0]),
)
def test_a_bound_is_that_of_a_look_in_every_step(
    seed: int, ends: list[float], width: float
) -> None:
    bulk = width * np.random.default_rng(seed).standard_normal(300)
    values = np.r_[bulk, ends]
    seldom = bound(values, seed)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(recurrence, "LOSS", 0.0)
        always = bound(values, seed)
    size = float(np.abs(values).max())
    # Where an invariant space is found, one step more or less is rounding.
    assert seldom.low <= values.min()
    assert abs(seldom.ritz - always.ritz) <= 1e-9 * size
    assert abs(seldom.low - always.low) <= 1e-8 * size


def test_what_is_subtracted_is_an_error_and_the_bound_stays_below(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look that comes late takes much away."""
    monkeypatch.setattr(recurrence, "LOSS", 1e-5)
    made = run(OUTLIERS)
    errors = made.errors(0)
    large = {j: np.linalg.norm(parts) for j, parts in made._taken[0].items()}
    assert max(large.values()) > 1e-8
    for j, size in large.items():
        assert errors[j] >= size
    thetas, betas, vectors = made.ritz(0)
    low = lower_bound(thetas, betas, D, DELTA, vectors, errors)
    assert low <= OUTLIERS.min()
    assert low < lower_bound(thetas, betas, D, DELTA)


@pytest.mark.parametrize("loss", [0.0, 1e-11, np.inf], ids=["always", "seldom", "never"])
def test_every_column_that_is_not_symmetric_is_an_error_of_its_step(
    monkeypatch: pytest.MonkeyPatch, loss: float
) -> None:
    monkeypatch.setattr(recurrence, "LOSS", loss)
    noise = np.random.default_rng(3).standard_normal((200, 200))
    values, skew = np.linspace(-1, 1, 200), 1e-3 * (noise - noise.T) / np.sqrt(200)
    made = run(values, 12, skew=skew)
    basis = made._basis[0, :12]
    image = basis * values + basis @ skew.T
    matrix = basis @ image.T
    expected = np.linalg.norm(np.triu(matrix - matrix.T, 1), axis=0)
    assert expected[1:].min() > 1e-5
    taken = [np.linalg.norm(made._taken[0].get(j, 0.0)) for j in range(12)]
    found = made.errors(0) - made._error[0, :12]
    np.testing.assert_allclose(found, np.maximum(taken, expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("d", [50, 5000, 40_000])
def test_a_row_has_the_same_bits_in_any_company(d: int) -> None:
    n, generator = 3, np.random.default_rng(0)
    values = np.sort(generator.standard_normal((n, d)), axis=1)
    values[:, -1] *= 5

    def answers(rows: Vector, first: Vector) -> list[Bound]:
        return least_eigenvalues(
            lambda v: (v * rows, np.zeros(len(v))), first, steps=15, delta=DELTA
        )

    first = starts(n, d)
    for i, together in enumerate(answers(values, first)):
        (alone,) = answers(values[[i]], first[[i]])
        assert (alone.low, alone.ritz, alone.top) == (together.low, together.ritz, together.top)
        assert (alone.vector == together.vector).all()


def test_parts_along_vectors_that_are_not_orthogonal_count_with_their_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some vectors are there twice by then, and half a part along either is a whole one."""
    monkeypatch.setattr(recurrence, "LOSS", np.inf)
    made = Recurrence(starts(), STEPS + 1)
    for k in range(STEPS + 1):
        monkeypatch.setattr(recurrence, "LOSS", 0.0 if k == STEPS else np.inf)
        made.step(made.last * OUTLIERS, np.zeros(1))
    parts = made._taken[0][STEPS]
    length = float(np.linalg.norm(parts @ made._basis[0, : STEPS + 1]))
    assert length > 1.1 * np.linalg.norm(parts)
    # And a symmetric matrix stays one: no asymmetry is found, whatever the vectors are.
    found = made.errors(0) - made._error[0, : STEPS + 1]
    assert found[STEPS] == pytest.approx(length, rel=1e-9)
    assert found[:STEPS].max() <= 1e-12
