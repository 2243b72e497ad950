"""Sever, as a rule over workers and as a defence of samples."""

from __future__ import annotations

import numpy as np
import pytest

from saddleproof.aggregators.sever import Sever, sever_samples
from saddleproof.errors import OptionError
from saddleproof.testing import check_aggregator


@pytest.mark.parametrize("m", [3, 10, 11])
def test_sever_passes_the_suite(m: int) -> None:
    check_aggregator(Sever(), m=m, rotation=True)


def test_far_rows_in_orthogonal_directions_all_leave_one_a_step() -> None:
    x = np.random.default_rng(0).standard_normal((20, 30))
    x[:6] = np.diag(10.0 ** np.arange(3, 9)) @ np.eye(6, 30)
    found = Sever().estimate(x, b=6)
    assert not found.kept[:6].any()
    assert found.kept.sum() == 20 - 12


def test_with_few_rounds_far_rows_can_outlast_the_steps() -> None:
    x = np.random.default_rng(0).standard_normal((20, 30))
    x[:3] = 1e3 * np.diag([1, 2, 3]) @ np.eye(3, 30)
    x[3:6] = -x[:3]
    assert not Sever().estimate(x, b=6).kept[:6].any()
    assert Sever(rounds=1).estimate(x, b=6).kept[:6].any()


@pytest.mark.parametrize("size", [1e3, 1e30, 1e200, np.inf, np.nan])
def test_no_row_of_any_size_takes_sever_down(size: float) -> None:
    x = np.random.default_rng(0).standard_normal((20, 5))
    x[:4] = size
    found = Sever().estimate(x, b=4)
    assert not found.kept[:4].any()
    assert np.linalg.norm(found.vector) < 2


def test_b_zero_is_the_mean() -> None:
    x = np.random.default_rng(0).standard_normal((7, 3))
    np.testing.assert_allclose(Sever()(x, b=0), x.mean(axis=0), atol=1e-15)


class Regression:
    """Least squares with n samples, of which the first `bad` are leverage points that lie."""

    def __init__(self, n: int = 400, d: int = 5, bad: int = 40) -> None:
        rng = np.random.default_rng(0)
        self.truth = rng.standard_normal(d)
        self.a = rng.standard_normal((n, d))
        self.y = self.a @ self.truth + 0.1 * rng.standard_normal(n)
        self.a[:bad] = 2 * np.ones(d) / np.sqrt(d)
        self.y[:bad] = -20.0

    def fit(self, kept: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(self.a[kept], self.y[kept])[0]

    def gradients(self, w: np.ndarray) -> np.ndarray:
        return (self.a @ w - self.y)[:, None] * self.a


def test_poisoned_samples_are_found_and_the_fit_recovers() -> None:
    data = Regression()
    plain = np.linalg.norm(data.fit(np.ones(400, dtype=bool)) - data.truth)
    found = sever_samples(data.fit, data.gradients, 400, epsilon=0.1)
    assert not found.kept[:40].any()
    assert found.kept.sum() == 400 - 4 * 20
    assert np.linalg.norm(found.w - data.truth) < 0.05
    assert plain > 0.5


def test_samples_without_a_finite_gradient_leave_at_once() -> None:
    data = Regression(bad=0)

    def gradients(w: np.ndarray) -> np.ndarray:
        rows = data.gradients(w)
        rows[0], rows[1], rows[2:40] = np.nan, np.inf, 1.5e153  # 38 of its square overflow
        return rows

    found = sever_samples(data.fit, gradients, 400, epsilon=0.01, rounds=1)
    assert not found.kept[:40].any()
    assert found.kept.sum() == 400 - 40 - 2


def test_clean_samples_with_epsilon_zero_are_all_kept() -> None:
    data = Regression(bad=0)
    assert sever_samples(data.fit, data.gradients, 400, epsilon=0.0).kept.all()


def test_more_dimensions_than_samples_give_the_same_scores() -> None:
    from saddleproof.aggregators.sever import outlyingness

    rows = np.random.default_rng(0).standard_normal((9, 6))
    wide = np.concatenate([rows, np.zeros((9, 6))], axis=1)
    np.testing.assert_allclose(outlyingness(wide), outlyingness(rows), atol=1e-12)


def test_misuse_is_named() -> None:
    data = Regression()
    with pytest.raises(OptionError, match="rounds"):
        Sever(rounds=0)
    with pytest.raises(OptionError, match="epsilon"):
        sever_samples(data.fit, data.gradients, 400, epsilon=0.5)
    with pytest.raises(OptionError, match="none of 400"):
        sever_samples(data.fit, data.gradients, 400, epsilon=0.4, rounds=5)
    with pytest.raises(OptionError, match="shape"):
        sever_samples(data.fit, lambda w: data.gradients(w)[:3], 400, epsilon=0.1)
