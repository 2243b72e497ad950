"""Rules whose workers count by weights: with equal ones they are the plain rules."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.aggregators import (
    Bucketing,
    Clipping,
    Krum,
    Mean,
    Median,
    NearestNeighborMixing,
    TrimmedMean,
)
from saddleproof.aggregators.by_shares import ByShares, InSample, WithShares, shared
from saddleproof.aggregators.centered_clipping import CenteredClipping
from saddleproof.aggregators.shares import capped, heaviest, inexactness, trimmed
from saddleproof.errors import OptionError

RULES: dict[str, Any] = {
    "mean": Mean(),
    "median": Median(),
    "trimmed mean": TrimmedMean(),
    "mixing": NearestNeighborMixing(),
    "mixing, median": NearestNeighborMixing(Median()),
    "clipping": Clipping(),
    "clipping at a radius": Clipping(radius=1.5),
    "both": Clipping(NearestNeighborMixing(TrimmedMean())),
    "buckets": Bucketing(TrimmedMean(), size=2, key="k"),
    "buckets of mixtures": NearestNeighborMixing(Bucketing(Median(), size=2, key="k")),
}
#: The order of buckets hangs on every bit of the rows, and mixtures differ in the last one.
SAME = {name: rule for name, rule in RULES.items() if name != "buckets of mixtures"}


def messages(seed: int, m: int, d: int, q: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((q, m, d))


@pytest.mark.parametrize("rule", SAME.values(), ids=SAME)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), half=st.integers(2, 7), d=st.integers(1, 4), data=st.data())
def test_equal_weights_are_no_weights(
    rule: Any, seed: int, half: int, d: int, data: st.DataObject
) -> None:
    m = 2 * half  # as the buckets are equal then
    b = data.draw(st.integers(0, rule.breakdown(m)))
    stack = messages(seed, m, d)
    found, plain = ByShares(rule, (3.0,) * m).estimates(stack, b), rule.estimates(stack, b)
    np.testing.assert_allclose(found.vector, plain.vector, atol=1e-9)
    assert (found.inexactness is None) == (plain.inexactness is None)
    if plain.inexactness is not None:
        np.testing.assert_allclose(found.inexactness, plain.inexactness, rtol=1e-6)


@pytest.mark.parametrize("rule", [Mean(), Median(), TrimmedMean()], ids=["mean", "median", "trim"])
@given(seed=st.integers(0, 2**32), data=st.data())
def test_a_weight_of_three_is_three_equal_rows(rule: Any, seed: int, data: st.DataObject) -> None:
    counts = np.array(data.draw(st.lists(st.integers(1, 4), min_size=5, max_size=9)))
    b = data.draw(st.integers(0, 2))
    mass = int(np.sort(counts)[len(counts) - b :].sum())
    if 2 * mass >= counts.sum():
        return
    x = messages(seed, len(counts), 3, q=1)
    copies = np.repeat(x, counts, axis=1)
    found = shared(rule, x, counts / counts.sum(), b)
    np.testing.assert_allclose(found.vector, rule.estimates(copies, mass).vector, atol=1e-9)


@given(
    weights=st.lists(st.floats(1e-3, 1e6), min_size=3, max_size=7),
    factor=st.integers(1, 2),
    data=st.data(),
)
def test_no_b_workers_hold_a_third_whatever_they_claim(
    weights: list[float], factor: int, data: st.DataObject
) -> None:
    m = len(weights)
    b = data.draw(st.integers(0, (m - 1) // (2 * factor)))
    shares = capped(np.array(weights), b, factor * b)
    assert shares.sum() == pytest.approx(1.0)
    assert (shares > 0).all()
    limit = 1 / 3 if 3 * b < m else 1 / 2
    assert all(sum(some) < limit for some in combinations(shares, b))
    assert all(sum(some) < 1 / 2 for some in combinations(shares, factor * b))
    # The cap takes from the heaviest alone, and no more than it must.
    ratio = shares / np.array(weights)
    assert (ratio <= ratio.max() * (1 + 1e-9)).all()
    lowered = ratio < ratio.max() * (1 - 1e-6)
    if lowered.any():
        tight = min(limit - heaviest(shares, b), 0.5 - heaviest(shares, factor * b))
        assert tight < 1e-5
        assert np.allclose(shares[lowered], shares.max())


@settings(max_examples=40)
@given(weights=st.lists(st.floats(1e-9, 1e9), min_size=3, max_size=9), data=st.data())
def test_trimming_leaves_something_whatever_is_claimed(
    weights: list[float], data: st.DataObject
) -> None:
    m = len(weights)
    b = data.draw(st.integers(0, (m - 1) // 2))
    x = messages(0, m, 2)
    for rule in (TrimmedMean(), NearestNeighborMixing()):
        found = ByShares(rule, tuple(weights)).estimates(x, b).vector
        assert np.isfinite(found).all()
        assert (np.abs(found) <= np.abs(x).max() + 1e-9).all()


def test_a_cap_that_does_not_exist_is_refused() -> None:
    with pytest.raises(OptionError, match="hold half of the mass even at equal weights"):
        capped(np.ones(4), 2, 2)


@pytest.mark.parametrize("rule", [r for r in RULES.values() if not isinstance(r, Mean)], ids=repr)
@pytest.mark.parametrize("lie", [1e6, 1e30, 1e200, -1e200])
def test_a_liar_that_claims_all_rows_moves_nothing_far(rule: Any, lie: float) -> None:
    m, b = 12, 2
    x = messages(1, m, 4)
    x[:, :b] = lie
    found = ByShares(rule, (1e9,) * b + (50.0, 100.0) * 5).estimates(x, b)
    if not isinstance(rule, Clipping):  # pulled in, not left out
        assert not found.kept[:, :b].any()
    assert np.abs(found.vector).max() < 4


@given(seed=st.integers(0, 2**32), size=st.floats(0.1, 100.0), d=st.integers(2, 5))
def test_the_bound_holds_the_honest_weighted_median(seed: int, size: float, d: int) -> None:
    rng = np.random.default_rng(seed)
    m, b = 11, 3
    shares = capped(rng.uniform(1, 20, m), b, b)
    x = rng.standard_normal((1, m, d))
    x[:, :b] = size * rng.standard_normal((1, b, d))
    honest, own = x[:, b:], shares[b:] / shares[b:].sum()
    # Cutting nearly half leaves the weighted median, where it is unique.
    middle = trimmed(honest, own, 0.5 - 1e-6)[0]
    for vector in (np.zeros((1, d)), rng.standard_normal((1, d))):
        bound = inexactness(x, vector, shares, b)
        assert bound is not None
        assert np.linalg.norm(vector - middle) <= bound[0] * (1 + 1e-6)


def test_a_third_of_the_mass_leaves_no_bound() -> None:
    shares = np.array([0.34, 0.22, 0.22, 0.22])
    assert inexactness(messages(0, 4, 3), np.zeros((2, 3)), shares, 1) is None
    assert "third of the weight" in shared(Median(), messages(0, 4, 3), shares, 1).reason


def test_weights_follow_the_workers_that_were_heard() -> None:
    rule = ByShares(Mean(), (1.0, 2.0, 3.0, 4.0))
    memory = rule.begin(("a", "b", "c", "d"), 1)
    now = rule.recall(
        memory, np.zeros((1, 3, 1)), 0, workers=("a", "c", "d"), points=np.zeros((1, 1))
    )
    assert isinstance(now.rule, WithShares)
    np.testing.assert_allclose(now.rule.shares, [1 / 8, 3 / 8, 4 / 8])
    with pytest.raises(OptionError, match="one a worker"):
        rule.begin(("a", "b"), 1)


def test_rules_that_count_alike_are_refused_by_name() -> None:
    for rule in (Krum(), NearestNeighborMixing(Krum()), CenteredClipping()):
        with pytest.raises(OptionError, match=r"(Krum|CenteredClipping) counts all workers alike"):
            ByShares(rule, (1.0,) * 5)
    with pytest.raises(OptionError, match="origin"):
        ByShares(Clipping(about="origin"), (1.0,) * 5)


@pytest.mark.parametrize("weights", [(), (1.0, 0.0), (1.0, -1.0), (1.0, np.nan), (1.0, np.inf)])
def test_weights_are_positive_and_finite(weights: tuple[float, ...]) -> None:
    with pytest.raises(OptionError, match="weights must be positive and finite"):
        ByShares(Mean(), weights)


def test_messages_of_another_library_are_refused() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(OptionError, match="NumPy arrays; got Tensor"):
        ByShares(Mean(), (1.0, 2.0, 3.0))(torch.zeros(3, 2), 0)


def test_a_rule_of_a_sample_counts_the_liars_that_are_feared_there() -> None:
    rule = InSample(TrimmedMean(), size=5, b=1)
    x = messages(0, 5, 3)
    np.testing.assert_array_equal(rule.estimates(x, 6).vector, TrimmedMean().estimates(x, 1).vector)
    wide = messages(0, 20, 3)
    np.testing.assert_array_equal(
        rule.estimates(wide, 6).vector, TrimmedMean().estimates(wide, 6).vector
    )
    assert rule.breakdown(20) == 9
    assert rule.breakdown(2) == 0
    with pytest.raises(OptionError, match="remembers"):
        InSample(CenteredClipping(), 5, 1)
