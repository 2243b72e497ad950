"""Means, paired differences and Holm's p-values say no more than the numbers hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student
from scipy.stats import ttest_rel

from saddleproof.lab.statistics import difference, holm, mean

NUMBERS = st.lists(st.floats(-100, 100), min_size=3, max_size=12)


@given(NUMBERS)
def test_the_interval_is_student_s(numbers):
    found = mean(numbers)
    assert found.value == pytest.approx(np.mean(numbers))
    if np.ptp(numbers) > 1e-9:
        error = np.std(numbers, ddof=1) / np.sqrt(len(numbers))
        low, high = student.interval(0.95, len(numbers) - 1, np.mean(numbers), error)
        assert (found.low, found.high) == pytest.approx((low, high))


@pytest.mark.parametrize("numbers", [[0.5], [0.5, 0.5, 0.5], [1.0, np.inf], [np.nan, 1.0]])
def test_there_is_no_interval_where_nothing_can_be_said(numbers):
    assert np.isnan(mean(numbers).half)
    assert "+-" not in str(mean(numbers))


def test_nine_in_ten_intervals_of_normal_numbers_hold_the_truth():
    rng = np.random.default_rng(0)
    found = [mean(rng.normal(2.0, 3.0, size=6).tolist()) for _ in range(2000)]
    held = np.mean([one.low <= 2.0 <= one.high for one in found])
    assert 0.935 < held < 0.965


def test_a_difference_is_paired_by_seed_and_not_by_place():
    one = {3: 1.0, 1: 5.0, 2: 9.0}
    other = {1: 4.0, 2: 7.0, 3: 0.5, 9: 100.0}
    found = difference(one, other)
    assert found.n == 3
    assert found.value == pytest.approx((0.5 + 1.0 + 2.0) / 3)
    assert difference(one, {7: 1.0}) is None


def test_many_seeds_have_the_p_value_of_the_paired_test():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 30))
    found = difference(dict(enumerate(a)), dict(enumerate(b)))
    assert found.p == pytest.approx(ttest_rel(a, b).pvalue)


@pytest.mark.parametrize("n", range(1, 9))
def test_few_seeds_find_nothing_however_alike_their_differences_are(n):
    one = {i: 0.9 + 1e-9 * i for i in range(n)}
    found = difference(one, dict.fromkeys(range(n), 0.1))
    assert found.p == pytest.approx(2.0 ** (1 - n))
    assert (found.p > 0.05) == (n < 6)


def test_no_difference_is_no_finding():
    assert difference({0: 0.5, 1: 0.7}, {0: 0.5, 1: 0.7}).p == 1.0
    assert difference({0: np.inf, 1: 0.7, 2: 3.0}, {0: 0.5, 1: 0.7, 2: 0.1}).p == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_is_between_the_value_and_bonferroni_and_keeps_the_order(values):
    found = holm(values)
    for before, after in zip(values, found, strict=True):
        assert before <= after <= min(1.0, len(values) * before) + 1e-12
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(found)[order]) >= 0).all()
