"""Options of every member of every family, and members where others are wanted."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
import saddleproof.testing as suites
from saddleproof.arguments import FAMILIES
from saddleproof.arguments.options import _types as annotations
from saddleproof.certificate import Budget
from saddleproof.config.records import RunOptions
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.deadline import Deadline
from saddleproof.optimizers.plateaus import PlateauPGD

#: What has to be given, for members that cannot do without; by its name.
NEEDED = {
    "step": 0.1, "diameter": 1.0, "epsilon": 0.1, "r": 0.1, "R": 1.0, "Q": 2, "T_th": 3,
    "s": 1, "b": 1,
    "schedule": sp.schedule.HeuristicSchedule(d=2, inexactness=0.1, curvature=0.5, step=0.1),
}  # fmt: skip
NUMBERS = ("int", "float", "int | None", "float | None")


def members() -> Iterator[Any]:
    for family in ("aggregator", "attack", "optimizer", "problem"):
        yield from FAMILIES[family].names().values()
    yield from (Budget, Deadline, PlateauPGD, RunOptions, sp.codes.Repetition, sp.codes.Cyclic)
    yield type(NEEDED["schedule"])


#: (class, option, annotation) of every numeric option.
OPTIONS = [
    pytest.param(make, name, parameter.annotation, id=f"{make.__name__}-{name}")
    for make in members()
    for name, parameter in inspect.signature(make).parameters.items()
    if parameter.annotation in NUMBERS
]


def made(make: Any, **given: Any) -> Any:
    parameters = inspect.signature(make).parameters.values()
    needed = {p.name: NEEDED[p.name] for p in parameters if p.default is p.empty}
    return make(**(needed | given))


@pytest.mark.parametrize(("make", "name", "annotation"), OPTIONS)
def test_an_option_is_a_number_or_refused_when_the_member_is_made(
    make: Any, name: str, annotation: str
) -> None:
    wrong: list[Any] = [math.nan, "1", True, np.bool_(True), 1j, [1], np.array([1.0])]
    if annotation.startswith("int"):
        wrong += [1.5, 2.0, np.float64(2.0)]
    if not annotation.endswith("None"):
        wrong.append(None)
    for value in wrong:
        with pytest.raises(OptionError, match=rf"\b{name}\b"):
            made(make, **{name: value})


@pytest.mark.parametrize(("make", "name", "annotation"), OPTIONS)
def test_numpys_numbers_are_numbers_and_kept_as_plain_ones(
    make: Any, name: str, annotation: str
) -> None:
    default = inspect.signature(make).parameters[name].default
    plain = NEEDED.get(name) if default in (inspect.Parameter.empty, None) else default
    if plain is None or FAMILIES["problem"].names().get(getattr(make, "name", "")) is make:
        return
    given = np.int64(plain) if isinstance(plain, int) else np.float64(plain)
    kept = getattr(made(make, **{name: given}), name)
    assert type(kept) in (int, float)
    assert kept == plain


@given(value=st.floats(max_value=-1e-300) | st.sampled_from([math.inf, -math.inf, math.nan, 0.0]))
def test_a_step_is_positive_and_finite(value: float) -> None:
    for make in FAMILIES["optimizer"].names().values():
        if "step" in inspect.signature(make).parameters:
            with pytest.raises(OptionError, match="step"):
                made(make, step=value)


@pytest.mark.parametrize("make", list(members()))
def test_every_annotation_of_ours_can_be_read(make: Any) -> None:
    with_options = inspect.signature(make).parameters
    assert set(with_options) <= set(annotations(make))


# --- members where others are wanted ------------------------------------------------------------

PROBLEM = sp.problems.Example2(workers=9, n=90, seed=0)


class Unfinished:
    """A rule of the user's own that lacks a method."""

    def estimate(self, messages: Any, b: int) -> Any: ...

    def estimates(self, stack: Any, b: int) -> Any: ...

    def __call__(self, messages: Any, b: int) -> Any: ...


