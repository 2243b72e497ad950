"""The inexactness is a proof about the honest median, and honest statistics about the mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators import Mean, Median, TrimmedMean
from saddleproof.aggregators.inexactness import rank_inexactness
from saddleproof.ranks import MAD_TO_SIGMA, MEDIAN_EFFICIENCY, rank_bounds

RULES = (Mean(), Median(), TrimmedMean())


def some_lies(rng: np.random.Generator, honest: np.ndarray, b: int, kind: str) -> np.ndarray:
    d = honest.shape[1]
    center, spread = honest.mean(axis=0), honest.std(axis=0)
    match kind:
        case "far":
            return np.full((b, d), 1e9) * rng.choice([-1, 1], d)
        case "edge":  # just inside the honest range, where nobody notices
            return np.tile(honest.max(axis=0) - 1e-9, (b, 1))
        case "shift":
            return np.tile(center - 1.5 * spread, (b, 1))
        case "copy":
            return np.tile(honest[0], (b, 1))
        case "noise":
            return center + 10 * spread * rng.standard_normal((b, d))
    raise ValueError(kind)


KINDS = ("far", "edge", "shift", "copy", "noise")


@given(
    seed=st.integers(0, 2**32),
    m=st.integers(3, 15),
    kind=st.sampled_from(KINDS),
    heavy=st.booleans(),
    rule=st.sampled_from(RULES),
    data=st.data(),
)
def test_the_honest_median_is_always_within_the_bound(
    seed: int, m: int, kind: str, heavy: bool, rule: Mean, data: st.DataObject
) -> None:
    b = data.draw(st.integers(0, (m - 1) // 3))  # b < m/3
    liars = data.draw(st.integers(0, b))
    rng = np.random.default_rng(seed)
    honest = rng.standard_cauchy((m - liars, 3)) if heavy else rng.standard_normal((m - liars, 3))
    x = np.concatenate([some_lies(rng, honest, liars, kind), honest])
    estimate = rule.estimate(x, b)
    noise = MEDIAN_EFFICIENCY * MAD_TO_SIGMA / np.sqrt(m - b)
    mad = np.median(np.abs(x - np.median(x, axis=0)), axis=0)
    proved = estimate.inexactness - noise * np.linalg.norm(mad)  # the first term alone
    error = np.linalg.norm(estimate.vector - np.median(honest, axis=0))
    assert error <= proved * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [10, 50])
def test_the_honest_mean_is_covered_from_ten_coordinates_on(kind: str, d: int) -> None:
    over = []
    for seed in range(200):
        rng = np.random.default_rng([seed, d])
        honest = rng.standard_normal((14, d))
        found = Median().estimate(np.concatenate([some_lies(rng, honest, 6, kind), honest]), 6)
        over.append(found.inexactness / np.linalg.norm(found.vector - honest.mean(axis=0)))
    assert min(over) >= 1.0
    # Scattered lies move the median least, so there the bound is widest.
    assert np.median(over) <= (6.0 if kind == "noise" else 3.5)


@pytest.mark.parametrize("rule", [Median(), TrimmedMean()])
@pytest.mark.parametrize(("m", "b"), [(20, 3), (20, 6), (50, 10)])
@pytest.mark.parametrize("d", [1, 20])
def test_liars_who_copy_the_middle_leave_the_honest_mean_covered(
    rule: Mean, m: int, b: int, d: int
) -> None:
    held = []
    for seed in range(200):
        honest = np.random.default_rng([seed, m, b]).standard_normal((m - b, d))
        copies = np.tile(np.median(honest, axis=0), (b, 1))
        found = rule.estimate(np.concatenate([copies, honest]), b)
        held.append(np.linalg.norm(found.vector - honest.mean(axis=0)) <= found.inexactness)
    assert np.mean(held) >= 0.95


def test_in_one_dimension_few_runs_are_missed() -> None:
    missed = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        honest = rng.standard_normal((14, 1))
        lies = some_lies(rng, honest, 6, KINDS[seed % len(KINDS)])
        found = Median().estimate(np.concatenate([lies, honest]), 6)
        missed += abs(found.vector - honest.mean()).item() > found.inexactness
    assert missed <= 12  # 3 %


@pytest.mark.parametrize("rule", RULES)
def test_a_third_or_more_is_refused_with_a_reason(rule: Mean) -> None:
    x = np.random.default_rng(0).standard_normal((20, 10))
    assert rule.estimate(x, 6).inexactness is not None
    assert rule.estimate(x, 6).reason == ""
    refused = rule.estimate(x, 7)
    assert refused.inexactness is None
    assert "b=7 of m=20" in refused.reason


def test_what_is_refused_could_be_set_at_will() -> None:
    honest = np.random.default_rng(0).standard_normal((13, 10))
    for far in (1e3, 1e9):
        x = np.concatenate([np.full((7, 10), far), honest])
        _, high = rank_bounds(20, 7)
        assert (np.sort(x, axis=0)[high] == far).all()


def test_by_hand_without_liars() -> None:
    # x = 0, 1, 3 and v = 1: both ranks are the median itself, the MAD is 1, and d = 1 doubles.
    ordered = np.array([[[0.0], [1.0], [3.0]]])
    noise = 2 * MEDIAN_EFFICIENCY * MAD_TO_SIGMA / np.sqrt(3)
    assert rank_inexactness(ordered, np.array([[1.0]]), 0)[0] == pytest.approx(noise)
    assert rank_inexactness(ordered, np.array([[5.0]]), 0)[0] == pytest.approx(4 + noise)
