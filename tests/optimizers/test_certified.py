"""CertifiedPGD: its table of phases, what it says of its jumps, and its state as data."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.optimizers.certified import NEXT, CertifiedState, line
from saddleproof.optimizers.certified.line import Jump, choose
from saddleproof.optimizers.certified.propose import Propose
from saddleproof.optimizers.certified.run import Run
from saddleproof.optimizers.randomness import RandomKey
from saddleproof.oracle import Oracle
from saddleproof.questions import as_question
from saddleproof.storage import snapshot
from saddleproof.testing import check_optimizer

B = 6


def attacked(problem: Any, says: str = "against", style: str = "push") -> sp.Coalition:
    attack = sp.attacks.LyingAnswers(sp.SaddleAttack(problem.saddle, style=style), says=says)
    return sp.Coalition(sp.LocalFleet(problem), attack, members=range(B))


def states_of(fleet: Any, optimizer: Any = None, **options: Any) -> tuple[list[Any], sp.Result]:
    """The state before every round and the last one, and the result."""
    optimizer = optimizer or sp.CertifiedPGD()
    options = {"b": B, "seed": 0, "certify": False, "max_rounds": 150} | options
    w0 = options.setdefault("w0", getattr(getattr(fleet, "problem", None), "start", None))
    states = [optimizer.init(w0, seed=options["seed"], max_rounds=options["max_rounds"])]
    result = sp.minimize(
        fleet, optimizer, callback=lambda progress: states.append(progress.state), **options
    )
    return states, result


def steps(states: list[Any]) -> set[tuple[type, type]]:
    return {(type(a.phase), type(b.phase)) for a, b in pairwise(states)}


# --- the table ------------------------------------------------------------------------------------


class Backwards:
    """A loss whose workers send minus its gradient: no length is downhill."""

    d = 1

    def value(self, w: np.ndarray, _: Any) -> float:
        return float(w[0] ** 2)

    def gradient(self, points: np.ndarray, _: Any) -> np.ndarray:
        return -2 * points


class Sharp:
    """A saddle whose ways down are far shorter than any length of a first line."""

    d = 1

    def value(self, w: np.ndarray, _: Any) -> float:
        u = w[0] * 1e9
        return float((u**2 - 1) ** 2 / 4)

    def gradient(self, points: np.ndarray, _: Any) -> np.ndarray:
        u = points * 1e9
        return 1e9 * (u**3 - u)


def test_the_table_holds_every_transition_of_a_batch_of_runs_and_no_other() -> None:
    seen: set[tuple[type, type]] = set()
    for name in ("Example2", "Tensor", "UnequalHessians"):
        problem = getattr(sp.problems, name)(seed=1)
        for says in ("truthful", "against", "for"):
            seen |= steps(states_of(attacked(problem, says))[0])
    for loss, start in ((Backwards(), 1.0), (Sharp(), 0.0)):
        fleet = sp.LocalFleet(sp.Problem(loss, range(5)))
        seen |= steps(states_of(fleet, b=1, w0=np.array([start]))[0])
    assert seen == {(phase, after) for phase, many in NEXT.items() for after in many}


# --- jumps ----------------------------------------------------------------------------------------

WAYS = ("against", "for", "forge", "quiet", "loud", "waste", "median", "opposite", "huge")


def rises_of_proved_jumps() -> tuple[list[float], list[str]]:
    """By how much every jump that is called proved raised the honest mean, and all events."""
    rises, events = [], []
    for name in ("Example2", "UnequalHessians", "SpikedPCA"):
        problem = getattr(sp.problems, name)(seed=3)
        for says in WAYS:
            states, result = states_of(attacked(problem, says), max_rounds=60)
            for (before, after), record in zip(pairwise(states), result.trace, strict=True):
                events.append(record.event)
                if "the loss of the honest mean falls" in record.event:
                    ends = [problem.values(one.run.w)[B:].mean() for one in (before, after)]
                    rises.append(float(ends[1] - ends[0]))
    return rises, events


def test_every_jump_that_is_called_proved_lowers_the_honest_mean() -> None:
    rises, events = rises_of_proved_jumps()
    assert len(rises) >= 20
    assert max(rises) < 0
    assert any("more than half of the honest workers" in event for event in events)


@pytest.mark.slow
def test_a_choice_that_ignores_b_is_caught_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(changes: Any, b: int, *rest: Any) -> Jump | None:
        return choose(changes, 0, *rest)

    monkeypatch.setattr(line, "choose", blind)
    rises, _ = rises_of_proved_jumps()
    assert max(rises) > 0


def test_a_jump_says_of_whom_it_is_proved_and_whether_it_was_drawn() -> None:
    said = {
        (proved, drawn): Jump(0, 0, 0.25, proved, drawn).event
        for proved in (True, False)
        for drawn in (True, False)
    }
    assert len(set(said.values())) == 4
    for (proved, drawn), event in said.items():
        assert ("the honest mean" in event) == proved
        assert ("more than half of the honest workers" in event) != proved
        assert ("one of which was drawn" in event) == drawn
        assert "0.25, proved" in event


def test_the_mean_comes_before_the_majority_and_pairs_come_last() -> None:
    """One direction and its opposite, one length, seven workers, b = 2."""

    def changes(ahead: list[float], behind: list[float]) -> np.ndarray:
        return np.array([[ahead], [behind]])

    up = [1.0] * 7
    all_down = choose(changes([-1.0] * 7, up), 2, 0.0, 1)
    assert all_down is not None
    assert (all_down.proved, all_down.drawn, all_down.direction) == (True, False, 0)
    # One honest worker may lose so much that nothing is proved about the mean.
    most_down = choose(changes([-1.0] * 6 + [9.0], up), 1, 0.0, 1)
    assert most_down is not None
    assert (most_down.proved, most_down.drawn) == (False, False)
    # Slopes hide it on either side; no half sum has a slope in it.
    slopes = np.array([-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0])
    drawn = choose(changes(list(slopes - 1), list(-slopes - 1)), 2, 0.0, 1)
    assert drawn is not None
    assert (drawn.proved, drawn.drawn) == (True, True)
    assert choose(changes(up, up), 2, 0.0, 1) is None
    assert choose(np.empty((0, 3, 7)), 2, 0.0) is None


def test_a_gain_that_is_a_crumb_of_the_largest_is_left() -> None:
    changes = np.full((1, 1, 7), -1.0)
    assert choose(changes, 2, 99.0) is not None
    assert choose(changes, 2, 101.0) is None


def test_opposite_ends_leave_where_liars_hide_the_slope_and_a_coin_takes_one() -> None:
    problem = sp.problems.UnequalHessians(seed=9)
    firsts = {}
    for seed in range(5):
        states, result = states_of(attacked(problem), seed=seed)
        event, before, after = next(
            (record.event, a, b)
            for (a, b), record in zip(pairwise(states), result.trace, strict=True)
            if record.event.startswith("jump")
        )
        assert "of two opposite ends, one of which was drawn" in event
        move = after.run.w - before.run.w
        w = before.run.w
        ends = [problem.values(w + sign * move)[B:] for sign in (1, 0, -1)]
        fell = (ends[0] + ends[2]) / 2 - ends[1] < 0
        assert 2 * fell.sum() > len(fell)
        firsts[bool(move @ problem.escape_direction > 0)] = seed
        assert problem.left_saddle(result.w)
    assert set(firsts) == {True, False}


# --- state is data --------------------------------------------------------------------------------


def test_it_passes_the_suite_for_optimizers() -> None:
    check_optimizer(sp.CertifiedPGD())
    check_optimizer(sp.CertifiedPGD(curvature=0.1, step=0.3), sp.problems.Example2(seed=0), b=B)


def resumed(state: Any, fleet: Any, number: int) -> bytes:
    """The bytes in which a run ends that goes on from a state before round `number`."""
    optimizer, oracle = sp.CertifiedPGD(), Oracle(fleet, sp.Median(), B, round=number)
    oracle.announce(optimizer)
    while not optimizer.status(state).done:
        reading, oracle = oracle.ask(as_question(optimizer.ask(state)))
        state = optimizer.tell(state, reading)
    return snapshot.dumps(state)


def test_a_run_resumed_in_any_phase_ends_in_the_same_bytes() -> None:
    problem = sp.problems.Example2(seed=2)
    fleet = attacked(problem, "waste", "cancel")
    states, _ = states_of(fleet, w0=problem.start + np.array([0.0, 1.0]))
    first = {type(state.phase): number for number, state in reversed(list(enumerate(states)))}
    assert set(first) == set(NEXT)
    for number in first.values():
        state = snapshot.loads(snapshot.dumps(states[number]), CertifiedState)
        assert resumed(state, fleet, number) == snapshot.dumps(states[-1])


def test_one_seed_gives_one_run_and_none_gives_a_start_that_no_liar_knows() -> None:
    problem = sp.problems.Example2(seed=0)
    one, two = (states_of(attacked(problem))[1] for _ in range(2))
    assert snapshot.dumps(one.state) == snapshot.dumps(two.state)
    w = np.zeros(2)
    assert Propose().question(Run(w, RandomKey.open(3), 3, m=20)).seed == 3
    states, _ = states_of(attacked(problem), seed=None, max_rounds=20)
    asked = [s for s in states if isinstance(s.phase, Propose)]
    assert asked
    assert all(s.phase.question(s.run).seed is None for s in asked)
    keys = {sp.CertifiedPGD().init(w).run.random.key for _ in range(2)}
    assert len(keys) == 2


@pytest.mark.parametrize("options", [{"curvature": 0.0}, {"step": -1.0}, {"step": np.inf}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="> 0 and finite"):
        sp.CertifiedPGD(**options)


def test_a_run_that_has_ended_asks_nothing_and_hears_nothing() -> None:
    states, _ = states_of(sp.LocalFleet(sp.problems.Example2(seed=0)))
    with pytest.raises(OptionError, match="ended"):
        sp.CertifiedPGD().ask(states[-1])
    with pytest.raises(OptionError, match="ended"):
        sp.CertifiedPGD().tell(states[-1], None)
