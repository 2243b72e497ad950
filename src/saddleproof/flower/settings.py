"""What both of Flower's kinds of strategy take from the user, checked at once."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from saddleproof import arguments
from saddleproof.aggregators.base import Aggregator, check_breakdown
from saddleproof.aggregators.nearest_neighbor_mixing import NearestNeighborMixing
from saddleproof.aggregators.table import ALL_AGGREGATORS
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.flower.rounds import RobustRounds

#: Clients up to which a rule is asked whether so many hold b liars.
_MOST = 10_000


def rounds_of(
    rule: Aggregator | type[Aggregator] | str | None,
    b: int,
    *,
    weights: bool,
    server_learning_rate: float,
) -> RobustRounds:
    """The rounds of a run by these settings.

    Raises:
        OptionError: an option that cannot work.
    """
    b = arguments.whole("b", b)
    rate = arguments.real("server_learning_rate", server_learning_rate, above=0)
    by_examples = arguments.flag("weights", weights)
    return RobustRounds(rule_of(rule), b, weights=by_examples, server_learning_rate=rate)


def rule_of(rule: Aggregator | type[Aggregator] | str | None) -> Aggregator:
    """The rule itself, from an instance, a class, or a name as in configuration files.

    Raises:
        OptionError: it is none, or cannot do without options.

    >>> rule_of("trimmed_mean")
    TrimmedMean()
    """
    if rule is None:
        return NearestNeighborMixing()
    made: Any = rule
    if isinstance(rule, str):
        if rule not in ALL_AGGREGATORS:
            raise OptionError(
                f"no rule is called {rule!r}: {arguments.suggest(rule, ALL_AGGREGATORS)}"
            )
        made = ALL_AGGREGATORS[rule]
    if isinstance(made, type):
        with suppress(TypeError):  # one that needs options is refused below, with the right call
            made = made()
    arguments.aggregator("rule", made)
    found: Aggregator = made
    return found


def fewest(rule: Aggregator, b: int) -> int:
    """The fewest clients of which b may lie.

    Raises:
        BreakdownError: no number of clients will do.

    >>> fewest(rule_of("trimmed_mean"), 3)
    7
    """
    for m in range(b + 1, _MOST):
        if rule.breakdown(m) >= b:
            return m
    try:
        check_breakdown(rule, _MOST, b)
    except BreakdownError as error:
        raise BreakdownError(f"{error}, which {_MOST} would not change") from error
    return _MOST


def check_names(given: Mapping[str, object], *, taken: type, other: type, instead: str) -> None:
    """Refuse options of Flower's other kind of strategy.

    Args:
        given: keywords that go to Flower's own strategy.
        taken: that strategy.
        other: the strategy of the other kind.
        instead: where our strategy of the other kind is.

    Raises:
        OptionError: there is one.
    """
    ours, theirs = (inspect.signature(kind).parameters for kind in (taken, other))
    for name in given:
        if name not in ours and name in theirs:
            raise OptionError(
                f"{name} is an option of {other.__module__.rpartition('.')[0]}.{other.__name__}; "
                f"an app that uses it takes {instead}"
            )
