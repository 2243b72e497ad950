"""The Delta-inexact oracle of Definition 3, as an adversary."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof import Coalition, LocalFleet, Mean, Median, oracle
from saddleproof.aggregators import Krum
from saddleproof.attacks import InexactOracle
from saddleproof.attacks.inexact_oracle import Style
from saddleproof.errors import OptionError
from saddleproof.testing import QuarticSaddle

STYLES = get_args(Style)


def read(attack: InexactOracle, points: np.ndarray, rule: Any) -> np.ndarray:
    """What a server with this rule reads when all workers are the oracle."""
    problem = QuarticSaddle()
    fleet = Coalition(LocalFleet(problem), attack, range(problem.m))
    messages = fleet.round(points, round_id=0)
    return oracle.read(messages, rule, 3, points=points, workers=fleet.workers).gradient


def truth(points: np.ndarray) -> np.ndarray:
    return QuarticSaddle().gradients(points).mean(axis=1)


@given(
    st.sampled_from(STYLES),
    st.sampled_from([Mean(), Median(), Krum()]),
    st.floats(0, 3),
    st.integers(0, 2**32),
)
def test_the_server_never_reads_more_than_delta_beside_the_truth(
    style: Style, rule: Any, delta: float, seed: int
) -> None:
    points = np.random.default_rng(seed).standard_normal((4, 4))
    found = read(InexactOracle(delta, style, epsilon=0.3), points, rule)
    wrong = np.linalg.norm(found - truth(points), axis=1)
    assert (wrong <= delta + 1e-9).all()
    if style == "radial":
        np.testing.assert_allclose(wrong, delta, atol=1e-9)


def test_zero_hides_a_gradient_of_length_delta_and_shortens_a_longer_one() -> None:
    near, far = np.array([[0.05, 0, 0, 0]]), np.array([[0.0, 2.0, 0, 0]])
    np.testing.assert_allclose(read(InexactOracle(0.1), near, Mean()), 0, atol=1e-12)
    shorter = read(InexactOracle(0.1), far, Mean())
    np.testing.assert_allclose(shorter, truth(far) * (1 - 0.1 / np.linalg.norm(truth(far))))


def test_cancel_takes_the_way_out_alone() -> None:
    points = np.array([[0.05, 0.3, 0.0, 0.0]])
    found = read(InexactOracle(0.1, "cancel"), points, Mean())
    np.testing.assert_allclose(found[0, 0], 0, atol=1e-12)
    np.testing.assert_allclose(found[0, 1:], truth(points)[0, 1:], atol=1e-12)


def test_push_leads_a_step_back_to_the_saddle() -> None:
    points = np.array([[0.01, 0.0, 0.0, 0.0]])
    found = read(InexactOracle(0.1, "push"), points, Mean())
    np.testing.assert_allclose(points - found / QuarticSaddle().smoothness, 0, atol=1e-12)


def test_radial_fakes_a_minimum_where_delta_is_enough() -> None:
    e = np.eye(4)[:1]
    for t in (0.09, -0.09):
        descent = -read(InexactOracle(0.1, "radial"), t * e, Mean())
        assert descent[0, 0] * t < 0  # back to the saddle
    assert -read(InexactOracle(0.1, "radial"), 0.2 * e, Mean())[0, 0] > 0  # out of its reach


@given(st.floats(0.01, 2), st.integers(0, 2**32))
def test_stall_keeps_the_gradient_above_epsilon_for_as_long_as_delta_lasts(
    delta: float, seed: int
) -> None:
    epsilon = 0.2
    points = np.random.default_rng(seed).standard_normal((4, 4))
    found = np.linalg.norm(
        read(InexactOracle(delta, "stall", epsilon=epsilon), points, Mean()), axis=1
    )
    true = np.linalg.norm(truth(points), axis=1)
    within = np.abs(true - epsilon) < delta
    assert (found[within] > epsilon).all()
    np.testing.assert_allclose(found, np.clip(epsilon, true - delta, true + delta), rtol=1e-6)


def test_stall_asks_the_optimizer_for_its_epsilon(make_view: Callable[..., Any]) -> None:
    for optimizer in (
        SimpleNamespace(schedule=SimpleNamespace(epsilon=0.5)),
        SimpleNamespace(epsilon=0.5),
    ):
        view = make_view(optimizer=optimizer)
        length = np.linalg.norm(InexactOracle(1e6, "stall").ghat(view), axis=1)
        np.testing.assert_allclose(length, 0.5, rtol=1e-6)


def test_fewer_liars_bring_the_rule_as_near_as_they_can(
    make_view: Callable[..., Any], told: Callable[..., Any]
) -> None:
    view = make_view(Mean())
    attack = InexactOracle(0.3)
    np.testing.assert_allclose(told(view, attack(view)), attack.ghat(view), atol=1e-9)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _: InexactOracle(-1.0), "at least 0"),
        (lambda _: InexactOracle(style="hold"), "radial, stall; got 'hold'"),
        (lambda _: InexactOracle(epsilon=0.0), "positive and finite"),
        (InexactOracle(style="stall"), "names none"),
        (InexactOracle(style="push"), "needs a saddle"),
    ],
)
def test_misuse_says_what_is_needed(
    make_view: Callable[..., Any], make: Callable[[Any], object], says: str
) -> None:
    with pytest.raises(OptionError, match=says):
        make(make_view())
