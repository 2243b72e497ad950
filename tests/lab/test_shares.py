from __future__ import annotations

from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.lab.shares import wilson


@given(st.integers(1, 200), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_is_wilsons(trials: int, part: float, confidence: float):
    successes = round(part * trials)
    share = wilson(successes, trials, confidence)
    p, n, z = successes / trials, trials, NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    margin = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5 / (1 + z**2 / n)
    assert (share.low, share.high) == pytest.approx((centre - margin, centre + margin), abs=1e-12)
    assert 0 <= share.low <= share.value <= share.high <= 1


def test_all_of_forty_is_at_least_nine_tenths():
    assert wilson(40, 40).low == pytest.approx(0.9124, abs=1e-4)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_what_is_no_share_is_refused(successes: int, trials: int):
    with pytest.raises(ValueError, match="need 0 <="):
        wilson(successes, trials)
