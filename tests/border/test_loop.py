"""Seeds, budgets, time limits and callbacks of a run: they work, or are refused before a round."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doors import PROBLEM, ROWS, Counting, Pieces, certify, run
from hypothesis import given, settings
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof import columns
from saddleproof.arguments import seed_of
from saddleproof.errors import OptionError
from saddleproof.questions import LeastCurvature
from saddleproof.storage.snapshot import dumps


def ended(seed: Any, **options: Any) -> bytes:
    attack = sp.Coalition(sp.LocalFleet(PROBLEM), sp.attacks.SignFlip(), [0])
    optimizer = sp.optimizers.GaussPSGD(step=0.1)
    options = {"aggregator": sp.Median(), "max_rounds": 8} | options
    return dumps(run(attack, optimizer=optimizer, seed=seed, **options).state)


def test_a_generator_is_used_and_moves_on() -> None:
    one, two = np.random.default_rng(5), np.random.default_rng(5)
    first = ended(one)
    assert first == ended(two)
    assert ended(one) != first
    assert ended(np.random.default_rng(6)) != first


def test_a_seed_sequence_stays_as_it_is() -> None:
    seeds = np.random.SeedSequence(5)
    assert ended(seeds) == ended(seeds)
    assert len({ended(child) for child in seeds.spawn(3)}) == 3


def test_an_attack_and_a_problem_take_a_generator() -> None:
    one, two = (sp.attacks.Gaussian(seed=np.random.default_rng(1)) for _ in range(2))  # type: ignore[arg-type]
    assert one == two
    assert type(one.seed) is int
    rng = np.random.default_rng(1)
    same = sp.problems.UnequalHessians(workers=3, n=9, seed=rng)  # type: ignore[arg-type]
    other = sp.problems.UnequalHessians(workers=3, n=9, seed=rng)  # type: ignore[arg-type]
    assert same.value(np.ones(10)) != other.value(np.ones(10))


NO_SEED = st.one_of(
    st.floats(), st.booleans(), st.text(max_size=2), st.integers(max_value=-1),
    st.integers(min_value=2**64), st.just([1]), st.builds(np.random.RandomState, st.just(0)),
)  # fmt: skip


@given(seed=NO_SEED)
@settings(max_examples=40, deadline=None)
def test_what_is_no_seed_is_refused_before_any_round(seed: Any) -> None:
    fleet = Counting()
    for door in (
        lambda: run(fleet, seed=seed),
        lambda: certify(fleet, seed=seed),
        lambda: sp.optimizers.PGD().init(np.zeros(2), seed=seed),
        lambda: sp.attacks.Gaussian(seed=seed),
        lambda: sp.problems.Example2(seed=seed),
        lambda: sp.lab.redteam("", seed=seed),
    ):
        with pytest.raises(OptionError, match="seed must be"):
            door()
    assert fleet.rounds == 0


@given(seed=st.integers(0, 2**64 - 1))
def test_a_whole_number_is_its_own_seed(seed: int) -> None:
    assert seed_of(seed) == seed
    assert seed_of(np.uint64(seed)) == seed


# --- budgets, time limits, blocks ----------------------------------------------------------------

NO_WHOLE = st.one_of(st.floats(), st.booleans(), st.text(max_size=2), st.integers(max_value=-1))
NO_SECONDS = st.one_of(
    st.floats(max_value=0), st.booleans(), st.text(max_size=2),
    st.sampled_from([np.nan, np.inf, -np.inf]),
)  # fmt: skip
#: Option to what cannot work, and what can.
LOOP: dict[str, tuple[st.SearchStrategy[Any], tuple[Any, ...]]] = {
    "max_rounds": (NO_WHOLE | st.none(), (0, 1, np.int64(2))),
    "checkpoint_every": (NO_WHOLE | st.just(0) | st.none(), (1, np.int16(3))),
    "timeout": (NO_SECONDS, (1, 0.5, np.float32(2), None)),
    "callback": (st.sampled_from([3, "print", True, dict]), (None, lambda _: None)),
    "resume": (st.sampled_from([1, "yes", None, True]), (False, np.False_)),
    "certify": (st.sampled_from([0, "no", None]), (True, False)),
    "checkpoint": (st.sampled_from([3, True, b"file"]), (None,)),
}


@pytest.mark.parametrize("option", LOOP)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_an_option_of_the_loop_that_cannot_work_is_refused(option: str, data: Any) -> None:
    fleet = Counting()
    with pytest.raises(OptionError, match=option):
        run(fleet, **{option: data.draw(LOOP[option][0])})
    assert fleet.rounds == 0


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, (_, good) in LOOP.items() for value in good]
)
def test_an_option_of_the_loop_that_can_work_does(option: str, value: Any) -> None:
    assert run(Counting(), **{option: value}).rounds <= 2


def test_no_rounds_hand_the_start_back() -> None:
    fleet = Counting()
    found = run(fleet, max_rounds=0)
    assert found.status == "budget"
    assert fleet.rounds == 0
    np.testing.assert_array_equal(found.w, PROBLEM.start)


@given(timeout=NO_SECONDS)
@settings(max_examples=20, deadline=None)
def test_a_certificate_and_columns_wait_for_a_time(timeout: Any) -> None:
    with pytest.raises(OptionError, match="timeout must be"):
        certify(Counting(), timeout=timeout)
    with pytest.raises(OptionError, match="timeout must be"):
        columns.aggregate(Pieces(), sp.Median(), np.zeros(4), 1, timeout=timeout)


@given(width=NO_WHOLE | st.just(0))
@settings(max_examples=20, deadline=None)
def test_a_block_has_a_whole_number_of_columns(width: Any) -> None:
    with pytest.raises(OptionError, match="columns must be"):
        sp.aggregators.stream(sp.Median(), ROWS, 1, columns=width)
    with pytest.raises(OptionError, match="columns must be"):
        columns.aggregate(Pieces(), sp.Median(), np.zeros(4), 1, columns=width)


def test_resuming_from_nothing_is_refused() -> None:
    with pytest.raises(OptionError, match="resume=True needs the checkpoint"):
        run(Counting(), resume=True)


@pytest.mark.parametrize("said", [0.5, 1, 0, "stop", [], np.array([True])])
def test_a_callback_that_hands_back_something_else_is_told_so(said: Any) -> None:
    with pytest.raises(OptionError, match=f"returned {re.escape(repr(said))}"):
        run(Counting(), callback=lambda _: said)


@pytest.mark.parametrize(("said", "rounds"), [(True, 1), (np.True_, 1), (False, 2), (None, 2)])
def test_a_callback_stops_the_run_by_true_alone(said: Any, rounds: int) -> None:
    assert run(Counting(), callback=lambda _: said).rounds == rounds


def test_a_name_alone_is_no_collection_of_names() -> None:
    with pytest.raises(OptionError, match=r"pass \['worker-1'\]"):
        certify(Counting(), excluded="worker-1")
    assert certify(Counting(), excluded=["worker-1"]).rounds == 1


def test_a_generator_resumes_its_own_run(tmp_path: Path) -> None:
    whole, cut = (np.random.default_rng(5) for _ in range(2))
    options = {"optimizer": sp.optimizers.GaussPSGD(step=0.1), "aggregator": sp.Median()}
    right = dumps(run(Counting(), seed=whole, max_rounds=6, **options).state)
    run(Counting(), seed=cut, max_rounds=3, checkpoint=tmp_path / "run.npz", **options)
    again = {"seed": np.random.default_rng(5), "checkpoint": tmp_path / "run.npz", "resume": True}
    assert dumps(run(Counting(), max_rounds=6, **(options | again)).state) == right


def test_the_workers_are_told_a_number_and_never_a_generator() -> None:
    told: list[Any] = []

    class Told(Counting):
        def ask(self, question: Any, **named: Any) -> Any:
            told.extend([question.seed] if isinstance(question, LeastCurvature) else [])
            return super().ask(question, **named)

    options = {"optimizer": sp.optimizers.GradientDescent(), "max_rounds": 1, "certify": True}
    for _ in range(2):
        run(Told(), seed=np.random.default_rng(4), **options)
    assert told == [seed_of(np.random.default_rng(4))] * 2
