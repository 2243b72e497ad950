"""Attacks that remember: Delayed, LearnedMimic, and what a coalition keeps for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.attacks import AttackView, Burst, Coalition, Delayed, LearnedMimic, OptimisedScale
from saddleproof.errors import OptionError
from saddleproof.fleets import Announcement, LocalFleet
from saddleproof.testing import QuarticSaddle, check_attack

MakeView = Callable[..., Any]


def through_rounds(attack: Any, views: list[Any]) -> list[np.ndarray]:
    """The lies of rounds that follow each other, as a coalition would hand on the memory."""
    history, lies = None, []
    for view in views:
        seen = replace(view, history=history)
        lies.append(attack(seen))
        history = attack.remember(seen)
    return lies


# --- Delayed --------------------------------------------------------------------------------------


def test_delayed_rows_are_the_members_own_truth_of_some_rounds_ago(make_view: MakeView) -> None:
    views = [make_view(seed=t, members=(1, 4, 7)) for t in range(7)]
    lies = through_rounds(Delayed(3), views)
    for t in range(7):
        truth = views[t - 3 if t >= 3 else t].own
        np.testing.assert_array_equal(lies[t], truth)


def test_delayed_answers_other_numbers_of_points_in_a_circle(make_view: MakeView) -> None:
    first, second = make_view(seed=0, members=(0, 1, 2)), make_view(seed=1, members=(0, 1, 2))
    more = replace(
        second,
        points=np.concatenate([second.points] * 2),
        messages=np.concatenate([second.messages] * 2),
    )
    lies = through_rounds(Delayed(1), [first, more])[1]
    np.testing.assert_array_equal(lies, np.concatenate([first.own] * 2))


def test_delayed_members_who_were_not_heard_then_tell_todays_truth(make_view: MakeView) -> None:
    then = make_view(seed=0, members=(0, 1), workers=(0, 2, *range(3, 12)))
    now = make_view(seed=1, members=(0, 1, 2), workers=tuple(range(11)))  # 1 was late then
    lies = through_rounds(Delayed(1), [then, now])[1]
    np.testing.assert_array_equal(lies[:, 0], then.own[:, 0])
    np.testing.assert_array_equal(lies[:, 1], now.own[:, 1])
    np.testing.assert_array_equal(lies[:, 2], then.own[:, 1])


def test_delayed_remembers_no_more_than_it_needs(make_view: MakeView) -> None:
    history: Any = None
    for t in range(9):
        history = Delayed(4).remember(make_view(seed=t, history=history))
        assert len(history) == min(t + 1, 4)


# --- LearnedMimic ---------------------------------------------------------------------------------


def odd_one_out(make_view: MakeView, t: int, odd: int) -> Any:
    """Honest workers that agree but for noise, except one; members 0 and 1."""
    view = make_view(seed=t, k=2, members=(0, 1))
    rng = np.random.default_rng([t, 5])
    messages = 0.1 * rng.standard_normal(view.messages.shape) + 0.3 * rng.standard_normal(5)
    messages[:, odd] += np.array([0.0, 3.0, 0.0, 0.0, 0.0])
    return replace(view, messages=messages)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("odd", [2, 6, 10])
def test_learned_mimic_finds_the_direction_in_which_workers_differ(
    make_view: MakeView, odd: int, seed: int
) -> None:
    attack, history = LearnedMimic(warm_up=12, seed=seed), None
    for t in range(12):
        history = attack.remember(replace(odd_one_out(make_view, t, odd), history=history))
    assert np.linalg.norm(history.z) == pytest.approx(1)
    assert abs(history.z[1]) > 0.8
    if history.z[1] > 0:
        assert history.chosen == odd


def test_learned_mimic_copies_one_worker_and_stays_with_it_after_the_warm_up(
    make_view: MakeView,
) -> None:
    attack = LearnedMimic(warm_up=5)
    views = [odd_one_out(make_view, t, 2 + t % 9) for t in range(15)]
    copied = []
    for view, lies in zip(views, through_rounds(attack, views), strict=True):
        rows = view.messages.swapaxes(0, 1)
        matches = [i for i in range(2, 11) if np.array_equal(rows[i], lies[:, 0])]
        assert len(matches) == 1
        np.testing.assert_array_equal(lies[:, 0], lies[:, 1])
        copied.append(matches[0])
    assert len(set(copied[4:])) == 1


def test_learned_mimic_is_the_running_mean_and_ojas_rule_by_hand(make_view: MakeView) -> None:
    views = [make_view(seed=t, members=(0, 1, 2)) for t in range(3)]
    attack, history = LearnedMimic(seed=4), None
    z = np.random.default_rng(4).standard_normal(5)
    z, mu = z / np.linalg.norm(z), np.zeros(5)
    for t, view in enumerate(views):
        x = view.honest[0]
        mu = t / (t + 1) * mu + x.mean(axis=0) / (t + 1)
        c = sum((row - mu) @ z * (row - mu) for row in x)
        z = t / (t + 1) * z + c / np.linalg.norm(c) / (t + 1)
        z = z / np.linalg.norm(z)
        history = attack.remember(replace(view, history=history))
        np.testing.assert_allclose(history.z, z)
        np.testing.assert_allclose(history.mean, mu)
        assert history.chosen == 3 + int(np.argmax(x @ z))


# --- the coalition --------------------------------------------------------------------------------


class Counting:
    """Tells how many rounds it remembers."""

    def __call__(self, view: AttackView) -> np.ndarray:
        return np.full_like(view.own, float(view.history or 0))

    def remember(self, view: AttackView) -> int:
        return (view.history or 0) + 1


def told_by(attack: Any, rounds: int, *, runs: int = 1) -> list[float]:
    coalition = Coalition(LocalFleet(QuarticSaddle()), attack, [0, 4])
    heard = []
    for _ in range(runs):
        coalition.announce(Announcement(sp.Median().estimates, b=2))
        heard += [coalition.round(np.ones((1, 4)), round_id=t).answers[4] for t in range(rounds)]
    return [float(row[0, 0]) for row in heard]


def test_a_coalition_hands_on_the_memory_and_forgets_when_a_run_begins() -> None:
    assert told_by(Counting(), 3, runs=2) == [0, 1, 2, 0, 1, 2]


def test_an_attack_in_a_burst_watches_while_it_sleeps() -> None:
    truth = QuarticSaddle().gradients(np.ones((1, 4)))[0, 4, 0]
    assert told_by(Burst(Counting(), 2, 4), 5) == [truth, truth, 2, 3, truth]
    other = Burst(Counting(), 0, 1, period=2, otherwise=Counting())
    assert told_by(other, 4) == [0, 1, 2, 3]


def test_the_best_scale_of_an_attack_with_a_memory_keeps_it() -> None:
    told = told_by(OptimisedScale(Counting(), scales=(1.0,)), 3)
    np.testing.assert_allclose(told, [0, 1, 2], atol=1e-12)


def test_what_remembers_passes_the_suite() -> None:
    for attack in (Delayed(1), Delayed(2), LearnedMimic(2), Burst(Delayed(1), 1, 3), Counting()):
        check_attack(attack)


def test_the_suite_sees_an_attack_that_hides_a_memory_in_itself() -> None:
    class Sly:
        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, view: AttackView) -> np.ndarray:
            self.calls += 1
            return np.full_like(view.own, self.calls)

    with pytest.raises(AssertionError, match="without a memory"):
        check_attack(Sly())


@pytest.mark.parametrize("make", [lambda: Delayed(0), lambda: LearnedMimic(0)])
def test_misuse_says_what_is_needed(make: Callable[[], object]) -> None:
    with pytest.raises(OptionError, match="at least 1 round"):
        make()
