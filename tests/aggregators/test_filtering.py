"""Iterative filtering: Lemma 5 and what the proofs in docs/filtering.md rest on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from filtering_rows import FREE, attacked, seeds
from hypothesis import given, settings

import saddleproof as sp
from saddleproof.aggregators import Median
from saddleproof.aggregators.algorithm2 import IterativeFiltering
from saddleproof.aggregators.algorithm2.error_bound import error_bound
from saddleproof.aggregators.algorithm2.rank_one import leading, rank_one
from saddleproof.aggregators.algorithm2.reweighting import cap_of
from saddleproof.aggregators.engine.gram import gram
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.testing import check_aggregator


@pytest.mark.parametrize("m", [5, 11, 20])
def test_filtering_passes_the_suite(m: int) -> None:
    check_aggregator(FREE, m=m, rotation=True)
    check_aggregator(IterativeFiltering(alpha=0.24), m=m, rotation=True)


def test_the_saddle_method_passes_the_suite() -> None:
    check_aggregator(IterativeFiltering(method="saddle", tolerance=1e-2), m=11)


@pytest.mark.parametrize("size", [1e3, 1e30, 3.4e38, 1e150, 2e153, 1e200, np.inf, np.nan])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sigma", [None, 4.0])
def test_no_row_of_any_size_takes_the_rule_down(
    size: float, dtype: Any, sigma: float | None
) -> None:
    x = np.random.default_rng(0).standard_normal((40, 20)).astype(dtype)
    bad = x.copy()
    with np.errstate(over="ignore"):
        bad[:8] = np.linspace(0.5, 1, 8)[:, None].astype(dtype) * dtype(size)
        bad[3] *= -1
    found = IterativeFiltering(sigma=sigma).estimate(bad, b=8)
    assert not found.kept[:8].any()
    assert found.kept[8:].sum() >= 30
    assert np.linalg.norm(found.vector - x[8:].mean(axis=0)) < 1
    assert found.vector.dtype == dtype


def test_when_no_row_is_finite_the_answer_is_nan() -> None:
    assert np.isnan(FREE(np.full((5, 2), np.nan), b=1)).all()


def test_more_rows_that_are_not_finite_than_alpha_allows_are_flagged() -> None:
    x = np.random.default_rng(0).standard_normal((20, 3))
    x[:7] = np.nan
    found = FREE.estimate(x, b=2)
    assert found.suspect_alpha
    assert np.isfinite(found.sigma_hat)
    np.testing.assert_array_equal(found.kept, np.arange(20) >= 7)


def test_rows_that_agree_are_not_taken_for_liars_by_their_rounding() -> None:
    x = np.full((20, 3), 0.1) + 1e5
    x[0] += 1.0
    found = FREE.estimate(x, b=4)
    np.testing.assert_allclose(found.vector, x[1], rtol=1e-15)
    assert found.sigma_hat < 1e-9


def test_without_liars_and_with_sigma_it_is_the_mean() -> None:
    _, original, sigma = attacked(0)
    found = IterativeFiltering(sigma=sigma).estimate(original, b=5)
    np.testing.assert_allclose(found.vector, original.mean(axis=0), atol=1e-12)
    assert found.kept.all()
    assert (found.scores == 0).all()
    assert found.rounds == 0


def test_b_zero_is_the_mean() -> None:
    x = np.random.default_rng(0).standard_normal((7, 3))
    np.testing.assert_allclose(FREE(x, b=0), x.mean(axis=0), atol=1e-15)


@pytest.mark.parametrize("method", ["rank_one", "saddle"])
def test_the_rule_turns_shifts_and_scales_with_the_rows(method: Any) -> None:
    rows, _, sigma = attacked(3)
    turn = np.linalg.qr(np.random.default_rng(4).standard_normal((30, 30)))[0]
    rule = IterativeFiltering(sigma=sigma, method=method, tolerance=1e-4)
    larger = IterativeFiltering(sigma=8 * sigma, method=method, tolerance=1e-4)
    answer = rule(rows, 5)
    np.testing.assert_allclose(rule(rows @ turn + 1.5, 5), answer @ turn + 1.5, atol=1e-8)
    np.testing.assert_allclose(larger(8 * rows, 5), 8 * answer, atol=1e-8)


def test_a_common_offset_of_1e4_spreads_changes_nothing_in_float32() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 200)).astype(np.float32)
    x[:10] += 3
    x += np.float32(1e4)
    exact = FREE.estimate(x.astype(np.float64), b=10)
    found = FREE.estimate(x, b=10)
    np.testing.assert_array_equal(found.kept, exact.kept)
    np.testing.assert_allclose(found.vector, exact.vector, rtol=1e-6)


def test_one_far_cluster_beyond_alpha_is_suspected_and_within_alpha_is_gone() -> None:
    x = np.random.default_rng(0).standard_normal((100, 20))
    x[:15] += 1e3
    found = IterativeFiltering(alpha=0.05).estimate(x, b=5)
    assert found.suspect_alpha
    enough = IterativeFiltering().estimate(x, b=15)
    assert not enough.suspect_alpha
    assert not enough.kept[:15].any()


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_a_sigma_that_contradicts_the_rows_is_flagged_and_ignored(share: float) -> None:
    rows, _, sigma = attacked(0)
    found = IterativeFiltering(sigma=share * sigma).estimate(rows, b=5)
    assert found.sigma_too_small
    assert found.inexactness == np.inf
    np.testing.assert_allclose(found.vector, FREE(rows, b=5))


def test_a_sigma_that_only_the_distances_contradict_stops_nothing() -> None:
    x = np.random.default_rng(0).standard_normal((25, 200))
    sigma = float(np.linalg.norm(x - x.mean(axis=0), 2) / np.sqrt(25))
    found = IterativeFiltering(sigma=0.5 * sigma).estimate(x, b=5)  # rows lie 7 sigma apart
    assert found.sigma_too_small
    np.testing.assert_array_equal(found.kept, FREE.estimate(x, b=5).kept)
    assert not found.kept.all()


def test_filtering_is_flat_in_d_where_the_median_is_not() -> None:
    def errors(d: int) -> tuple[float, float]:
        found = []
        for seed in range(5):
            x = np.random.default_rng(seed).standard_normal((60, d))
            sigma = np.linalg.norm(x - x.mean(axis=0), 2) / np.sqrt(60)
            mean = x.mean(axis=0)
            x[:12] = x[12:].mean(axis=0) + 2.5 / np.sqrt(d) * sigma
            pair = [np.linalg.norm(rule(x, 12) - mean) / sigma for rule in (FREE, Median())]
            found.append(pair)
        return tuple(np.median(found, axis=0))

    (filter_low, median_low), (filter_high, median_high) = errors(5), errors(320)
    assert filter_high <= 1.5 * filter_low
    assert median_high >= 1.5 * median_low


def test_a_batch_is_its_points_one_by_one() -> None:
    stack = np.stack([attacked(seed)[0] for seed in range(6)])
    batch = FREE.estimates(stack, 5)
    for k, x in enumerate(stack):
        one = FREE.estimate(x, 5)
        np.testing.assert_allclose(batch.vector[k], one.vector, atol=1e-12)
        np.testing.assert_array_equal(batch.kept[k], one.kept)
        np.testing.assert_allclose(batch.scores[k], one.scores, atol=1e-9)
        assert batch.rounds[k] == one.rounds
        assert isinstance(one.sigma_hat, float)
        assert isinstance(one.suspect_alpha, bool)


def test_the_error_bound_by_hand() -> None:
    c = np.array([[1, 1, 1, 1, 1, 1, 1, 0.64, 0, 0]])  # 8 of 10 kept, of which 2 may be lies
    found = error_bound(c, np.ones(1), sigma=2.0, b=2, alpha=0.2)
    lies = np.sqrt(1 / 3) * np.sqrt(10 / 0.64 / 8)
    missing = 9 / 7 * 0.2  # less than the 4 of 10 that counting allows
    assert found[0] == pytest.approx(lies + np.sqrt(missing / (1 - missing)) * 2)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_a_row_is_kept_while_it_has_more_than_half_of_its_weight(seed: int) -> None:
    found = FREE.estimate(attacked(seed, d=6)[0], 5)
    assert ((found.scores >= 0) & ((found.scores < 0.5) | (found.scores == 1))).all()
    np.testing.assert_array_equal(found.kept, found.scores < 0.5)


def test_it_stops_at_8_m_sigma_squared() -> None:
    x = np.random.default_rng(0).standard_normal((100, 1))
    x[:20] += 30
    view = leading(gram(x).products[None], np.ones((1, 100)), cap_of(0.2, 100))
    at_threshold = np.sqrt(rank_one(view).dual[0] / (8 * 100))
    for method in ("rank_one", "saddle"):  # in one dimension they are the same
        above = IterativeFiltering(sigma=1.001 * at_threshold, method=method).estimate(x, b=20)
        below = IterativeFiltering(sigma=0.999 * at_threshold, method=method).estimate(x, b=20)
        assert above.rounds == 0
        assert above.kept.all()
        assert below.rounds == 1
        assert not below.kept[:20].any()


def test_far_rows_of_all_sizes_cost_the_others_no_digits() -> None:
    rng = np.random.default_rng(0)
    honest = rng.standard_normal((32, 20))
    far = 10.0 ** np.linspace(2, 140, 8)[:, None] * rng.standard_normal((8, 20))
    found = FREE.estimate(np.concatenate([far, honest]), b=8)
    assert not found.kept[:8].any()
    np.testing.assert_allclose(found.vector, honest[found.kept[8:]].mean(axis=0), rtol=1e-12)
    assert found.sigma_hat < 3


def test_lanczos_and_the_whole_decomposition_agree() -> None:
    from saddleproof.aggregators.algorithm2 import largest as module

    rows, _, _ = attacked(0, m=module.LANCZOS_FROM, d=20, b=40)
    found = FREE.estimate(rows, 40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LANCZOS_FROM", 10**6)
        whole = FREE.estimate(rows, 40)
    np.testing.assert_array_equal(found.kept, whole.kept)
    assert found.sigma_hat == pytest.approx(whole.sigma_hat, rel=1e-6)


def test_the_breakdown_point_is_below_a_quarter_or_what_alpha_says() -> None:
    assert [FREE.breakdown(m) for m in (4, 5, 8, 9, 20)] == [0, 1, 1, 2, 4]
    assert IterativeFiltering(alpha=0.15).breakdown(20) == 3
    with pytest.raises(BreakdownError, match="at most 4 Byzantine rows of 20"):
        FREE(np.zeros((20, 2)), b=5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"sigma": 0.0}, "sigma"),
        ({"sigma": np.nan}, "sigma"),
        ({"method": "exact"}, "method"),
        ({"alpha": 0.25}, "alpha"),
        ({"tolerance": 0.0}, "tolerance"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError, match=named):
        IterativeFiltering(**options)


@pytest.mark.slow
@pytest.mark.parametrize("style", ["push", "hold"])
def test_certified_pgd_leaves_a_saddle_that_four_of_twenty_defend(style: Any) -> None:
    problem = sp.problems.Example2(seed=0)
    attack = sp.SaddleAttack(problem.saddle, style=style)
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(4))
    result = sp.minimize(fleet, aggregator=FREE, b=4, w0=problem.start, seed=0)
    assert result.certificate is not None
    assert result.certificate.level in ("proved", "conditional")
    assert problem.left_saddle(result.w)
