from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from saddleproof.runs.shares import wilson


@given(st.integers(1, 200), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_is_scipys(trials: int, part: float, confidence: float):
    successes = round(part * trials)
    share = wilson(successes, trials, confidence)
    other = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert (share.low, share.high) == pytest.approx((other.low, other.high), abs=1e-12)
    assert 0 <= share.low <= share.value <= share.high <= 1


def test_all_of_forty_is_at_least_nine_tenths():
    assert wilson(40, 40).low == pytest.approx(0.9124, abs=1e-4)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_what_is_no_share_is_refused(successes: int, trials: int):
    with pytest.raises(ValueError, match="need 0 <="):
        wilson(successes, trials)
