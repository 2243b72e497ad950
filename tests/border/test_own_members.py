"""Rules, optimizers, attacks and codes of the user's own, and what they return."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from losses import SHARDS, START, D, M, Quartic, W
from strategies import ODD, SAME, forms, in_form, tried

import saddleproof as sp
from saddleproof.aggregators.base import Estimate
from saddleproof.errors import OptionError
from saddleproof.fleets.worker import workers_of
from saddleproof.questions import Gradients

pytest.importorskip("torch")
pytest.importorskip("pandas")


class MyMedian(sp.Median):
    """A rule of the user's own, with answers in another form."""

    def __init__(self, form: Any = lambda x: x) -> None:
        object.__setattr__(self, "form", form)

    def estimates(self, stack: Any, b: int) -> Estimate:
        found = sp.Median().estimates(stack, b)
        return replace(found, vector=self.form(found.vector))


@settings(max_examples=20)
@given(form=forms)
def test_a_rule_of_ones_own_is_right_or_refused_by_name(form: str) -> None:
    problem = sp.Problem(Quartic(), SHARDS)
    options = {"b": 1, "w0": START, "seed": 0, "max_rounds": 4, "certify": False}
    clean = sp.minimize(problem, sp.GradientDescent(step=0.1), **options)
    rule = MyMedian(lambda x: in_form(form, x))
    found, refusal = tried(
        lambda: sp.minimize(problem, sp.GradientDescent(step=0.1), aggregator=rule, **options)
    )
    if refusal:
        assert form in ODD
        assert "MyMedian.estimates" in refusal
    else:
        assert form in SAME
        assert found.w.tobytes() == clean.w.tobytes()


def test_a_rule_that_fills_one_buffer_or_sorts_its_messages_in_place_changes_no_run() -> None:
    problem = sp.Problem(Quartic(), SHARDS)
    options = {"b": 1, "w0": START, "seed": 0, "max_rounds": 9, "certify": False}
    clean = sp.minimize(problem, sp.GradientDescent(step=0.1), **options)
    buffer = np.empty((1, D))
    rule = MyMedian(lambda x: np.copyto(buffer, x) or buffer)
    found = sp.minimize(problem, sp.GradientDescent(step=0.1), aggregator=rule, **options)
    assert found.w.tobytes() == clean.w.tobytes()

    class InPlace(MyMedian):
        def estimates(self, stack: Any, b: int) -> Estimate:
            stack.sort(axis=1)
            return super().estimates(stack, b)

    with pytest.raises(OptionError, match=r"InPlace\.estimates writes into what it was handed"):
        sp.minimize(problem, aggregator=InPlace(), **options)


def test_an_attack_that_gives_too_few_lies_is_refused_by_name() -> None:
    class Short:
        def __call__(self, view: Any) -> Any:
            return view.messages[:, :1]

    fleet = sp.Coalition(sp.LocalFleet(sp.Problem(Quartic(), SHARDS)), Short(), [0, 1])
    with pytest.raises(OptionError, match=r"Short must return shape \(1, 2, 3\)"):
        sp.minimize(fleet, sp.GradientDescent(step=0.1), b=2, w0=START, max_rounds=3)


class Mine(sp.GradientDescent):
    """An optimizer of the user's own, which asks for its points in another form."""

    form: Any = staticmethod(lambda x: x)

    def ask(self, state: Any) -> Any:
        return type(self).form(super().ask(state))


@settings(max_examples=20)
@given(form=forms)
def test_an_optimizer_of_ones_own_is_right_or_refused(form: str) -> None:
    class Odd(Mine):
        form = staticmethod(lambda x: in_form(form, x))

    problem = sp.Problem(Quartic(), SHARDS)
    options = {"b": 1, "w0": START, "seed": 0, "max_rounds": 3, "certify": False}
    clean = sp.minimize(problem, sp.GradientDescent(step=0.1), **options)
    found, refusal = tried(lambda: sp.minimize(problem, Odd(step=0.1), **options))
    if refusal:
        assert form in ODD
    else:
        assert form in SAME
        assert found.w.tobytes() == clean.w.tobytes()


def test_an_optimizer_that_writes_into_what_it_is_told_is_refused_by_name() -> None:
    class Vandal(sp.GradientDescent):
        def tell(self, state: Any, reading: Any) -> Any:
            reading.gradient[0] *= 0.5
            return super().tell(state, reading)

    problem = sp.Problem(Quartic(), SHARDS)
    with pytest.raises(OptionError, match=r"Vandal\.tell writes into what it was handed"):
        sp.minimize(problem, Vandal(step=0.1), b=1, w0=START, max_rounds=3)


def test_coded_workers_and_label_flippers_survive_a_loss_with_one_buffer() -> None:
    class Lines(Quartic):
        def gradient(self, points: Any, data: Any) -> Any:
            return points * data[1].mean()

    class Filling(Lines):
        def gradient(self, points: Any, data: Any) -> Any:
            self.buffer = vars(self).get("buffer", np.empty(points.shape))
            return np.multiply(points, data[1].mean(), out=self.buffer)

    shards = [(np.zeros((2, D)), np.array([1.0, 2.0 + i])) for i in range(M)]
    runs = []
    for loss in (Lines(), Filling()):
        problem = sp.Problem(loss, shards)
        coded = sp.problems.Coded(problem, sp.codes.Cyclic(s=1))
        runs.append(workers_of(coded)[0].reply(Gradients(W[None])).tobytes())
        fleet = sp.Coalition(sp.LocalFleet(problem), sp.attacks.LabelFlip(), [0, 1])
        runs.append(np.stack(fleet.round(W[None], round_id=0).answers).tobytes())
    assert runs[:2] == runs[2:]
