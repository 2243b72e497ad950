"""What a run says of its end, held against the honest workers' mean loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from saddleproof.claims import Bracket, Certificate
from saddleproof.config.parse import parse
from saddleproof.config.setup import Setup, build
from saddleproof.lab.judge import truth
from saddleproof.lab.red_team.outcomes import Observer, Outcome, judged
from saddleproof.result import Result
from saddleproof.words import Level

LIARS = tuple(range(6))
HONEST = range(6, 20)
WORLD = """
problem = "tensor"
attack = { name = "lying_answers", members = 6, says = "quiet" }
run = { b = 6, max_rounds = 150 }
"""


@pytest.fixture(scope="module")
def ended() -> tuple[Setup, Result]:
    setup = build(parse(WORLD), seed=0)
    return setup, setup.minimize()


def outcome(ended: tuple[Setup, Result], **other: Any) -> Outcome:
    setup, result = ended
    return judged(setup, replace(result, **other), Observer(), LIARS)


def certificate(ended: tuple[Setup, Result], **other: Any) -> Certificate:
    found = ended[1].certificate
    assert found is not None
    return replace(found, **other)


def test_the_default_tells_the_truth_about_its_end(ended: tuple[Setup, Result]) -> None:
    found = outcome(ended)
    assert found.left
    assert found.why == ""
    assert not found.deceived


def test_the_same_words_at_the_saddle_are_a_lie(ended: tuple[Setup, Result]) -> None:
    found = outcome(ended, w=ended[0].problem.saddle)
    assert found.forged
    assert found.deceived
    assert not found.left


def test_a_run_that_claims_nothing_cannot_lie(ended: tuple[Setup, Result]) -> None:
    saddle = ended[0].problem.saddle
    assert not outcome(ended, w=saddle, certificate=None, status="budget").forged
    vague = certificate(
        ended, level=Level.OPEN, curvature=Bracket(), gradient_bound=np.inf,
        conditional=None, majority=None,
    )  # fmt: skip
    assert not outcome(ended, w=saddle, certificate=vague, status="open").forged


def test_success_at_a_saddle_that_was_not_left_is_a_lie_whatever_the_tolerance(
    ended: tuple[Setup, Result],
) -> None:
    saddle = ended[0].problem.saddle
    vague = certificate(
        ended, level=Level.CONDITIONAL, curvature=Bracket(), gradient_bound=np.inf,
        conditional=None, majority=None, tolerance=1e9,
    )  # fmt: skip
    for found in (vague, None):
        said = outcome(ended, w=saddle, certificate=found, status="second_order")
        assert said.why == "second_order, at a saddle that was not left"


@pytest.mark.parametrize(
    ("name", "shift", "says"),
    [
        ("curvature", 1e-3, "the bracket begins above lambda_min"),
        ("curvature", -1e-3, "the bracket ends below lambda_min"),
        ("conditional", 1e-3, "the conditional bracket begins above lambda_min"),
        ("conditional", -1e-3, "the conditional bracket ends below lambda_min"),
    ],
)
def test_a_bracket_beside_the_true_eigenvalue_is_seen(
    ended: tuple[Setup, Result], name: str, shift: float, says: str
) -> None:
    setup, result = ended
    true = truth(setup.problem, result.w, HONEST).lowest
    beside = Bracket(true + shift, true + shift, without=("worker-3",))
    assert outcome(ended, certificate=certificate(ended, **{name: beside})).why == says
    around = Bracket(true - 1e-9, true + 1e-9, without=("worker-3",))
    assert not outcome(ended, certificate=certificate(ended, **{name: around})).forged


def test_a_condition_that_is_not_met_promises_nothing(ended: tuple[Setup, Result]) -> None:
    honest = Bracket(1e9, 1e9, without=("worker-3", "worker-19"))
    assert not outcome(ended, certificate=certificate(ended, conditional=honest)).forged


def test_a_gradient_above_its_bound_is_seen_whether_certified_or_not(
    ended: tuple[Setup, Result],
) -> None:
    setup, result = ended
    g = setup.problem.gradients(result.w[None])[0, 6:].mean(axis=0)
    for level in (Level.PROVED, Level.OPEN):
        short = certificate(ended, level=level, gradient_bound=0.99 * np.linalg.norm(g))
        assert outcome(ended, certificate=short).why == "the gradient is above its bound"
        exact = certificate(ended, level=level, gradient_bound=np.linalg.norm(g))
        assert not outcome(ended, certificate=exact).forged


def test_certified_below_minus_the_tolerance_is_seen(ended: tuple[Setup, Result]) -> None:
    found = certificate(
        ended, level=Level.PROVED, curvature=Bracket(), gradient_bound=np.inf,
        conditional=None, majority=None, tolerance=0.1,
    )  # fmt: skip
    said = outcome(ended, w=ended[0].problem.saddle, certificate=found, status="stationary")
    assert said.why == "certified, but lambda_min is below minus the tolerance"


def test_ending_above_plain_descent_by_more_than_was_printed_is_seen() -> None:
    text = """
    problem = "example2"
    optimizer = "gradient_only_pgd"
    attack = { name = "saddle", members = 6 }
    run = { b = 6, max_rounds = 150 }
    """
    setup, observer = build(parse(text), seed=0), Observer()
    result = setup.minimize(callback=observer)
    assert observer.plain is not None
    assert not judged(setup, result, observer, LIARS).beyond
    observer.plain = setup.problem.minimum
    assert judged(setup, replace(result, w=setup.problem.saddle), observer, LIARS).beyond
