"""What a loss, a problem, a rule or an optimizer of the user's returns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from losses import METHODS, SHARDS, START, Buffers, D, M, Quartic, Returning, W
from strategies import ODD, SAME, forms, in_form, odd_forms, same_forms, tried

import saddleproof as sp
from saddleproof.errors import OptionError, SaddleproofError
from saddleproof.fleets.worker import Worker, workers_of
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature

pytest.importorskip("torch")
pytest.importorskip("pandas")

AXES = np.eye(D)
QUESTIONS = [
    Gradients(np.stack([W, -W])),
    Changes(W, AXES, np.array([0.1, -0.5])),
    Curvatures(W, AXES),
]
LANCZOS = [LeastCurvature(W, seed=1, steps=2)]


def answers(problem: Any, questions: Sequence[Any] = QUESTIONS) -> list[bytes]:
    """All workers' answers to some questions, and those of one worker that is asked alone."""
    fleet = sp.LocalFleet(problem)
    together = [np.stack(fleet.ask(q, round_id=0).answers) for q in questions]
    alone = [workers_of(problem)[1].reply(q) for q in questions]
    return [np.ascontiguousarray(x).tobytes() for x in (*together, *alone)]


CLEAN = answers(sp.Problem(Quartic(), SHARDS))


@settings(max_examples=25)
@given(method=st.sampled_from(METHODS), form=same_forms)
def test_numbers_in_any_form_are_the_same_numbers(method: str, form: str) -> None:
    loss = Returning(method, lambda x: in_form(form, x))
    assert answers(sp.Problem(loss, SHARDS)) == CLEAN


@settings(max_examples=30)
@given(method=st.sampled_from(METHODS), form=odd_forms)
def test_what_is_no_array_of_numbers_is_refused_with_worker_and_method(
    method: str, form: str
) -> None:
    problem = sp.Problem(Returning(method, lambda x: in_form(form, x)), SHARDS)
    with pytest.raises(OptionError, match=rf"the loss's {method} of worker 0 must"):
        answers(problem)
    with pytest.raises(OptionError, match=rf"the loss's {method} of worker 0 must"):
        sp.minimize(problem, b=1, w0=START, seed=0, max_rounds=40)


@pytest.mark.parametrize(
    "value", [3, np.float32(3.0), np.array(3.0), np.array([3.0]), np.ma.array([[3.0]]), True]
)
def test_a_value_is_a_number_or_an_array_of_one(value: Any) -> None:
    problem = sp.Problem(Returning("value", lambda _: value), SHARDS)
    if value is True:
        with pytest.raises(OptionError, match="value of worker 0 must return one real number"):
            problem.values(W)
    else:
        np.testing.assert_array_equal(problem.values(W), np.full(M, 3.0))
        np.testing.assert_array_equal(workers_of(problem)[0].answer(W[None], losses=True)[1], [3.0])


@pytest.mark.parametrize(
    "value",
    [3j, np.array([1j]), np.ones(2), None, "3", [3.0], np.ma.masked, np.array([True]), 10**400],
)
def test_a_value_that_is_no_real_number_is_refused_with_its_worker(value: Any) -> None:
    problem = sp.Problem(Returning("value", lambda _: value), SHARDS)
    with pytest.raises(OptionError, match="the loss's value of worker 0"):
        problem.values(W)
    with pytest.raises(OptionError, match="the loss's value of worker 4"):
        workers_of(problem)[4].answer(W[None], losses=True)


def test_a_value_of_nan_is_left_to_the_oracle() -> None:
    assert np.isnan(sp.Problem(Returning("value", lambda _: np.nan), SHARDS).values(W)).all()


def test_a_loss_that_fills_one_buffer_gives_the_answers_of_one_that_does_not() -> None:
    assert answers(sp.Problem(Buffers(), SHARDS)) == CLEAN
    whole = answers(sp.Problem(Quartic(), SHARDS), LANCZOS)
    assert answers(sp.Problem(Buffers(), SHARDS), LANCZOS) == whole
    loss = Buffers()
    del loss.gradient
    loss.gradients = loss.filling(
        lambda points, shards: np.stack([Quartic().gradient(points, s) for s in shards], axis=1)
    )
    problem = sp.Problem(loss, SHARDS)
    first = problem.gradients(W[None])
    kept = first.copy()
    problem.gradients(-W[None])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("optimizer", [None, sp.GradientDescent(step=0.1), sp.GradientOnlyPGD()])
