"""The strongest message, the saddle attack and the simple liars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof import NearestNeighborMixing as Mixing
from saddleproof.aggregators import GeometricMedian, Krum, Mean, Median, MultiKrum, TrimmedMean
from saddleproof.attacks import (
    AttackView,
    Gaussian,
    Malformed,
    NonFinite,
    SaddleAttack,
    SignFlip,
)
from saddleproof.attacks.strongest import through
from saddleproof.attacks.table import ATTACKS
from saddleproof.errors import OptionError
from saddleproof.testing import QuarticSaddle, check_attack

RULES = (Mean(), Median(), TrimmedMean())


def a_view(rule: Any, m: int, k: int, seed: int = 0, *, problem: Any = None) -> AttackView:
    rng = np.random.default_rng(seed)
    q, d = 3, 4
    return AttackView(
        points=rng.standard_normal((q, d)),
        messages=rng.standard_normal((q, m, d)),
        members=tuple(sorted(rng.choice(m, k, replace=False).tolist())),
        round_id=seed,
        b=k,
        aggregate=lambda stack: rule.estimates(stack, k).vector,
        optimizer=None,
        problem=problem,
    )


def told(view: AttackView, lies: Any) -> np.ndarray:
    """What the server reads when the members say `lies`."""
    stack = view.messages.copy()
    stack[:, view.members] = lies
    return view.aggregate(stack)


#: Those that need labels are tried on problems that have some, in test_labels.py.
@pytest.mark.parametrize("name", [name for name in ATTACKS if "label" not in name])
def test_every_attack_passes_the_suite(name: str) -> None:
    check_attack(ATTACKS[name]())


@given(st.sampled_from(RULES[1:]), st.integers(3, 14), st.integers(0, 2**32), st.data())
def test_the_answer_is_the_target_clipped_to_what_liars_can_reach(
    rule: Median | TrimmedMean, m: int, seed: int, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, (m - 1) // 2))
    view = a_view(rule, m, k, seed)
    target = np.random.default_rng(seed + 1).standard_normal(view.points.shape)
    low, high = told(view, -1e9), told(view, 1e9)
    np.testing.assert_allclose(
        told(view, through(view, target)), np.clip(target, low, high), rtol=1e-9, atol=1e-9
    )


@given(st.integers(3, 7), st.integers(0, 2**32), st.data())
def test_for_an_odd_median_the_ends_are_honest_order_statistics(
    half: int, seed: int, data: st.DataObject
) -> None:
    m = 2 * half + 1
    k = data.draw(st.integers(1, half))
    view = a_view(Median(), m, k, seed)
    honest = np.sort(view.honest, axis=1)
    for target, end in ((1e6, honest[:, half]), (-1e6, honest[:, half - k])):
        lies = through(view, np.full(view.points.shape, target))
        np.testing.assert_array_equal(told(view, lies), end)


@given(st.integers(3, 14), st.integers(0, 2**32), st.data())
def test_the_mean_is_hit_exactly(m: int, seed: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, (m - 1) // 2))
    view = a_view(Mean(), m, k, seed)
    target = 100 * np.random.default_rng(seed + 1).standard_normal(view.points.shape)
    lies = through(view, target)
    np.testing.assert_allclose(told(view, lies), target, rtol=1e-9)
    closed = (m * target - view.honest.sum(axis=1)) / k
    np.testing.assert_allclose(lies[:, 0], closed, rtol=1e-9, atol=1e-9)


@given(st.sampled_from(RULES), st.integers(3, 12), st.integers(0, 2**32), st.data())
def test_no_other_message_comes_nearer(rule: Any, m: int, seed: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, (m - 1) // 2))
    view = a_view(rule, m, k, seed)
    rng = np.random.default_rng(seed + 1)
    target = rng.standard_normal(view.points.shape)
    best = np.linalg.norm(told(view, through(view, target)) - target, axis=1)
    own = (3, k, 4)
    others: list[Any] = [
        np.repeat(target[:, None], k, axis=1),
        np.repeat(target[:, None], k, axis=1) + 0.1 * rng.standard_normal(own),
        rng.standard_normal(own),
        10 * rng.standard_normal(own),
        view.messages[:, view.members],
    ]
    for lies in others:
        reached = np.linalg.norm(told(view, lies) - target, axis=1)
        assert (best <= reached + 1e-9).all()


@pytest.mark.parametrize("rule", [Krum(), GeometricMedian(), MultiKrum(), Mixing(Median())])
def test_where_no_closed_form_is_known_a_line_is_searched(rule: Any) -> None:
    better = []
    for seed in range(10):
        view = a_view(rule, 15, 4, seed)
        target = 5 * np.random.default_rng(seed).standard_normal(view.points.shape)
        miss = np.linalg.norm(told(view, through(view, target)) - target, axis=1)
        plain = np.linalg.norm(told(view, np.repeat(target[:, None], 4, axis=1)) - target, axis=1)
        assert (miss <= plain + 1e-9).all()
        better.append((miss < plain - 1e-3).any())
    assert any(better)


def test_rules_with_a_closed_form_are_asked_once() -> None:
    for rule, calls in ((Median(), 1), (Mean(), 1), (TrimmedMean(), 1), (GeometricMedian(), 2)):
        view = a_view(rule, 15, 4)
        asked: list[int] = []

        def counted(stack: Any, view: Any = view, asked: list[int] = asked) -> Any:
            asked.append(len(stack))
            return view.aggregate(stack)

        through(replace(view, aggregate=counted), np.zeros_like(view.points))
        assert len(asked) == calls


def test_a_target_beyond_all_numbers_stays_finite() -> None:
    view = a_view(Mean(), 20, 1)
    assert np.isfinite(through(view, np.full(view.points.shape, 1e308))).all()


def test_push_makes_a_gradient_step_land_on_the_saddle() -> None:
    view = a_view(Mean(), 11, 3)
    saddle = np.arange(4.0)
    read = told(view, SaddleAttack(saddle, strength=5.0)(view))
    np.testing.assert_allclose(view.points - read / 5.0, np.tile(saddle, (3, 1)), atol=1e-12)


def test_hold_keeps_the_iterate_where_it_is() -> None:
    view = a_view(Mean(), 11, 3)
    np.testing.assert_allclose(told(view, SaddleAttack(style="hold")(view)), 0, atol=1e-12)


def test_cancel_removes_the_escape_direction_alone() -> None:
    view = a_view(Mean(), 11, 3, problem=QuarticSaddle())
    read = told(view, SaddleAttack(style="cancel", direction=[2.0, 0, 0, 0])(view))
    np.testing.assert_allclose(read[:, 0], 0, atol=1e-12)
    np.testing.assert_allclose(read[:, 1:], view.honest_mean[:, 1:])
    np.testing.assert_allclose(told(view, SaddleAttack(style="cancel")(view)), read, atol=1e-12)


def test_saddle_and_strength_come_from_the_problem_when_not_given() -> None:
    view = a_view(Mean(), 11, 3, problem=QuarticSaddle())
    np.testing.assert_allclose(SaddleAttack().target(view), 2.0 * view.points)
    np.testing.assert_allclose(SaddleAttack(strength=7.0).target(view), 7.0 * view.points)


def test_an_unknown_smoothness_is_measured_on_the_batch() -> None:
    view = a_view(Mean(), 11, 3)
    ratio = np.linalg.norm(view.honest_mean, axis=1) / np.linalg.norm(view.points, axis=1)
    np.testing.assert_allclose(SaddleAttack(np.zeros(4)).target(view), ratio.max() * view.points)
    at_saddle = SaddleAttack(view.points[0]).target(view)
    assert np.isfinite(at_saddle).all()
    np.testing.assert_array_equal(at_saddle[0], 0)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: SaddleAttack(style="pull"), "push, hold, cancel; got 'pull'"),
        (lambda: SaddleAttack(strength=0.0), "positive and finite"),
        (lambda: SaddleAttack()(a_view(Mean(), 5, 1)), "pass SaddleAttack"),
        (lambda: SaddleAttack([1.0])(a_view(Mean(), 5, 1)), "shape"),
        (lambda: Gaussian(scale=-1.0), "at least 0"),
        (lambda: Gaussian(center="there"), "zero, own; got 'there'"),
        (lambda: NonFinite("zero"), "nan, inf, mixed; got 'zero'"),
        (lambda: Malformed("late"), "shape, dtype, none, text; got 'late'"),
    ],
)
def test_misuse_says_what_is_needed(make: Callable[[], object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        make()


def test_sign_flip_is_minus_the_honest_mean() -> None:
    view = a_view(Mean(), 9, 2)
    for row in SignFlip(scale=2.0)(view).swapaxes(0, 1):
        np.testing.assert_allclose(row, -2.0 * view.honest_mean)


def test_gaussian_noise_depends_on_seed_and_round_alone() -> None:
    view = a_view(Mean(), 9, 2, seed=1)
    later = a_view(Mean(), 9, 2, seed=2)
    assert not np.array_equal(Gaussian()(view), Gaussian()(later))
    assert not np.array_equal(Gaussian()(view), Gaussian(seed=1)(view))
    np.testing.assert_array_equal(Gaussian()(view), Gaussian()(view))
    np.testing.assert_allclose(
        Gaussian(center="own")(view) - view.messages[:, view.members], Gaussian()(view)
    )
    assert np.std(Gaussian(scale=3.0)(view)) == pytest.approx(3.0, rel=0.5)
