"""b and the liars at every public door: in range it works, else it is refused early."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from doors import PROBLEM, ROWS, Counting, M, Pieces, certify, run
from hypothesis import given, settings
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof import arguments, columns
from saddleproof.aggregators.table import AGGREGATORS
from saddleproof.config.parse import parse
from saddleproof.errors import ConfigError, OptionError


def toml(b: Any) -> Any:
    text = "true" if b is True else "false" if b is False else repr(b)
    return parse(f'[problem]\nname = "tensor"\n[run]\nb = {text}')


DOORS: dict[str, Callable[[Any, Any], Any]] = {
    "minimize": lambda fleet, b: run(fleet, b=b),
    "certify": lambda fleet, b: certify(fleet, b=b),
    "call": lambda _, b: sp.Median()(ROWS, b),
    "estimate": lambda _, b: sp.aggregators.Krum(omit=1).estimate(ROWS, b),
    "estimates": lambda _, b: sp.aggregators.GeometricMedian().estimates(ROWS[None], b),
    "mixing": lambda _, b: sp.NearestNeighborMixing()(ROWS, b),
    "stream": lambda _, b: sp.aggregators.stream(sp.Median(), ROWS, b),
    "columns": lambda _, b: columns.aggregate(Pieces(), sp.Median(), np.zeros(4), b),
}
#: What is no number of liars among nine.
NO_COUNT = st.one_of(
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
    st.integers(max_value=-1),
    st.integers(min_value=M),
    st.floats(width=32).map(np.float32),
    st.sampled_from([Fraction(1, 3), 2j, np.array(2), np.bool_(True), [2], b"2"]),
)


@pytest.mark.parametrize("door", DOORS)
@given(b=NO_COUNT)
@settings(max_examples=25, deadline=None)
def test_what_is_no_count_of_workers_is_refused_before_any_round(door: str, b: Any) -> None:
    fleet = Counting()
    with pytest.raises(OptionError, match=r"b counts workers|holds at most|needs m > 2b"):
        DOORS[door](fleet, b)
    assert fleet.rounds == 0


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("b", [0, 2, np.int64(2), np.uint8(1)])
def test_a_count_in_range_works_whoever_wrote_it(door: str, b: Any) -> None:
    DOORS[door](Counting(), b)


@pytest.mark.parametrize("name", AGGREGATORS)
@pytest.mark.parametrize("b", [0.2, 1.0, True, "1", None, -1])
def test_every_rule_counts_workers(name: str, b: Any) -> None:
    rule: Any = AGGREGATORS[name]()
    for ask in (rule, rule.estimate, lambda x, b: rule.estimates(x[None], b)):
        with pytest.raises(OptionError, match="b counts workers"):
            ask(ROWS, b)


@pytest.mark.parametrize("b", [0.2, True, "2", -1])
def test_a_configuration_counts_workers_too(b: Any) -> None:
    with pytest.raises(ConfigError, match=r"line 4: \[run\] b"):
        toml(b)


@pytest.mark.parametrize(("b", "cure"), [(0.2, "of 15 workers that share is b=3"),
                                         (0.29, "b=4"), (2.0, "write b=2")])  # fmt: skip
def test_a_share_is_told_as_a_count(b: float, cure: str) -> None:
    with pytest.raises(OptionError, match=f"b counts workers, not a share; got {b}.*{cure}"):
        sp.Median()(np.zeros((15, 2)), b)


# --- who lies ------------------------------------------------------------------------------------


@given(
    members=st.lists(
        st.integers(0, M - 1) | st.integers(0, M - 1).map(lambda i: f"worker-{i}"),
        unique_by=lambda one: int(str(one).removeprefix("worker-")),
    )
)
def test_liars_are_positions_or_names_in_any_order_and_number(members: list[Any]) -> None:
    fleet = sp.Coalition(sp.LocalFleet(PROBLEM), sp.attacks.SignFlip(), members)
    assert fleet.members == tuple(sorted(int(str(i).removeprefix("worker-")) for i in members))


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([-1], "got -1"), ([M], f"got {M}"), ([1.0], r"got 1\.0"), ([True, False], "flatnonzero"),
        ([0, 0], "0 twice"), ([0, "worker-0"], "twice"), (["bob"], "on the roster; got 'bob'"),
        ("worker-1", r"for example, \['worker-1'\]"), (3, r"range\(3\)"), (None, "collection"),
    ],
)  # fmt: skip
def test_who_is_not_on_the_roster_cannot_lie(members: Any, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        sp.Coalition(sp.LocalFleet(PROBLEM), sp.attacks.SignFlip(), members)


@pytest.mark.parametrize(
    "given",
    ["", "7443", "host", "host:", "host:65536", "host:000000001", "host:-1", "host:٣", 7443, None],
)
def test_a_place_without_a_port_that_can_be_is_refused(given: Any) -> None:
    with pytest.raises(OptionError, match="listen must be HOST:PORT, the port 0 to 65535"):
        arguments.place("listen", given, least=0)


@pytest.mark.parametrize("given", ["host:1", "[::1]:65535", ":7443"])
def test_a_place_is_taken_as_it_is(given: str) -> None:
    assert arguments.place("listen", given) == given
    with pytest.raises(OptionError):
        arguments.place("listen", "host:0")
