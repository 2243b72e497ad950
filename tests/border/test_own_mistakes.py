"""Members of one's own with a mistake: the error names the member, the method and the cure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.aggregators.base import Rule
from saddleproof.errors import OptionError
from saddleproof.testing import QuarticSaddle

PROBLEM = QuarticSaddle()


class NoBatch(Rule):
    def breakdown(self, m: int) -> int:
        return 1


class NoBreakdown(Rule):
    pass


class Pair(sp.Median):
    def estimates(self, stack: Any, b: int) -> Any:
        return super().estimates(stack, b).vector, None


class Silent:
    def __call__(self, view: Any) -> Any:
        return None


class Word(sp.GradientDescent):
    def status(self, state: Any) -> Any:
        return "running"


@dataclass(frozen=True)
class Rows:
    """A question that nobody answers."""

    shape: tuple[int, ...] = (1,)


class Asks(sp.GradientDescent):
    def ask(self, state: Any) -> Any:
        return Rows()


def run(**more: Any) -> Any:
    given = {"aggregator": sp.Median(), "optimizer": sp.GradientDescent(step=0.1), "b": 1, **more}
    return sp.minimize(PROBLEM, given.pop("optimizer"), **given, max_rounds=2, certify=False)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"aggregator": NoBatch()}, "NoBatch lacks _batch(stack, b)"),
        ({"aggregator": NoBreakdown()}, "NoBreakdown lacks breakdown(m)"),
        ({"aggregator": Pair()}, "Pair.estimates must return an Estimate"),
        ({"optimizer": Word(step=0.1)}, "Word.status must return a Status(name, message)"),
        ({"optimizer": Asks(step=0.1)}, "got Rows, which no worker answers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_names_its_member_and_its_method(given: dict[str, Any], says: str) -> None:
    with pytest.raises((OptionError, NotImplementedError), match=re.escape(says)):
        run(**given)


def test_an_attack_that_returns_nothing_is_named() -> None:
    fleet = sp.Coalition(sp.LocalFleet(PROBLEM), Silent(), [0])
    with pytest.raises(OptionError, match=r"Silent must be an array.*got NoneType"):
        sp.minimize(fleet, b=1, max_rounds=2, certify=False)


def test_the_suite_sees_evidence_and_a_breakdown_that_cannot_be() -> None:
    class Loud(sp.GradientDescent):
        def evidence(self, state: Any) -> Any:
            return "sure"

    class Negative(sp.GradientDescent):
        def breakdown(self, m: int) -> int:
            return -1

    class Moves(sp.GradientDescent):
        def extend(self, state: Any, max_rounds: int) -> Any:
            return replace(state, descent=replace(state.descent, w=state.descent.w + 1))

    for made, says in ((Loud, "evidence"), (Negative, "breakdown"), (Moves, "extend")):
        with pytest.raises(AssertionError, match=says):
            sp.testing.check_optimizer(made(step=0.1))
    sp.testing.check_optimizer(sp.GradientDescent(step=0.1))


def test_a_question_is_an_array_of_points_where_it_is_none_of_the_library() -> None:
    assert isinstance(sp.questions.as_question(np.zeros((1, 4))), sp.questions.Gradients)
