"""Bounds about the honest mean and the honest median, for every set of at most b liars."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_votes import number, votes

from saddleproof.ranks import (
    frontier,
    interval,
    mean_bounds,
    median_bounds,
    weighted_mean_bounds,
)


@st.composite
def small(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Values, weights and b, few enough to look at every set of honest workers."""
    m = draw(st.integers(1, 7))
    values = draw(st.lists(number, min_size=m, max_size=m))
    weights = draw(st.lists(st.floats(0.01, 100), min_size=m, max_size=m))
    return np.array(values), np.array(weights), draw(st.integers(0, m - 1))


def near(found: float, expected: float) -> bool:
    return abs(found - expected) <= 1e-9 * (1e3 + abs(expected))


def honest_sets(m: int, b: int) -> list[list[int]]:
    """Every set of workers that may be the honest ones: all that leave out at most b."""
    return [list(kept) for n in range(m - b, m + 1) for kept in combinations(range(m), n)]


@given(small())
def test_the_bounds_of_the_mean_are_the_extreme_means_over_all_honest_sets(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    values, _, b = case
    means = [values[kept].mean() for kept in honest_sets(len(values), b)]
    low, high = mean_bounds(values, b)
    assert near(float(low), min(means))
    assert near(float(high), max(means))


@given(small())
def test_the_bounds_of_the_median_are_the_extreme_medians_over_all_honest_sets(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    values, _, b = case
    honest = [np.sort(values[kept]) for kept in honest_sets(len(values), b)]
    low, high = median_bounds(values, b)
    assert low == min(x[(len(x) - 1) // 2] for x in honest)
    assert high == max(x[len(x) // 2] for x in honest)


@given(small())
def test_the_bounds_of_the_weighted_mean_are_the_extremes_over_all_honest_sets(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    values, weights, b = case
    means = [
        np.average(values[kept], weights=weights[kept]) for kept in honest_sets(len(values), b)
    ]
    low, high = weighted_mean_bounds(values, weights, b)
    assert near(low, min(means))
    assert near(high, max(means))


@given(small())
def test_equal_weights_give_the_bounds_of_the_plain_mean(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    values, _, b = case
    weighted = weighted_mean_bounds(values, np.full(len(values), 3.0), b)
    for found, expected in zip(weighted, mean_bounds(values, b), strict=True):
        assert near(found, float(expected))


def test_workers_with_many_rows_can_move_the_weighted_mean_farther() -> None:
    values, weights = np.array([0.0, 0.0, 1.0]), np.array([1.0, 1.0, 8.0])
    assert weighted_mean_bounds(values, weights, 1) == (0.0, pytest.approx(8 / 9))


@given(votes())
def test_the_honest_mean_is_always_between_its_bounds(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    honest, everybody, b = case
    low, high = mean_bounds(everybody, b)
    slack = 1e-9 * (1 + np.abs(honest).max())
    assert low <= honest.mean() + slack
    assert honest.mean() <= high + slack


@given(votes())
def test_more_liars_never_narrow_a_bound(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    _, everybody, _ = case
    finite = np.clip(everybody, -1e9, 1e9)
    for bounds in (mean_bounds, median_bounds):
        ends = np.array([bounds(finite, b) for b in range(len(finite))])
        slack = 1e-9 * (1 + np.abs(finite).max())
        assert (np.diff(ends[:, 0]) <= slack).all()
        assert (np.diff(ends[:, 1]) >= -slack).all()


@given(votes(third=True))
def test_fewer_than_a_third_cannot_deny_the_median_but_one_liar_denies_the_mean(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    honest, everybody, b = case
    low, high = median_bounds(everybody, b)
    assert honest.min() <= low <= high <= honest.max()
    if b:
        loud = np.append(everybody[:-1], [-1e12])
        assert mean_bounds(loud, b)[0] < -1e12 / (2 * len(loud))


def test_infinite_lies_deny_an_end_and_make_no_end_a_nan() -> None:
    honest = np.linspace(1.0, 2.0, 8)
    for lies in ([np.inf, -np.inf], [np.inf, np.inf], [-np.inf, -np.inf], [1e308, 1e308]):
        ends = np.array(mean_bounds(np.array([*honest, *lies]), b=2))
        assert not np.isnan(ends).any()
        assert ends[0] <= honest.mean() <= ends[1]
    assert np.isinf(mean_bounds(np.array([*honest, np.inf, -np.inf]), b=2)).all()
    nothing_known = mean_bounds(np.array([np.inf, np.inf, -np.inf, -np.inf]), b=1)
    assert [float(end) for end in nothing_known] == [-np.inf, np.inf]


@given(st.integers(1, 12), st.data())
def test_the_frontier_is_the_last_b_before_the_claim_first_falls(
    m: int, data: st.DataObject
) -> None:
    last = data.draw(st.integers(-1, m - 1))
    asked: list[int] = []

    def holds(b: int) -> bool:
        asked.append(b)
        return b <= last or b > last + 1  # a claim that stands again counts for nothing

    assert frontier(holds, m) == last
    assert max(asked) < m


@given(small())
def test_at_the_frontier_a_claim_holds_for_every_honest_set_and_one_liar_more_breaks_it(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    values, _, _ = case
    m, claim = len(values), float(np.median(values)) - 1.0
    best = frontier(lambda b: float(mean_bounds(values, b)[0]) > claim, m)
    slack = 1e-9 * (1e3 + abs(claim))
    if best >= 0:
        assert all(values[kept].mean() > claim - slack for kept in honest_sets(m, best))
    if best < m - 1:
        assert any(values[kept].mean() <= claim + slack for kept in honest_sets(m, best + 1))


#: (runs, honest) draws of one number per worker.
HONEST: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape),
    "lognormal": lambda rng, shape: rng.lognormal(sigma=1.5, size=shape),
    "two groups": lambda rng, shape: (
        np.where(rng.random(shape) < 0.3, 5.0, 0.0) + 0.1 * rng.standard_normal(shape)
    ),
}


#: (runs, honest) values to (runs, 1) lies, said by all liars; "split" and "random" differ.
LIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "zero": lambda x: np.zeros((len(x), 1)),
    "loud up": lambda x: np.full((len(x), 1), 1e9),
    "loud down": lambda x: np.full((len(x), 1), -1e9),
    "infinite": lambda x: np.full((len(x), 1), np.inf),
    "lowest": lambda x: x.min(axis=1, keepdims=True),
    "highest": lambda x: x.max(axis=1, keepdims=True),
    "median": lambda x: np.median(x, axis=1, keepdims=True),
    "mean": lambda x: x.mean(axis=1, keepdims=True),
    "opposite": lambda x: -x.mean(axis=1, keepdims=True),
    "outside": lambda x: x.mean(axis=1, keepdims=True) + 3 * x.std(axis=1, keepdims=True),
    "split": lambda x: x.mean(axis=1, keepdims=True),
    "random": lambda x: x.mean(axis=1, keepdims=True),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("values", HONEST)
@pytest.mark.parametrize(("m", "b"), [(20, 6), (50, 10), (21, 10)])
def test_bounds_cover_the_honest_mean_and_median_in_every_run(
    values: str, lie: str, m: int, b: int
) -> None:
    rng = np.random.default_rng(m)
    honest = HONEST[values](rng, (400, m - b))
    lies = np.repeat(LIES[lie](honest), b, axis=1)
    if lie == "split":
        lies += np.where(np.arange(b) % 2, 1e6, -1e6)
    if lie == "random":
        lies += rng.standard_normal(lies.shape)
    everybody = rng.permuted(np.concatenate([honest, lies], axis=1), axis=1)
    slack = 1e-12 * np.abs(honest).sum(axis=1)
    low, high = mean_bounds(everybody, b)
    assert (low <= honest.mean(axis=1) + slack).all()
    assert (honest.mean(axis=1) <= high + slack).all()
    low, high = median_bounds(everybody, b)
    ordered = np.sort(honest, axis=1)
    assert (low <= ordered[:, (m - b - 1) // 2]).all()
    assert (ordered[:, (m - b) // 2] <= high).all()


def test_a_median_with_standard_errors_does_not_cover_the_mean_of_skewed_values() -> None:
    """Why a claim about the mean needs `mean_bounds`: the steering interval misses it mostly."""
    honest = np.random.default_rng(0).lognormal(sigma=1.5, size=(400, 70))
    everybody = np.concatenate([honest, np.repeat(honest.min(axis=1, keepdims=True), 30, 1)], 1)
    found, mean = interval(everybody, 30), honest.mean(axis=1)
    assert ((found.low <= mean) & (mean <= found.high)).mean() < 0.5
    low, high = mean_bounds(everybody, 30)
    assert ((low <= mean + 1e-12) & (mean <= high + 1e-12)).all()
