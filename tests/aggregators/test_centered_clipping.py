"""Centered clipping: how far it moves, and what moves it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators.centered_clipping import CenteredClipping, ClippingMemory
from saddleproof.errors import OptionError

seeds = st.integers(0, 2**32 - 1)
taus = st.floats(1e-3, 1e3)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Messages of unequal length, and a center."""
    rng = np.random.default_rng(seed)
    m, d = int(rng.integers(3, 12)), int(rng.integers(1, 5))
    return rng.standard_normal((m, d)) * rng.exponential(1, (m, 1)) ** 4, rng.standard_normal(d)


@given(seeds, taus, st.integers(1, 4))
def test_it_moves_by_at_most_L_tau(seed: int, tau: float, L: int) -> None:
    x, v = drawn(seed)
    found, memory = CenteredClipping(tau, L).step(ClippingMemory(v), x, 1)
    assert np.linalg.norm(found.vector - v) <= L * tau * (1 + 1e-9)
    np.testing.assert_array_equal(found.vector, memory.center)


@given(seeds, taus, st.integers(1, 4))
def test_b_liars_move_it_by_at_most_2_L_tau_b_over_m(seed: int, tau: float, L: int) -> None:
    """tau b/m an iteration against rows that do not pull; what the liars replace pulls as hard."""
    x, v = drawn(seed)
    b = (len(x) - 1) // 2
    lies = x.copy()
    lies[:b] *= -1e6
    rule = CenteredClipping(tau, L)
    honest, attacked = (rule.step(ClippingMemory(v), rows, b)[0].vector for rows in (x, lies))
    assert np.linalg.norm(honest - attacked) <= 2 * L * tau * b / len(x) * (1 + 1e-9)


@given(seeds, taus)
def test_liars_move_one_iteration_by_at_most_tau_b_over_m(seed: int, tau: float) -> None:
    x, v = drawn(seed)
    b = (len(x) - 1) // 2
    silent, rule = x.copy(), CenteredClipping(tau, 1)
    silent[:b] = v
    still, attacked = (rule.step(ClippingMemory(v), rows, b)[0].vector for rows in (silent, x))
    assert np.linalg.norm(still - attacked) <= tau * b / len(x) * (1 + 1e-9)


@given(seeds)
def test_an_infinite_tau_is_the_mean(seed: int) -> None:
    x, v = drawn(seed)
    found, _ = CenteredClipping(np.inf, 1).step(ClippingMemory(v), x, 0)
    np.testing.assert_allclose(found.vector, x.mean(axis=0), atol=1e-9 * np.abs(x).max())


@given(seeds, st.floats(1e-6, 1e6))
def test_an_automatic_tau_scales_with_the_messages(seed: int, scale: float) -> None:
    x, v = drawn(seed)
    one, _ = CenteredClipping().step(ClippingMemory(v), x, 1)
    other, _ = CenteredClipping().step(ClippingMemory(scale * v), scale * x, 1)
    np.testing.assert_allclose(other.vector, scale * one.vector, rtol=1e-9, atol=1e-12 * scale)


def test_round_after_round_it_ends_within_tau_b_over_the_honest() -> None:
    """Balance of pulls: (m - b)(mean - v) = b tau u, where no honest row is clipped."""
    rng = np.random.default_rng(0)
    m, b, tau = 10, 3, 2.0
    x = np.concatenate([np.full((b, 2), 1e9), 5 + 0.1 * rng.standard_normal((m - b, 2))])
    rule = CenteredClipping(tau, 1)
    memory = rule.begin(tuple("abcdefghij"), 2)
    for _ in range(100):
        found, memory = rule.step(memory, x, b)
    off = np.linalg.norm(found.vector - x[b:].mean(axis=0))
    assert off == pytest.approx(tau * b / (m - b), rel=1e-6)


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("tau", [None, 1.0])
def test_one_poisoned_row_does_not_stay_in_the_memory(poison: float, tau: float | None) -> None:
    x = np.random.default_rng(0).standard_normal((7, 3))
    x[2] = poison
    rule = CenteredClipping(tau)
    memory = rule.begin(tuple("abcdefg"), 3)
    for _ in range(3):
        found, memory = rule.step(memory, x, 1)
        assert np.linalg.norm(found.vector) < 4
        assert np.isfinite(memory.center).all()


def test_its_inexactness_says_when_the_center_lags_behind() -> None:
    rng = np.random.default_rng(0)
    x = 100 + rng.standard_normal((10, 2))
    rule = CenteredClipping(1.0, 1)
    found, _ = rule.step(rule.begin(tuple("abcdefghij"), 2), x, 2)
    off = np.linalg.norm(found.vector - x.mean(axis=0))
    assert off > 100
    assert found.inexactness >= off


@pytest.mark.parametrize("options", [{"tau": 0.0}, {"tau": -1.0}, {"iterations": 0}])
def test_options_that_cannot_work_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        CenteredClipping(**options)
