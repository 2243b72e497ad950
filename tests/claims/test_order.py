"""Bounds of the honest mean, beside a search over all honest sets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.arrays import Vector
from saddleproof.claims.order import (
    box_bound,
    entries_bound,
    gram_bound,
    spread_bound,
    typical_distance,
)

KINDS = ("normal", "exponential", "lognormal", "two groups", "one far out")


def draw(generator: np.random.Generator, kind: str, shape: tuple[int, ...]) -> Vector:
    """Numbers of one kind, the first axis the workers'."""
    values: Vector
    match kind:
        case "normal":
            values = generator.standard_normal(shape)
        case "exponential":
            values = generator.exponential(size=shape) - 1
        case "lognormal":
            values = generator.lognormal(0, 2, shape)
        case "two groups":
            values = generator.choice([-1.0, 3.0], shape)
        case _:
            values = generator.standard_normal(shape)
            values[0] *= 1e9
    return values


def honest_sets(m: int, b: int) -> Iterator[list[int]]:
    """Every set that could be the honest workers, if at most b lie."""
    for k in range(m - b, m + 1):
        yield from (list(rows) for rows in combinations(range(m), k))


@st.composite
def cases(draw_: st.DrawFn) -> tuple[np.random.Generator, str, int, int, int, float]:
    """A generator, a kind of values, m, b < m, d and a scale."""
    m = draw_(st.integers(1, 7))
    return (
        np.random.default_rng(draw_(st.integers(0, 2**32 - 1))),
        draw_(st.sampled_from(KINDS)),
        m,
        draw_(st.integers(0, m - 1)),
        draw_(st.integers(1, 4)),
        10.0 ** draw_(st.sampled_from([-250, -160, -9, 0, 0, 0, 9, 140, 155, 250])),
    )


Case = tuple[np.random.Generator, str, int, int, int, float]


@given(cases())
def test_no_honest_set_has_a_longer_mean_than_the_bounds_of_a_gradient(case: Case) -> None:
    generator, kind, m, b, d, scale = case
    rows = draw(generator, kind, (m, d))
    longest = max(float(np.linalg.norm(rows[s].mean(axis=0))) for s in honest_sets(m, b))
    with np.errstate(over="ignore"):
        found = rows * scale
        gram = found @ found.T
    assert box_bound(found, b) >= longest * scale
    assert gram_bound(gram, b) >= longest * scale


def test_both_bounds_of_a_gradient_are_reached() -> None:
    rows = np.array([[1.0], [1.0], [1.0], [-3.0]])
    # The honest are the three equal ones.
    assert box_bound(rows, 1) == pytest.approx(1.0, rel=1e-12)
    # Two of two against two of two, with b = m/2.
    pair = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    assert gram_bound(pair @ pair.T, 2) == pytest.approx(1.0, abs=1e-6)


def test_the_spread_is_the_smaller_bound_in_many_dimensions() -> None:
    rows = np.random.default_rng(0).standard_normal((20, 2000))
    assert gram_bound(rows @ rows.T, 6) < 0.6 * box_bound(rows, 6)


def symmetric(values: Vector) -> Vector:
    """The symmetric part of matrices."""
    part: Vector = values / 2 + values.swapaxes(-1, -2) / 2
    return part


@given(cases())
def test_no_honest_set_has_a_lower_eigenvalue_than_the_bounds_of_a_hessian(case: Case) -> None:
    generator, kind, m, b, d, scale = case
    true = symmetric(draw(generator, kind, (m, d, d)))
    errors = generator.exponential(size=m) * generator.choice([0.0, 0.1])
    wrong = symmetric(generator.standard_normal((m, d, d)))
    stated = true + wrong * (errors / np.linalg.norm(wrong, axis=(1, 2)))[:, None, None]
    lowest = min(float(np.linalg.eigvalsh(true[s].mean(axis=0))[0]) for s in honest_sets(m, b))
    for bound in (spread_bound, entries_bound):
        assert bound(stated * scale, errors * scale, b) <= lowest * scale


def test_one_liar_of_any_size_forges_no_eigenvalue() -> None:
    """The spread of a liar's c I cancels its share of the mean to the last digit but one."""
    generator = np.random.default_rng(0)
    for size in 10.0 ** np.arange(0, 290, 3.7):
        matrices = symmetric(generator.standard_normal((9, 3, 3)))
        truth = float(np.linalg.eigvalsh(matrices[1:].mean(axis=0))[0])
        for lie in (np.eye(3), -np.eye(3), np.ones((3, 3))):
            matrices[0] = size * lie
            assert spread_bound(matrices, np.zeros(9), 1) <= truth
            assert entries_bound(matrices, np.zeros(9), 1) <= truth


@pytest.mark.parametrize("bound", [spread_bound, entries_bound])
def test_a_hessian_that_is_not_known_at_all_leaves_nothing_to_say(bound: object) -> None:
    matrices, errors = np.repeat(np.eye(2)[None], 4, axis=0), np.array([np.inf, 0, 0, 0])
    assert bound(matrices, errors, 1) == -np.inf  # type: ignore[operator]


def test_where_all_workers_agree_nothing_is_lost() -> None:
    matrices = np.repeat(np.diag([0.3, 1.0, 2.0])[None], 9, axis=0)
    for bound in (spread_bound, entries_bound):
        assert bound(matrices, np.zeros(9), 4) == pytest.approx(0.3, abs=1e-12)


# ------------------------------------------------------------------- the default gradient tolerance


@given(st.integers(0, 2**32 - 1), st.integers(3, 25), st.floats(0, 0.49))
def test_liars_stretch_no_typical_distance_beyond_the_honest_workers(
    seed: int, m: int, share: float
) -> None:
    b, generator = int(share * m), np.random.default_rng(seed)
    rows = generator.standard_normal((m, 3))
    rows[:b] = 10.0 ** generator.uniform(-3, 300) * generator.choice([-1, 1], (b, 3))
    middle = np.median(rows, axis=0)
    longest = np.abs(rows[b:] - middle).max(axis=0)
    assert typical_distance(rows, b) <= 1.4826 * np.linalg.norm(longest) * (1 + 1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_below_a_third_liars_shrink_no_typical_distance_below_the_honest_median_deviation(
    seed: int, b: int
) -> None:
    m, generator = 3 * b + 1, np.random.default_rng(seed)
    rows = generator.standard_normal((m, 2))
    rows[:b] = np.median(rows[b:], axis=0)
    middle = np.median(rows, axis=0)
    typical = np.median(np.abs(rows[b:] - middle), axis=0)
    assert typical_distance(rows, b) >= 1.4826 * np.linalg.norm(typical) * (1 - 1e-12)


def test_half_of_the_workers_choose_no_tolerance() -> None:
    rows = np.array([[1e9], [1e9], [0.0], [0.1]])
    assert typical_distance(rows, 2) == 0.0


def test_a_distance_that_overflows_is_no_tolerance() -> None:
    rows = np.array([[1.7e308], [-1.7e308], [1.7e308], [-1.7e308]])
    assert typical_distance(rows, 0) == 0.0