class Own(Unfinished):
    """A rule of the user's own."""

    def __init__(self, most: Any = 4) -> None:
        self.most = most

    def breakdown(self, m: int) -> Any:
        return self.most

    def estimates(self, stack: Any, b: int) -> Any:
        return sp.Median().estimates(stack, b)


def run(**options: Any) -> Any:
    options = {"problem_or_fleet": PROBLEM, "b": 2, "seed": 0, "max_rounds": 1} | options
    return sp.minimize(certify=False, **options)


def coalition(attack: Any) -> Any:
    return sp.Coalition(sp.LocalFleet(PROBLEM), attack, [0])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (sp.Median, r"the class Median: pass an instance, Median\(\)"),
        ("geometric median", r"GeometricMedian\(\)"),
        ("meidan", r"the string 'meidan': pass an instance, Median\(\)"),
        ("nonsense", r"for example Median\(\)"),
        (np.median, r"the function median: pass an instance, Median\(\)"),
        (sp.attacks.SignFlip(), r"got SignFlip, an attack: pass for example Median\(\)"),
        (sp.optimizers.PGD, r"the class PGD, an optimizer"),
        (PROBLEM, "Example2, a problem"),
        (3, "type int"),
        (Unfinished(), "Unfinished, which lacks breakdown"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_nearest_one(given: Any, says: str) -> None:
    rows = np.zeros((9, 2))
    for door in (
        lambda: run(aggregator=given),
        lambda: sp.certify(sp.LocalFleet(PROBLEM), PROBLEM.start, given, 2),
        lambda: sp.NearestNeighborMixing(given),
        lambda: sp.aggregators.stream(given, rows, 2),
        lambda: suites.check_aggregator(given),
    ):
        with pytest.raises(OptionError, match=says):
            door()


def test_a_rule_of_ones_own_is_as_good_as_ours() -> None:
    assert run(aggregator=Own()).rounds == 1
    with pytest.raises(BreakdownError, match="Own holds at most 1"):
        run(aggregator=Own(1))
    for most in (None, "4", math.nan):
        with pytest.raises(OptionError):
            run(aggregator=Own(most))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (sp.optimizers.GaussPSGD, r"pass an instance, GaussPSGD\(step=\.\.\.\)"),
        ("gradient-descent", r"GradientDescent\(\)"),
        (sp.Median(), "Median, a rule"),
        (lambda state: state, "the function <lambda>"),
    ],
)
def test_what_is_no_optimizer_is_refused_with_the_nearest_one(given: Any, says: str) -> None:
    for door in (lambda: run(optimizer=given), lambda: suites.check_optimizer(given)):
        with pytest.raises(OptionError, match=says):
            door()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (sp.attacks.SignFlip, r"pass an instance, SignFlip\(\)"),
        ("signflip", r"SignFlip\(\)"),
        (sp.Median(), "Median, a rule"),
        (sp.optimizers.PGD(), "PGD, an optimizer"),
        (None, "got None"),
    ],
)
def test_what_is_no_attack_is_refused_with_the_nearest_one(given: Any, says: str) -> None:
    for door in (
        coalition,
        sp.attacks.Burst,
        sp.attacks.LyingAnswers,
        sp.attacks.OptimisedScale,
        suites.check_attack,
    ):
        with pytest.raises(OptionError, match=says):
            door(given)


def test_a_function_of_a_view_is_an_attack() -> None:
    assert coalition(lambda view: -view.own).members == (0,)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (sp.problems.Example2, r"pass an instance, Example2\(\)"),
        ("example2", r"Example2\(\)"),
        (sp.LocalFleet, "LocalFleet, a fleet"),
        ([np.zeros(2)], "type list"),
        (None, "got None"),
    ],
)
def test_what_has_no_workers_is_refused(given: Any, says: str) -> None:
    for door in (lambda: run(problem_or_fleet=given), lambda: suites.check_problem(given)):
        with pytest.raises(OptionError, match=says):
            door()
