"""Exponents: exact powers are found, and intervals cover what they should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.paper.experiments.exponents import Exponent, fitted, over_repeats


@given(power=st.floats(-3, 3), scale=st.floats(0.01, 100))
def test_an_exact_power_is_found(power, scale):
    x = np.array([1.0, 2.0, 5.0, 30.0])
    assert fitted(x, scale * x**power) == pytest.approx(power, abs=1e-9)


def test_the_interval_covers_the_exponent_as_often_as_it_says():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        rows = [
            {"repeat": k, "x": x, "y": float(x**0.5 * np.exp(0.2 * rng.standard_normal()))}
            for k in range(5)
            for x in (1.0, 2.0, 4.0, 8.0)
        ]
        found = over_repeats(rows, "x", "y")
        hits += found.low <= 0.5 <= found.high
    assert 0.91 <= hits / 300 <= 0.985  # 95 %, give or take 3 standard errors


def test_an_exponent_is_near_within_a_tenth():
    assert Exponent(0.55, 0.4, 0.7).near(0.5)
    assert not Exponent(0.65, 0.4, 0.7).near(0.5)
