"""The adaptive deadline: what liars can do to it, and what a loaded machine can."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.errors import OptionError
from saddleproof.fleets.deadline import FEW, Deadline, Patience, Watch, quorum, record
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature, Question

TIMES = st.floats(0.0, 50.0)
W, V = np.zeros(1000), np.ones((20, 1000))
ONE_GRADIENT, PRODUCTS = Gradients(V[:1]), LeastCurvature(W, steps=60)


class Clock:
    """Time that passes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def played(arrivals: list[float], deadline: Deadline, b: int) -> tuple[float, set[int]]:
    """When a round with these arrival times ends, and whom it heard."""
    clock = Clock()
    watch = Watch(deadline, (0.0,) * len(arrivals), b=b, clock=clock)
    heard: set[int] = set()
    for when, i in sorted((when, i) for i, when in enumerate(arrivals)):
        if when > watch.elapsed + watch.left(heard, ()):
            break
        clock.now = 100.0 + when
        heard.add(i)
    return watch.elapsed + watch.left(heard, ()), heard


@given(
    honest=st.lists(TIMES, min_size=3, max_size=9),
    liars=st.lists(st.one_of(TIMES, st.just(float("inf"))), max_size=3),
)
def test_liars_cannot_stretch_a_round(honest: list[float], liars: list[float]) -> None:
    deadline = Deadline(grace=2.0, slack=1.0, limit=1e6)
    ended, _ = played(honest + liars, deadline, b=len(liars))
    assert ended <= 2.0 * max(honest) + 2.0 + 1e-9


@given(
    honest=st.lists(st.floats(1.0, 1.99), min_size=4, max_size=9),
    load=st.floats(0.01, 1000.0),
    liars=st.lists(st.one_of(TIMES, st.just(float("inf"))), max_size=1),
)
def test_a_loaded_machine_makes_nobody_late(
    honest: list[float], load: float, liars: list[float]
) -> None:
    arrivals = [load * when for when in honest] + [load * when for when in liars]
    _, heard = played(arrivals, Deadline(grace=0.0, slack=1.0, limit=1e9), b=len(liars))
    assert heard >= set(range(len(honest)))


def test_without_a_quorum_a_round_goes_on_up_to_its_limit() -> None:
    clock = Clock()
    watch = Watch(Deadline(grace=1.0, slack=1.0, limit=30.0), (0.0,) * 8, b=2, clock=clock)
    clock.now += 5.0
    assert watch.missing(range(5), ()) == 1
    assert watch.left(range(5), ()) == 25.0
    assert watch.left(range(6), ()) == 6.0


def test_the_quorum_counts_from_when_it_came_in() -> None:
    clock = Clock()
    watch = Watch(Deadline(grace=1.0, slack=1.0), (0.0,) * 5, b=2, clock=clock)
    clock.now += 3.0
    watch.left(range(3), ())
    clock.now += 2.0
    assert watch.left(range(4), ()) == 2.0


def test_a_round_is_over_when_all_who_live_have_answered() -> None:
    watch = Watch(Deadline(), (0.0,) * 4, b=0)
    assert watch.left({0, 1, 3}, {2}) == 0.0


def test_the_dead_do_not_count_for_the_quorum() -> None:
    watch = Watch(Deadline(), (0.0,) * 8, b=2)
    assert watch.missing(range(4), {6, 7}) == 0


def test_who_is_always_late_soon_costs_no_time() -> None:
    misses, costs = (0.0, 0.0, 0.0), []
    for _ in range(8):
        watch = Watch(Deadline(grace=2.0), misses, b=1, clock=Clock())
        costs.append(watch.left({0, 1}, ()))
        misses = watch.learned({0, 1})
    assert costs == [2.0 * 2.0**-k for k in range(8)]
    assert misses == (0.0, 0.0, 8.0)


def test_ten_timely_answers_pardon_a_late_one() -> None:
    misses = record(0.0, heard=False)
    for _ in range(10):
        misses = record(misses, heard=True)
    assert misses == pytest.approx(0.0)


def test_a_timeout_lowers_the_limit_and_never_raises_it() -> None:
    assert Deadline(limit=60.0).within(0.5) == Deadline(limit=0.5)
    assert Deadline().within(None) == Deadline().within(1e9) == Deadline()


@pytest.mark.parametrize(
    ("question", "passes"),
    [
        (Gradients(V[:9]), FEW),
        (Changes(W, V[:10], np.ones(20)), 203),
        (Curvatures(W, V), 80),
        (PRODUCTS, 240),
        (LeastCurvature(np.zeros(5), steps=60), FEW),
    ],
)
def test_the_limit_grows_with_the_passes_over_the_data(question: Question, passes: int) -> None:
    allowed = Deadline(grace=1.0, slack=2.0, limit=60.0).allowing(question)
    assert allowed == Deadline(grace=1.0, slack=2.0, limit=60.0 * passes / FEW)


def test_the_limit_grows_by_no_more_than_the_time_after_which_workers_stop() -> None:
    deadline = Deadline(limit=60.0)
    assert deadline.allowing(LeastCurvature(W, seconds=30.0)).limit == 90.0
    assert deadline.allowing(LeastCurvature(W, seconds=1e9)) == deadline.allowing(PRODUCTS)


def finished(patience: Patience, question: Question, arrivals: list[float]) -> set[int]:
    """Whom a round heard that asked this question, with these arrival times."""
    clock = Clock()
    deadline = Deadline(grace=2.0, slack=1.0, limit=60.0).allowing(question)
    watch = patience.watch(question, deadline, b=1, clock=clock)
    heard: set[int] = set()
    for when, i in sorted((when, i) for i, when in enumerate(arrivals)):
        if when > watch.elapsed + watch.left(heard, ()):
            break
        clock.now = 100.0 + when
        heard.add(i)
    patience.learn(question, watch, heard)
    return heard


