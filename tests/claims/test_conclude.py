"""The level of a point is the strongest that holds, and its sentences are true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from saddleproof.arrays import Vector
from saddleproof.claims import (
    Certificate,
    CurvatureFacts,
    Demands,
    GradientFacts,
    conclude,
    failed,
    gradient_facts,
)

M, B = 20, 6
DEMANDS = Demands(tolerance=0.1, gradient_tolerance=0.1)


def names(m: int) -> tuple[str, ...]:
    return tuple(f"worker-{i}" for i in range(m))


def slopes(rows: Vector | None = None, b: int = B) -> GradientFacts:
    """Small gradients, unless others are given."""
    if rows is None:
        rows = 0.01 * np.random.default_rng(0).standard_normal((M, 2))
    return gradient_facts(rows, rows.mean(axis=0), 0.0, names(len(rows)), b)


def bends(curvatures: Vector, top: float = 1.0) -> CurvatureFacts:
    """Workers with these curvatures along one direction, and `top` along another."""
    m = len(curvatures)
    return CurvatureFacts(
        lows=np.minimum(curvatures, top),
        tops=np.maximum(curvatures, top),
        highs=curvatures[None],
        directions=np.eye(2)[:1],
        workers=names(m),
        matrices=np.empty((0, 0, 0)),
        errors=np.empty(0),
    )


def level(curvatures: Vector, demands: Demands = DEMANDS, b: int = B) -> Certificate:
    return conclude(slopes(b=b), bends(curvatures), b, demands)


def test_a_minimum_on_which_all_agree_is_proved() -> None:
    found = level(np.full(M, 0.3))
    assert (found.level, found.certified, found.refuted) == ("proved", True, False)
    assert "whoever the at most 6 liars are" in found.reason


def test_a_proved_high_end_below_zero_is_a_saddle_whatever_the_tolerance() -> None:
    for tolerance in (0.1, 0.4, 1e9, np.inf):
        found = level(np.full(M, -0.3), Demands(tolerance, np.inf))
        assert (found.level, found.refuted) == ("saddle", True)
    found = conclude(slopes(), bends(np.full(M, -0.3), top=100.0), B, Demands(None, np.inf))
    assert found.tolerance > 1
    assert found.level == "saddle"


def test_loud_liars_deny_a_proof_by_name() -> None:
    curvatures = np.full(M, 0.3)
    curvatures[[3, 12]] = -1e9
    found = level(curvatures)
    assert found.level == "conditional"
    assert not found.certified
    assert found.conditional is not None
    assert found.conditional.without == ("worker-3", "worker-12")
    assert found.conditional.low == pytest.approx(0.3)
    assert found.curvature.low < -1e7
    assert "if worker-3, worker-12 are among the liars" in found.reason


def test_a_condition_about_the_gradient_names_workers_too() -> None:
    rows = np.full((M, 2), 0.001)
    rows[7] = 1e6
    found = conclude(slopes(rows), bends(np.full(M, 0.3)), B, DEMANDS)
    assert found.level == "conditional"
    assert found.conditional is not None
    assert found.conditional.without == ("worker-7",)
    assert "if worker-7 is among the liars" in found.reason


def test_nobody_is_named_for_a_gradient_that_stays_large() -> None:
    found = conclude(slopes(np.full((M, 2), 5.0)), bends(np.full(M, 0.3)), B, DEMANDS)
    assert found.level == "open"
    assert "of the gradient no more than" in found.reason
    assert found.conditional is None


def test_liars_that_are_no_outliers_leave_a_majority() -> None:
    found = level(np.r_[np.linspace(-3, -1, 6), np.full(14, 0.5)])
    assert found.level == "majority"
    assert found.majority is not None
    assert f"curvature >= {found.majority.low:.4g}" in found.reason


def test_from_a_third_on_no_majority_is_claimed() -> None:
    found = level(np.full(M, 0.3), Demands(0.1, 1e-9), b=7)
    assert found.majority is None
    assert found.level == "open"
    assert any("deny" in sentence for sentence in found.assumptions)
    assert level(np.full(M, 0.3), b=7).level == "proved"


def test_most_workers_that_see_a_way_down_leave_no_minimum() -> None:
    curvatures = np.r_[np.full(14, -0.2), np.full(6, 1.0)]
    found = level(curvatures, Demands(0.5, np.inf))
    assert found.level == "open"
    assert "more than half of the honest workers have curvature <= -0.2" in found.reason


def test_bounds_that_contradict_each_other_prove_nothing() -> None:
    known = replace(bends(np.full(M, 0.3)), highs=np.full((1, M), -0.5))
    found = conclude(slopes(), known, B, DEMANDS)
    assert found.level == "open"
    assert "contradict" in found.reason


@pytest.mark.parametrize("tolerance", [1.0, 5.0, np.inf])
def test_a_tolerance_of_the_hessians_own_size_asks_for_nothing(tolerance: float) -> None:
    found = level(np.full(M, 0.3), Demands(tolerance, np.inf))
    assert found.level == "open"
    assert "asks for nothing" in found.reason


def test_answers_without_any_curvature_prove_no_minimum() -> None:
    known = bends(np.full(M, -1e-9), top=-1e-9)
    found = conclude(slopes(), replace(known, highs=known.highs + 1), B, Demands())
    assert found.level == "open"
    assert "no positive curvature" in found.reason


def test_where_nobody_was_asked_for_curvature_none_is_denied() -> None:
    known = replace(
        bends(np.full(M, -np.inf), top=0.0),
        highs=np.empty((0, M)),
        directions=np.empty((0, 2)),
    )
    found = conclude(slopes(), known, B, Demands())
    assert found.level == "open"
    assert found.reason.startswith("nothing is known of the Hessian")


def test_an_open_point_says_what_is_proved_and_what_was_asked() -> None:
    found = level(np.full(M, -0.4) + np.linspace(-2, 2, M), Demands(0.05, np.inf), b=7)
    assert found.level == "open"
    assert f"lambda_min >= {found.curvature.low:.4g} is all that is proved" in found.reason
    steep = conclude(slopes(np.full((M, 2), 5.0), 7), bends(np.full(M, 0.3)), 7, DEMANDS)
    assert "of the gradient no more than ||grad F|| <= 7.071" in steep.reason


def test_gradient_and_curvature_are_of_one_mean() -> None:
    """Worker 0 has the gradient that cancels all others, and falls silent afterwards."""
    rows = np.full((M, 2), 0.05)
    rows[0] = -0.95
    slope = gradient_facts(rows, rows.mean(axis=0), 0.0, names(M), 0)
    assert slope.bound < 1e-6
    known = bends(np.full(M, 0.3)).among(names(M)[1:])
    found = conclude(slope, known, 0, Demands(0.1, 0.06))
    assert found.workers == M - 1
    assert found.gradient_bound >= 0.05 * 2**0.5
    assert found.level != "proved"
    # And the other way round: a worker whose curvature lifts the mean had no gradient to give.
    curvatures = np.full(M, -0.05)
    curvatures[0] = 19.0
    found = conclude(slopes(b=0).among(names(M)[1:], 0), bends(curvatures, 20.0), 0, DEMANDS)
    assert found.curvature.high < 0


def test_a_worker_proved_bad_later_is_one_liar_less() -> None:
    rows = np.full((M, 2), 0.01)
    rows[0] = 1e9
    slope = gradient_facts(rows, rows[1], 0.0, names(M), 1)
    found = conclude(slope, bends(np.full(M, 0.3)).among(names(M)[1:]), 0, DEMANDS)
    assert found.level == "proved"
    assert (found.workers, found.b) == (M - 1, 0)


def test_the_default_tolerances_come_from_the_workers() -> None:
    found = conclude(slopes(), bends(np.full(M, 0.3), top=4.0), B, Demands())
    assert found.tolerance == pytest.approx(0.02 * 4.0)
    assert found.gradient_tolerance == pytest.approx(slopes().distance)


# ------------------------------------------------------------------------------------------ words


def test_the_printed_bracket_is_not_said_of_more_liars_than_b() -> None:
    """Of b* liars only the tolerance is claimed, for every liar moves the end."""
    curvatures = np.linspace(0.2, 0.4, M)
    curvatures[0] = -0.5
    found = level(curvatures)
    assert found.curvature.frontier > B
    text = str(found)
    assert f"tolerance 0.1; within it for up to {found.curvature.frontier} liars of 20" in text
    assert "holds for" not in text


def test_a_saddle_states_how_many_liars_leave_it_below_zero() -> None:
    found = level(np.full(M, -0.3))
    assert "lambda_min <= -0.3, and below zero for up to 19 liars of 20" in found.reason


def test_the_text_names_bounds_level_method_assumptions_and_cost() -> None:
    known = replace(bends(np.full(M, 0.3)), risk=0.05, products=48)
    text = str(conclude(slopes(), known, B, DEMANDS, rounds=3, numbers={"step": 1e-6}))
    for part in (
        "certified: ", "||grad F|| <=", "<= lambda_min <=", "tolerance", "majority", "level",
        "method: worker eigenvalues", "assumes", "at most b", "twice differentiable",
        "wrong with probability <= 0.05", "step 1e-06", "3 rounds, 48 products",
    ):  # fmt: skip
        assert part in text


def test_a_failure_is_open_and_says_why() -> None:
    found = failed("nobody answers", 2)
    assert (found.level, found.reason, found.rounds) == ("open", "nobody answers", 2)
    assert not found.certified
    assert not found.refuted
    assert not found.stationary
    assert "not certified: nobody answers" in str(found)
