"""Mixing, bucketing and clipping compose with any rule, and do what their papers say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators import Mean, Median, TrimmedMean
from saddleproof.aggregators.bucketing import Bucketing
from saddleproof.aggregators.bulyan import Bulyan
from saddleproof.aggregators.clipping import Clipping
from saddleproof.aggregators.engine.gram import combine, gram
from saddleproof.aggregators.geometric_median import GeometricMedian
from saddleproof.aggregators.krum import Krum
from saddleproof.aggregators.mixing import Mixing
from saddleproof.aggregators.nearest_neighbor_mixing import NearestNeighborMixing
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.testing import check_aggregator

INNER = (Median(), TrimmedMean(), Krum(), GeometricMedian(), Bulyan())


def mixtures(rule: Mixing, x: np.ndarray, b: int) -> np.ndarray:
    """What the inner rule sees."""
    return combine(x, rule.matrix(x, gram(x), b))


@pytest.mark.parametrize("inner", INNER, ids=lambda inner: type(inner).__name__)
@pytest.mark.parametrize("outer", [NearestNeighborMixing, Clipping])
def test_mixing_and_clipping_pass_the_suite_with_any_rule(outer: Any, inner: Any) -> None:
    check_aggregator(outer(inner), rotation=isinstance(inner, (Krum, GeometricMedian)))


@pytest.mark.parametrize("inner", INNER, ids=lambda inner: type(inner).__name__)
def test_bucketing_passes_the_suite_with_any_rule(inner: Any) -> None:
    check_aggregator(Bucketing(inner, key="suite"), m=15, equivariant=False)


def test_they_compose_with_each_other() -> None:
    rule = Bucketing(Clipping(NearestNeighborMixing(Median()), radius=5.0), key="suite")
    check_aggregator(rule, m=11, equivariant=False)


@pytest.mark.parametrize("outer", [NearestNeighborMixing, Clipping, Bucketing])
@pytest.mark.parametrize("inner", [Krum(), GeometricMedian()])
def test_mixing_in_gram_space_is_mixing(outer: Any, inner: Any) -> None:
    x = np.random.default_rng(0).standard_normal((11, 4))
    rule = outer(inner)
    np.testing.assert_allclose(rule(x, 1), inner(mixtures(rule, x, 1), 1), atol=1e-9)


@pytest.mark.parametrize("outer", [NearestNeighborMixing, Clipping, Bucketing])
def test_only_rows_that_entered_are_kept(outer: Any) -> None:
    x = np.random.default_rng(0).standard_normal((15, 4))
    x[:2] = 1e9
    for inner in (Krum(), Median()):
        kept = outer(inner).estimate(x, 2).kept
        assert kept.any()
        assert not (kept[:2].any() and outer is not Clipping)


@pytest.mark.parametrize("outer", [NearestNeighborMixing, Clipping, Bucketing])
def test_a_bad_row_spoils_its_own_mixtures_only(outer: Any) -> None:
    x = np.random.default_rng(0).standard_normal((11, 4))
    x[:2] = np.nan
    mixed = mixtures(outer(Median()), x, 2)
    assert (~np.isfinite(mixed).all(axis=1)).sum() <= 2


@pytest.mark.parametrize("outer", [NearestNeighborMixing, Clipping, Bucketing])
def test_the_inexactness_is_about_the_messages_as_they_came(outer: Any) -> None:
    from saddleproof.aggregators.inexactness import rank_inexactness

    x = np.random.default_rng(0).standard_normal((11, 4))
    found = outer(Median()).estimate(x, 2)
    expected = rank_inexactness(np.sort(x, axis=0)[None], found.vector[None], 2)
    assert found.inexactness == pytest.approx(expected[0])


@pytest.mark.parametrize("outer", [NearestNeighborMixing, Clipping, Bucketing])
def test_what_is_no_rule_is_refused(outer: Any) -> None:
    with pytest.raises(
        OptionError, match=r"rule must be a rule; got the string 'krum': pass an instance, Krum\(\)"
    ):
        outer("krum")


# --- nearest-neighbour mixing -------------------------------------------------------------------


@given(seed=st.integers(0, 2**32), m=st.integers(1, 9), data=st.data())
def test_each_row_becomes_the_mean_of_its_nearest(seed: int, m: int, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, (m - 1) // 2))
    x = np.random.default_rng(seed).standard_normal((m, 3))
    for row, mixed in zip(x, mixtures(NearestNeighborMixing(), x, b), strict=True):
        nearest = np.argsort(((x - row) ** 2).sum(axis=1), kind="stable")[: m - b]
        np.testing.assert_allclose(mixed, x[nearest].mean(axis=0), atol=1e-12)


def test_without_liars_every_row_becomes_the_mean() -> None:
    x = np.random.default_rng(0).standard_normal((9, 4))
    np.testing.assert_allclose(
        mixtures(NearestNeighborMixing(), x, 0), np.tile(x.mean(axis=0), (9, 1)), atol=1e-12
    )


@given(seed=st.integers(0, 2**32))
def test_mixing_shrinks_what_the_honest_rows_disagree_about(seed: int) -> None:
    # Lemma 1 of Allouah et al.: variance plus squared bias falls to 8 b/(m - b) of the variance.
    rng = np.random.default_rng(seed)
    m, b = 20, 2
    x = rng.standard_normal((m, 5))
    x[:b] = rng.uniform(0, 5) * rng.standard_normal((b, 5))
    y, honest = mixtures(NearestNeighborMixing(), x, b)[b:], x[b:]
    variance = ((honest - honest.mean(axis=0)) ** 2).sum(axis=1).mean()
    after = ((y - y.mean(axis=0)) ** 2).sum(axis=1).mean()
    bias = ((y.mean(axis=0) - honest.mean(axis=0)) ** 2).sum()
    assert after + bias <= 8 * b / (m - b) * variance


# --- bucketing ----------------------------------------------------------------------------------


def test_buckets_are_averages_of_disjoint_rows() -> None:
    x = np.arange(10.0)[:, None]
    for size in (1, 2, 3, 4, 10, 20):
        rule = Bucketing(Median(), size=size)
        A = rule.matrix(x, gram(x), 0)
        assert A.shape == (-(-10 // size), 10)
        np.testing.assert_allclose(A.sum(axis=1), 1.0)
        np.testing.assert_array_equal((A > 0).sum(axis=0), 1)
        assert (A > 0).sum(axis=1).max() == min(size, 10)


def test_the_buckets_average_to_the_mean_when_the_size_divides_m() -> None:
    x = np.random.default_rng(0).standard_normal((12, 3))
    np.testing.assert_allclose(Bucketing(Mean(), size=3)(x, 0), x.mean(axis=0), atol=1e-12)


def test_buckets_of_one_change_nothing() -> None:
    x = np.random.default_rng(0).standard_normal((9, 3))
    for inner in (Median(), Krum(), TrimmedMean()):
        np.testing.assert_allclose(Bucketing(inner, size=1)(x, 2), inner(x, 2), atol=1e-12)


@given(seed=st.integers(0, 2**32))
def test_a_liar_spoils_one_bucket(seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((12, 2))
    x[:3] = 1e9
    rule = Bucketing(Median())
    assert (np.abs(mixtures(rule, x, 3)).max(axis=1) > 1e3).sum() <= 3


def test_the_order_depends_on_key_and_messages_and_on_nothing_else() -> None:
    x = np.random.default_rng(0).standard_normal((30, 3))
    rule, same, other = Bucketing(key="a"), Bucketing(key="a"), Bucketing(key="b")
    order = rule._order(x)
    assert order == rule._order(x) == same._order(x)
    assert order != other._order(x)
    assert sorted(order) == list(range(30))
    changed = x.copy()
    changed[7, 1] += 1e-9  # one worker says something else, and all are dealt anew
    moved = rule._order(changed)
    assert [i for i in moved if i != 7] != [i for i in order if i != 7]
    turn = np.random.default_rng(1).permutation(30)
    assert [int(turn[i]) for i in rule._order(x[turn])] == order


def test_without_a_key_nobody_can_predict_the_order() -> None:
    x = np.random.default_rng(0).standard_normal((30, 3))
    one, other = Bucketing(), Bucketing()
    assert one._order(x) != other._order(x)
    assert one.key not in repr(one)


def test_every_pair_of_rows_meets_as_often_as_chance_has_it() -> None:
    x = np.random.default_rng(0).standard_normal((6, 2))
    meet = np.zeros((6, 6))
    for key in range(1000):
        A = Bucketing(key=str(key)).matrix(x, gram(x), 0)
        meet += (A.T @ A) > 0
    pairs = meet[np.triu_indices(6, 1)] / 1000  # 1/5; the standard error is .0126
    assert np.abs(pairs - 0.2).max() < 5 * 0.0126


def test_bucketing_holds_what_the_rule_holds_of_the_buckets() -> None:
    assert Bucketing(Median()).breakdown(20) == Median().breakdown(10) == 4
    with pytest.raises(BreakdownError, match="at most 4 Byzantine rows of 20; got b=5"):
        Bucketing(Median())(np.zeros((20, 1)), 5)
    with pytest.raises(OptionError, match="size >= 1; got 0"):
        Bucketing(size=0)


# --- clipping -----------------------------------------------------------------------------------


def test_rows_are_pulled_to_the_radius_and_not_turned() -> None:
    x = np.random.default_rng(0).standard_normal((9, 3)) * np.arange(1, 10)[:, None]
    y = mixtures(Clipping(radius=4.0), x, 2)
    center = GeometricMedian()(x, 2)
    before, after = (np.linalg.norm(z - center, axis=1) for z in (x, y))
    np.testing.assert_allclose(after, np.minimum(before, 4.0))
    np.testing.assert_allclose((y - center) / after[:, None], (x - center) / before[:, None])


def test_the_adaptive_radius_reaches_the_next_row() -> None:
    m, b = 12, 3
    x = np.random.default_rng(0).standard_normal((m, 3))
    x[:b] *= 1e6
    y = mixtures(Clipping(), x, b)
    center = GeometricMedian()(x, b)
    before, after = (np.linalg.norm(z - center, axis=1) for z in (x, y))
    clipped = 2 * b * (m - b) // m  # 4 of 12
    assert clipped == 4
    np.testing.assert_allclose(after, np.minimum(before, np.sort(before)[m - 1 - clipped]))


def test_without_liars_nothing_is_clipped() -> None:
    x = np.random.default_rng(0).standard_normal((9, 4))
    np.testing.assert_allclose(mixtures(Clipping(), x, 0), x, atol=1e-12)


@pytest.mark.parametrize("far", [1e30, 1e200, np.inf, np.nan])
def test_the_mean_of_clipped_rows_cannot_be_dragged_away(far: float) -> None:
    x = np.random.default_rng(0).standard_normal((20, 3))
    x[:3] = far
    assert np.linalg.norm(Clipping(Mean())(x, 3)) < 1.5


@pytest.mark.parametrize("radius", [0.0, -1.0, np.nan])
def test_a_radius_is_positive(radius: float) -> None:
    with pytest.raises(OptionError, match=r"radius (> 0 or None|needs a number)"):
        Clipping(radius=radius)