def test_a_slow_question_makes_nobody_late() -> None:
    """Each product takes a second, and the whole question longer than the limit of a gradient."""
    patience = Patience(4)
    assert finished(patience, PRODUCTS, [100.0, 110.0, 120.0, 130.0]) == {0, 1, 2, 3}
    assert patience.of(LeastCurvature) == (0.0,) * 4


def test_who_is_late_with_products_keeps_its_grace_with_gradients() -> None:
    patience = Patience(3)
    for _ in range(5):
        assert finished(patience, PRODUCTS, [10.0, 10.0, 50.0]) == {0, 1}
    assert patience.of(LeastCurvature) == (0.0, 0.0, 5.0)
    assert patience.of(Gradients) == (0.0, 0.0, 0.0)
    assert finished(patience, ONE_GRADIENT, [0.1, 0.1, 2.1]) == {0, 1, 2}


def test_the_time_of_products_does_not_stretch_a_round_of_gradients() -> None:
    patience = Patience(3)
    finished(patience, PRODUCTS, [100.0, 110.0, 120.0])
    assert finished(patience, ONE_GRADIENT, [0.1, 0.1, 2.3]) == {0, 1}


def test_a_liar_that_is_silent_whatever_is_asked_soon_costs_no_time() -> None:
    patience, kinds = Patience(3), [ONE_GRADIENT, Curvatures(W, V), PRODUCTS]
    for question in kinds * 8:
        assert finished(patience, question, [0.0, 0.0, float("inf")]) == {0, 1}
    for question in kinds:
        watch = patience.watch(question, Deadline(grace=2.0), b=1, clock=Clock())
        assert watch.left({0, 1}, ()) <= 2.0 * 2.0**-8


def test_a_quorum_is_at_least_one_answer() -> None:
    assert [quorum(alive, 2) for alive in (8, 3, 2, 0)] == [6, 1, 1, 1]


@pytest.mark.parametrize("options", [{"limit": 0.0}, {"grace": -1.0}, {"slack": -0.5}])
def test_a_deadline_that_cannot_work_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="grace and slack must be"):
        Deadline(**options)


def silence(turns: Callable[[int], Collection[int]], rounds: int, m: int = 20) -> list[float]:
    """How long each round takes whose honest workers need 5 ms; turns(n) keep silent in round n."""
    clock, patience, took = Clock(), Patience(m), []
    for n in range(rounds):
        watch = patience.watch(ONE_GRADIENT, Deadline(grace=2.0, slack=1.0), b=6, clock=clock)
        clock.now += 0.005
        heard = set(range(m)) - set(turns(n))
        while (left := watch.left(heard, ())) > 0:
            clock.now += left + 1e-9
        patience.learn(ONE_GRADIENT, watch, heard)
        took.append(watch.elapsed)
    return took


def test_who_is_silent_in_turns_does_not_stretch_rounds_for_ever() -> None:
    """Six of twenty: each is silent in every eleventh round, and pardoned before the next time."""
    took = silence(lambda n: {n % 11} & set(range(6)), 11_000)
    assert took[0] == pytest.approx(0.01 + 2.0)
    assert sum(took[-1100:]) / 1100 < 0.011
    assert sum(took) < 11_000 * 0.011 + Deadline(grace=2.0).budget(6)


@given(st.lists(st.sets(st.integers(0, 5)), min_size=1, max_size=200))
def test_however_six_liars_share_their_silence_it_costs_no_more_than_their_budget(
    turns: list[set[int]],
) -> None:
    took = silence(turns.__getitem__, len(turns))
    assert sum(took) <= len(turns) * 0.0106 + Deadline(grace=2.0).budget(6)


def test_the_budget_comes_back_with_the_time_that_rounds_take() -> None:
    patience, clock = Patience(3), Clock()

    def round_of(honest: float, *, silent: bool) -> float:
        watch = patience.watch(ONE_GRADIENT, Deadline(grace=2.0, slack=0.0), b=1, clock=clock)
        clock.now += honest
        heard = {0, 1} if silent else {0, 1, 2}
        while (left := watch.left(heard, ())) > 0:
            clock.now += left + 1e-9
        patience.learn(ONE_GRADIENT, watch, heard)
        return watch.elapsed - honest

    for _ in range(5):  # one is silent, and pardoned, and silent again
        round_of(0.0, silent=True)
        patience._misses.clear()
    assert round_of(0.0, silent=True) == 0.0
    patience._misses.clear()
    round_of(10.0, silent=False)
    assert round_of(0.0, silent=True) == pytest.approx(1.0)


def test_who_was_proved_bad_is_not_waited_for_and_counts_no_more_as_one_who_may_be_silent() -> None:
    watch = Watch(Deadline(grace=1.0, slack=0.0), (0.0,) * 8, b=2, clock=Clock())
    assert watch.missing(range(5), (), {7}) == 1  # 6 of the 7 that are left, whoever is 7th
    assert watch.left(range(6), (), {6, 7}) == 0.0
    assert watch.left(range(5), (), {6, 7}) == 60.0  # nobody else may be silent


def test_waiting_for_one_who_comes_takes_nothing_from_the_budget() -> None:
    patience, clock = Patience(3), Clock()
    for _ in range(50):
        watch = patience.watch(ONE_GRADIENT, Deadline(grace=2.0), b=1, clock=clock)
        assert watch.left({0, 1}, ()) == 2.0
        clock.now += 1.9
        assert watch.left({0, 1, 2}, ()) == 0.0
        patience.learn(ONE_GRADIENT, watch, {0, 1, 2})