def test_a_run_with_one_buffer_ends_in_the_bytes_of_a_run_without(optimizer: Any) -> None:
    options = {"b": 1, "w0": START, "seed": 0, "max_rounds": 15}
    clean = sp.minimize(sp.Problem(Quartic(), SHARDS), optimizer, **options)
    found = sp.minimize(sp.Problem(Buffers(), SHARDS), optimizer, **options)
    assert found.w.tobytes() == clean.w.tobytes()
    assert str(found.certificate) == str(clean.certificate)


class Together:
    """All workers of `Quartic` in one call, perhaps with one buffer."""

    m, start = M, START

    def __init__(self, fill: Any = lambda f: f) -> None:
        whole = sp.Problem(Quartic(), SHARDS)
        self.gradients = fill(whole.gradients)
        self.values = fill(whole.values)
        self.values_at = fill(whole.values_at)
        self.products = fill(
            lambda w, v: np.stack([(s[1] + 3 * w**2) * v[i] for i, s in enumerate(SHARDS)])
        )


def test_a_problem_that_fills_one_buffer_gives_the_same_run() -> None:
    options = {"b": 1, "w0": START, "seed": 0, "max_rounds": 15}
    loud = sp.attacks.ALittleIsEnough()
    for attack in (None, loud):
        runs = []
        for problem in (Together(), Together(Buffers().filling)):
            fleet: Any = sp.LocalFleet(problem)
            if attack is not None:
                fleet = sp.Coalition(fleet, attack, [2])
            runs.append(sp.minimize(fleet, sp.optimizers.ValuePGD(step=0.1), **options).w.tobytes())
            runs.append(sp.minimize(fleet, **options).w.tobytes())
        assert runs[:2] == runs[2:]


def test_a_problem_that_fills_one_buffer_gives_the_same_answers() -> None:
    lengths = np.array([0.1, -0.5, 2.0])  # as many ends as a worker asks about its rounding
    questions = [Changes(W, AXES, lengths), *LANCZOS, LeastCurvature(W, seed=1)]
    for question in questions:
        clean, found = (
            np.stack(sp.LocalFleet(problem).ask(question, round_id=0).answers).tobytes()
            for problem in (Together(), Together(Buffers().filling))
        )
        assert found == clean


def test_an_attack_that_asks_the_problem_changes_no_honest_answer() -> None:
    class Asking:
        def __call__(self, view: Any) -> Any:
            return view.problem.gradients(5 * view.points)[:, list(view.members)]

    clean, found = (
        sp.Coalition(sp.LocalFleet(problem), Asking(), [2]).round(W[None], round_id=0).answers
        for problem in (Together(), Together(Buffers().filling))
    )
    np.testing.assert_array_equal(found, clean)


@pytest.mark.parametrize("method", ["gradients", "values_at", "products", "values"])
@settings(max_examples=12)
@given(form=forms)
def test_a_problem_of_ones_own_is_right_or_refused_by_its_method(method: str, form: str) -> None:
    problem = Together()
    true = getattr(problem, method)
    setattr(problem, method, lambda *given: in_form(form, true(*given)))
    found, refusal = tried(lambda: _run(problem, method))
    if refusal:
        assert form in ODD
        assert f"the problem's {method} must" in refusal
    else:
        assert form in SAME
        assert found == _clean(method)


def _run(problem: Any, method: str) -> bytes:
    if method == "products":
        said = sp.LocalFleet(problem).ask(Curvatures(W, AXES), round_id=0)
        return np.stack(said.answers).tobytes()
    optimizer = sp.optimizers.ValuePGD(step=0.1) if method == "values" else None
    options = {"b": 1, "w0": START, "seed": 0, "max_rounds": 3, "certify": False}
    return bytes(sp.minimize(problem, optimizer, **options).w.tobytes())


@lru_cache
def _clean(method: str) -> bytes:
    return _run(Together(), method)


def test_a_worker_without_a_name_says_so() -> None:
    worker = Worker(Returning("gradient", lambda x: x.T), SHARDS[0])
    with pytest.raises(SaddleproofError, match=r"the loss's gradient of this worker must return"):
        worker.reply(Gradients(W[None]))


@pytest.mark.parametrize("dtype", ["float32", "float16", "longdouble", "int64", "uint8"])
def test_a_gradient_of_another_precision_is_taken_as_its_numbers(dtype: str) -> None:
    loss = Returning("gradient", lambda x: np.round(x).astype(dtype))
    found = sp.Problem(loss, [SHARDS[0]]).gradients(np.array([[1.0, 2.0, 3.0]]))
    assert found.dtype == np.float64
    wanted = np.round(Quartic().gradient(np.array([[1.0, 2.0, 3.0]]), SHARDS[0]))
    np.testing.assert_array_equal(found[:, 0], wanted)
