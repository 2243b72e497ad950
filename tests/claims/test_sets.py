"""Bounds by trying every set that could be the honest workers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.arrays import Vector
from saddleproof.claims.order import entries_bound, gram_bound, spread_bound
from saddleproof.claims.sets import few, least_eigenvalue, longest_mean

M = 7


def honest_sets(m: int, b: int) -> Iterator[list[int]]:
    """Every set that could be the honest workers, if at most b lie."""
    for k in range(m - b, m + 1):
        yield from (list(rows) for rows in combinations(range(m), k))


def matrices(seed: int, d: int) -> Vector:
    noise = np.random.default_rng(seed).standard_normal((M, d, d))
    found: Vector = noise + noise.swapaxes(1, 2)
    return found


@given(st.integers(0, 2**32 - 1), st.integers(0, M - 1), st.integers(1, 3))
def test_no_set_of_any_size_is_below_the_least_and_one_reaches_it(
    seed: int, b: int, d: int
) -> None:
    given_ = matrices(seed, d)
    values = [float(np.linalg.eigvalsh(given_[s].mean(axis=0))[0]) for s in honest_sets(M, b)]
    low = least_eigenvalue(given_, np.zeros(M), b)
    assert low <= min(values) <= low + 1e-9


@given(st.integers(0, 2**32 - 1), st.integers(0, M - 1))
def test_no_other_bound_is_tighter(seed: int, b: int) -> None:
    given_, none = matrices(seed, 2), np.zeros(M)
    low = least_eigenvalue(given_, none, b)
    assert low >= max(spread_bound(given_, none, b), entries_bound(given_, none, b)) - 1e-9
    rows = given_[:, 0]
    assert longest_mean(rows @ rows.T, b) <= gram_bound(rows @ rows.T, b) + 1e-6


@given(st.integers(0, 2**32 - 1), st.integers(0, M - 1), st.integers(-170, 150))
def test_no_set_has_a_longer_mean(seed: int, b: int, power: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((M, 3))
    longest = max(float(np.linalg.norm(rows[s].mean(axis=0))) for s in honest_sets(M, b))
    scaled = rows * 10.0**power
    assert longest_mean(scaled @ scaled.T, b) >= longest * 10.0**power


def test_errors_lower_the_least_by_their_mean() -> None:
    given_, errors = matrices(0, 2), np.full(M, 0.25)
    low = least_eigenvalue(given_, np.zeros(M), 2)
    assert least_eigenvalue(given_, errors, 2) == pytest.approx(low - 0.25)


@pytest.mark.parametrize("lie", [1e100, -1e100, 1e300, 1.7e308])
def test_a_liar_of_any_size_forges_no_end(lie: float) -> None:
    given_ = matrices(0, 2)
    truth = float(np.linalg.eigvalsh(given_[1:].mean(axis=0))[0])
    given_[0] = lie * np.eye(2)
    assert least_eigenvalue(given_, np.zeros(M), 1) <= truth


def test_what_is_not_known_leaves_nothing_to_say() -> None:
    errors = np.zeros(M)
    errors[3] = np.inf
    assert least_eigenvalue(matrices(0, 2), errors, 2) == -np.inf


def test_only_few_sets_are_tried() -> None:
    assert few(20, 6)
    assert not few(40, 12)
    assert not few(5, 5)
