"""What follows from the answers holds for every set of workers that may lie."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.arrays import Vector
from saddleproof.claims import CurvatureFacts, gradient_facts

M = 8


def facts(matrices: Vector, *, whole: bool) -> CurvatureFacts:
    """What honest workers with these (m, d, d) Hessians say, and their lowest directions."""
    values, vectors = np.linalg.eigh(matrices)
    v = vectors[:, :, 0]
    return CurvatureFacts(
        lows=values[:, 0],
        tops=values[:, -1],
        highs=np.einsum("pi,mij,pj->pm", v, matrices, v) + 1e-12,
        directions=v,
        workers=tuple(f"worker-{i}" for i in range(len(matrices))),
        matrices=matrices if whole else np.empty((0, 0, 0)),
        errors=np.full(len(matrices), 1e-12) if whole else np.empty(0),
    )


@st.composite
def hessians(draw: st.DrawFn) -> Vector:
    """(M, d, d) of one of several kinds."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d = draw(st.integers(1, 3))
    size = draw(st.sampled_from([0.1, 1.0, 1e6]))
    noise = generator.standard_normal((M, d, d)) * size
    along = generator.lognormal(0, 1.5, M) * generator.choice([-1, 1])
    matrices = noise + noise.swapaxes(1, 2) + along[:, None, None] * np.eye(d)
    found: Vector = matrices + draw(st.floats(-3, 3)) * np.eye(d)
    return found


def means(matrices: Vector, k: int) -> list[float]:
    """lambda_min of the mean of every set that leaves k workers out."""
    rows = combinations(range(len(matrices)), len(matrices) - k)
    return [float(np.linalg.eigvalsh(matrices[list(s)].mean(axis=0))[0]) for s in rows]


@given(hessians(), st.booleans(), st.integers(0, M - 1))
def test_the_bracket_holds_whoever_lies(matrices: Vector, whole: bool, b: int) -> None:
    known = facts(matrices, whole=whole)
    lowest = [value for k in range(b + 1) for value in means(matrices, k)]
    assert known.low(b)[0] <= min(lowest)
    assert known.high(b)[0] >= max(lowest)


@given(hessians(), st.booleans(), st.floats(0, 3))
def test_the_frontier_is_a_number_of_liars_that_holds(
    matrices: Vector, whole: bool, tolerance: float
) -> None:
    """For every set of that many liars, and of fewer."""
    known = facts(matrices, whole=whole)
    most = known.frontier(tolerance)
    for k in range(most + 1):
        assert min(means(matrices, k)) >= -tolerance
    assert most == M - 1 or known.low(most + 1)[0] < -tolerance
    saddle = known.high_frontier()
    for k in range(saddle + 1):
        assert max(means(matrices, k)) < 0


@given(hessians(), st.floats(0, 3))
def test_the_frontier_of_a_majority_holds_for_every_set_of_liars(
    matrices: Vector, tolerance: float
) -> None:
    known = facts(matrices, whole=False)
    own = np.linalg.eigvalsh(matrices)[:, 0]
    for k in range(known.majority_frontier(tolerance) + 1):
        for s in combinations(range(M), M - k):
            assert 2 * (own[list(s)] >= -tolerance).sum() > len(s)


@given(hessians(), st.booleans(), st.integers(0, M - 1), st.integers(0, M - 1))
def test_a_condition_leaves_a_bracket_of_those_that_are_left(
    matrices: Vector, whole: bool, b: int, k: int
) -> None:
    k, known = min(k, b), facts(matrices, whole=whole)
    out = known.farthest(k)
    left = np.array([name not in out for name in known.workers])
    assert left.sum() == M - k
    low = known.low(b, k)[0]
    for j in range(b - k + 1):
        assert low <= min(means(matrices[left], j))
    assert low >= known.low(b)[0] - 1e-9 * np.abs(matrices).max()


def test_workers_are_named_only_where_they_stand_apart() -> None:
    far = facts(np.array([-9.0, -9.0, *np.linspace(1, 2, 6)])[:, None, None], whole=False)
    assert far.needed(3, 0.1) == 2
    assert far.farthest(2) == ("worker-0", "worker-1")
    even = facts(np.linspace(-2.5, 4, M)[:, None, None], whole=False)
    assert even.low(3, 3)[0] >= -0.1
    assert even.needed(3, 0.1) is None


def test_liars_cannot_raise_the_size_of_the_curvature() -> None:
    known = facts(np.linspace(1, 2, M)[:, None, None], whole=False)
    for lie in (1e300, np.inf, -1e300, -np.inf):
        tops = known.tops.copy()
        tops[:2] = lie
        assert 0 <= replace(known, tops=tops).size(2) <= np.median(known.tops[2:])


def test_an_unknown_bound_of_more_than_b_workers_leaves_nothing() -> None:
    known = facts(np.ones((M, 1, 1)), whole=False)
    lows = known.lows.copy()
    lows[:3] = -np.inf
    assert replace(known, lows=lows).low(2)[0] == -np.inf
    assert replace(known, lows=np.full(M, np.inf)).low(2)[0] == -np.inf


def test_without_a_direction_nothing_bounds_the_curvature_from_above() -> None:
    known = facts(np.ones((M, 2, 2)), whole=False)
    known = replace(known, highs=known.highs[:0], directions=known.directions[:0])
    assert known.high(2) == (np.inf, -1)
    assert known.majority(2) == (known.majority(2)[0], np.inf, -1)
    assert known.majority_along(-1, 2) == np.inf
    assert known.high_frontier() == -1


# ---------------------------------------------------------------------------------- the gradient


def names(m: int) -> tuple[str, ...]:
    return tuple(f"worker-{i}" for i in range(m))


def of_rows(rows: Vector, b: int) -> object:
    return gradient_facts(rows, rows.mean(axis=0), 0.0, names(len(rows)), b)


@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(0, 3))
def test_a_gradient_without_named_workers_is_bounded_whoever_else_lies(
    seed: int, b: int, k: int
) -> None:
    rows = np.random.default_rng(seed).standard_normal((M, 2))
    k = min(k, b)
    found = gradient_facts(rows, rows[0], 0.0, names(M), b)
    bound = found.bound_without(names(k))
    left = range(k, M)
    for j in range(b - k + 1):
        for s in combinations(left, M - k - j):
            assert np.linalg.norm(rows[list(s)].mean(axis=0)) <= bound


def test_workers_that_fell_silent_are_in_no_bound_of_the_gradient() -> None:
    rows = np.array([[0.0]] * 6 + [[8.0]])
    found = gradient_facts(rows, rows[0], 0.0, names(7), 0)
    assert found.bound >= 8 / 7
    assert found.among(names(6), 0).bound < 1e-6
    # Silence alone makes nobody honest: as many may lie among those that are left.
    assert found.among(names(6), 3).b == 0


def test_the_rounding_of_float32_gradients_is_in_their_bound() -> None:
    for seed in range(60):
        generator = np.random.default_rng(seed)
        true = generator.standard_normal((5, 1)) * 10.0 ** generator.uniform(-3, 3)
        stated = true.astype(np.float32).astype(float)
        assert gradient_facts(stated, stated[0], 0.0, names(5), 0).bound >= abs(true.mean())


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-160, 1e154, 1e160, 1e300])
def test_gradients_of_any_size_have_a_bound(scale: float) -> None:
    rows = np.array([[3.0, 4.0]] * 4) * scale
    found = gradient_facts(rows, rows[0], 0.0, names(4), 1)
    assert found.bound >= 5 * scale * (1 - 1e-12)
    assert found.bound < np.inf
