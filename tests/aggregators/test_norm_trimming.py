"""Norm-based trimming, and cubic Newton with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof.aggregators.norm_trimming import NormTrimming
from saddleproof.errors import BreakdownError, OptionError


@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_it_averages_the_shortest_and_is_no_longer_than_an_honest_row(seed: int, b: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((9, 3)) * rng.exponential(1, (9, 1))
    found = NormTrimming().estimate(x, b)
    shortest = np.sort(np.argsort(np.linalg.norm(x, axis=1), kind="stable")[: 9 - b])
    np.testing.assert_allclose(found.vector, x[shortest].mean(axis=0), atol=1e-12)
    np.testing.assert_array_equal(np.flatnonzero(found.kept), shortest)
    assert np.linalg.norm(found.vector) <= np.linalg.norm(x[b:], axis=1).max() * (1 + 1e-12)


def test_a_share_is_rounded_up_and_says_what_it_holds() -> None:
    rule = NormTrimming(beta=0.3)
    assert [rule.breakdown(m) for m in (4, 10, 11)] == [1, 3, 4]
    x = np.array([[0.0], [1.0], [2.0], [9.0]])
    assert rule(x, 1) == 0.5  # ceil(.3 * 4) = 2 go
    with pytest.raises(BreakdownError, match="b <= beta m"):
        rule(np.ones((10, 1)), 4)


def test_rows_without_a_length_are_the_longest() -> None:
    x = np.array([[np.nan], [1.0], [1e300], [-np.inf], [2.0], [3.0], [4.0]])
    assert NormTrimming()(x, 3) == 2.5


def test_liars_of_honest_length_are_not_its_business() -> None:
    """Why it is a rule for steps, not for gradients: b/m of any shared direction is theirs."""
    x = np.concatenate([np.full((3, 1), -1.0), np.ones((7, 1))])
    assert NormTrimming()(x, 3) < 0.6


@pytest.mark.parametrize("beta", [-0.1, 1.0])
def test_a_share_outside_its_range_is_refused(beta: float) -> None:
    with pytest.raises(OptionError):
        NormTrimming(beta)


def test_cubic_newton_with_it_leaves_a_saddle_under_lies() -> None:
    """The idea of DIST-CURE: liars turn and blow up their gradients, so their steps are longer."""
    problem = sp.problems.Example2(seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.attacks.SignFlip(10.0), members=range(4))
    optimizer = sp.optimizers.CubicNewton(cubic=10.0)
    options = {"b": 4, "max_rounds": 40, "certify": False}
    trimmed = sp.minimize(fleet, optimizer, aggregator=NormTrimming(0.3), **options)
    assert problem.left_saddle(trimmed.w)
