"""How many may lie: rule and optimizer are asked at once, and the largest b that works is told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.server import check_limits
from saddleproof.testing import QuarticSaddle


class Holds:
    """A rule or an optimizer, as far as b is concerned."""

    def __init__(self, most: Any) -> None:
        self.most = most

    def breakdown(self, m: int) -> Any:
        return self.most


def check(rule: Any, optimizer: Any, b: int) -> int:
    return check_limits(Holds(rule), Holds(optimizer), 20, b)  # type: ignore[arg-type]


def test_both_limits_stand_in_one_message_with_the_largest_b_that_works() -> None:
    with pytest.raises(BreakdownError) as caught:
        sp.minimize(QuarticSaddle(), sp.GradientOnlyPGD(), b=10)
    m = QuarticSaddle().m
    rule, optimizer = (m - 1) // 2, sp.GradientOnlyPGD().breakdown(m)
    assert str(caught.value) == (
        f"Median holds at most {rule} Byzantine rows of {m} and GradientOnlyPGD holds at most "
        f"{optimizer} Byzantine workers of {m}; got b=10. Lower b to {min(rule, optimizer)}, bring "
        "more workers, or take another rule and another optimizer"
    )


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_the_b_that_is_told_works_and_the_next_does_not(rule: int, optimizer: int, b: int) -> None:
    if b <= min(rule, optimizer):
        assert check(rule, optimizer, b) == b
        return
    with pytest.raises(BreakdownError) as caught:
        check(rule, optimizer, b)
    said = str(caught.value)
    assert ("Byzantine rows" in said) == (b > rule)
    assert ("Byzantine workers" in said) == (b > optimizer)
    most = int(re.search(r"Lower b to (\d+)", said)[1])  # type: ignore[index]
    assert check(rule, optimizer, most) == most
    with pytest.raises(BreakdownError):
        check(rule, optimizer, most + 1)


def test_where_no_b_works_none_is_recommended() -> None:
    with pytest.raises(BreakdownError, match="No b will do"):
        check(3, -1, 0)


@pytest.mark.parametrize("most", [None, "two", float("nan"), True])
def test_a_breakdown_point_that_is_no_number_is_refused_by_name(most: Any) -> None:
    for pair in ((most, 3), (3, most)):
        with pytest.raises(OptionError, match=r"Holds.breakdown\(20\) must be a number"):
            check(*pair, 1)
