"""The printed schedules, where they say anything, and the practical one."""

from __future__ import annotations

import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.errors import OptionError
from saddleproof.schedule import (
    HeuristicSchedule,
    Schedule,
    Theorem3,
    Theorem4,
    VacuousScheduleWarning,
)


def quiet(make, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VacuousScheduleWarning)
        return make(*args, **options)


def largest(holds):
    """The largest x in (1e-20, 1) at which `holds`, true below, is true."""
    low, high = -20.0, 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(10**middle) else (low, middle)
    return 10**low


def names(schedule):
    return {phrase.split(" (")[0] for phrase in schedule.vacuous}


def bound_3(d, inexactness, L=1.0, rho=1.0):
    """Minus the right side of (3)."""
    return 1900 * (rho**0.5 + L) * inexactness**0.4 * d**0.2 * math.log(10 / inexactness)


#: Largest Delta at which each condition holds, L = rho = 1.
TABLE = {
    1: (5.6e-8, 9.4e-11, 2.0e-13, 9.8e-4),
    10: (1.8e-8, 1.8e-11, 5.8e-14, 3.1e-4),
    100: (5.6e-9, 3.7e-12, 1.7e-14, 9.8e-5),
}


@pytest.mark.parametrize("d", TABLE)
def test_theorem_3_says_something_only_at_tiny_inexactness(d):
    def at(inexactness):
        return quiet(Theorem3, d, inexactness, 1.0, 1.0, excess=1e9)

    measured = (
        largest(lambda x: "T_th < 1" not in names(at(x))),
        largest(lambda x: "gamma > L" not in names(at(x))),
        largest(lambda x: bound_3(d, x) <= 1),
        largest(lambda x: "R <= r" not in names(at(x))),
    )
    for value, printed in zip(measured, TABLE[d], strict=True):
        assert float(f"{value:.1e}") == printed


@given(
    d=st.integers(1, 10**6),
    L=st.floats(1e-6, 1e6),
    rho=st.floats(1e-12, 1e6),
    log=st.floats(-16, 0),
)
def test_T_th_and_R_ask_for_an_inexactness_that_no_constants_can_lift(d, L, rho, log):
    inexactness = 10**log
    vacuous = names(quiet(Theorem3, d, inexactness, L, rho, excess=1.0))
    if inexactness > 3.1e-7 / math.sqrt(d):
        assert "T_th < 1" in vacuous
    if inexactness > 4**-5 / math.sqrt(d) * (1 + 1e-9):
        assert "R <= r" in vacuous
    if inexactness < 4**-5 / math.sqrt(d) * (1 - 1e-9):
        assert "R <= r" not in vacuous


@pytest.mark.parametrize("d", [1, 100])
def test_T_th_reaches_1_at_3e_7_over_root_d_for_the_best_constants(d):
    def holds(x):
        return "T_th < 1" not in names(quiet(Theorem3, d, x, 1.0, 1e-16, 1.0))

    assert largest(holds) * math.sqrt(d) == pytest.approx(3.0e-7, rel=0.03)


def test_theorem_3_is_printed_as_in_the_paper():
    # Delta = 1e-5, d = 1, L = rho = 1: Delta^(2/5) = .01, Delta^(3/5) = .001.
    schedule = quiet(Theorem3, 1, 1e-5, 1.0, 1.0, excess=1.0, delta=0.1)
    assert (schedule.step, schedule.epsilon) == (1.0, pytest.approx(3e-5))
    assert (schedule.r, schedule.R) == (pytest.approx(0.004), pytest.approx(0.01))
    Q = math.ceil(2 * math.log(1 / (48 * 0.1 * (1e-6 + 1e-7))))
    assert (schedule.Q, schedule.T_th) == (Q, 1)  # 1 / (768 * .011) = .118, raised
    assert schedule.curvature == pytest.approx(768 * 2 * 0.011 * math.log(28, 9 / 4), rel=1e-9)


def test_theorem_3_holds_below_the_threshold_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule = Theorem3(1, 9e-11, 1.0, 1.0, excess=1.0)
    assert (schedule.theorem, schedule.vacuous) == ("Theorem 3", ())
    assert schedule.T_th > 1


def test_the_warning_names_what_is_vacuous_and_the_largest_inexactness():
    with pytest.warns(VacuousScheduleWarning) as caught:
        schedule = Theorem3(1, 1e-2, 1.0, 1.0, excess=1e-6)
    text = str(caught[0].message)
    assert schedule.theorem == ""
    assert names(schedule) == {"T_th < 1", "R <= r", "Q <= 0", "gamma > L"}
    assert all(phrase in text for phrase in schedule.vacuous)
    # 9.4e-11 is where gamma reaches L, and Q > 0 holds there.
    assert text.endswith("9.4e-11")


def test_only_the_violated_conditions_are_named():
    with pytest.warns(VacuousScheduleWarning):
        schedule = Theorem3(1, 1e-9, 1.0, 1.0, excess=1.0)
    assert names(schedule) == {"gamma > L"}


def test_theorem_3_is_not_scale_equivariant():
    # F -> 1000 F changes no length, yet r moves by 1000^(3/5 - 1/2) = 2.0.
    plain = quiet(Theorem3, 2, 1e-5, 1.0, 1.0, excess=1.0)
    scaled = quiet(Theorem3, 2, 1e-2, 1e3, 1e3, excess=1e3)
    assert scaled.r / plain.r == pytest.approx(1000**0.1)


@given(scale=st.floats(1e-3, 1e3), d=st.integers(1, 500), eta_gamma=st.floats(1e-3, 1.0))
def test_the_practical_schedule_is_scale_equivariant(scale, d, eta_gamma):
    plain = HeuristicSchedule(d, 0.01, eta_gamma, 1.0)
    scaled = HeuristicSchedule(d, 0.01 * scale, eta_gamma * scale, 1.0 / scale)
    assert (scaled.r, scaled.R) == (pytest.approx(plain.r), pytest.approx(plain.R))
    assert scaled.Q == plain.Q
    assert abs(scaled.T_th - plain.T_th) <= 1  # rounding of the ceiling


@given(d=st.integers(1, 500), eta_gamma=st.floats(1e-3, 1.0))
def test_the_practical_schedule_is_the_fixed_point(d, eta_gamma):
    delta = 0.01
    found = HeuristicSchedule(d, delta, eta_gamma, 1.0)
    s = delta / eta_gamma
    assert found.r == pytest.approx(4 * math.sqrt(d) * s)
    assert math.isclose(found.R, 1.5 * found.r + 2 * found.T_th * delta)
    growth = 1.2 * math.log(found.R / (0.25 * s)) / math.log(1 + eta_gamma)
    assert found.T_th == pytest.approx(math.ceil(growth), abs=1)


def test_the_adversary_alone_cannot_walk_R():
    # w' moves by at most eta Delta a step where F is flat.
    schedule = HeuristicSchedule(10, 0.1, 0.5, 0.7)
    assert 0.7 * 0.1 * schedule.T_th < schedule.R


@pytest.mark.parametrize(("radius", "Q"), [(2.0, 4), (4.0, 2), (8.0, 2), (16.0, 1)])
def test_more_rounds_make_up_for_a_smaller_radius(radius, Q):
    # erf(1 / (c sqrt 2)) = .383, .197, .099, .050 to the power Q must fall to .05.
    assert HeuristicSchedule(1, 1.0, 1.0, 1.0, r=radius).Q == Q


def test_overrides_are_taken_as_given():
    schedule = HeuristicSchedule(2, 0.1, 0.5, 0.5, r=0.3, R=0.7, Q=5, T_th=11)
    assert (schedule.r, schedule.R, schedule.Q, schedule.T_th) == (0.3, 0.7, 5, 11)


def test_theorem_4_is_printed_as_in_the_paper():
    schedule = quiet(Theorem4, 4, 1e-4, 1.0, 1.0, excess=2.0, delta=0.1)
    assert (schedule.step, schedule.Q, schedule.r) == (1.0, 1, 1e-4)
    assert math.isclose(schedule.R, 0.01)
    assert schedule.T_th == math.ceil(1 / (12 * 0.0101))
    assert schedule.curvature == pytest.approx(0.6 * math.log(8 * 2 * 2 / (0.1 * 1e-8)))
    assert names(schedule) == {"gamma > L"}


def test_theorem_4_holds_at_small_epsilon_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Theorem4(4, 1e-8, 1.0, 1.0, excess=1.0).theorem == "Theorem 4"


def test_what_a_theorem_does_not_cover_is_refused():
    with pytest.raises(OptionError, match="Delta <= 1"):
        Theorem3(1, 2.0, 1.0, 1.0, 1.0)
    with pytest.raises(OptionError, match="epsilon < 1"):
        Theorem4(1, 2.0, 1.0, 1.0, 1.0)
    with pytest.raises(OptionError, match="inexactness"):
        HeuristicSchedule(1, math.inf, 1.0, 1.0)
    with pytest.raises(OptionError, match="delta"):
        quiet(Theorem3, 1, 0.1, 1.0, 1.0, 1.0, delta=1.0)
    with pytest.raises(OptionError, match="T_th"):
        Schedule(step=1.0, epsilon=0.0, r=1.0, R=1.0, Q=1, T_th=0)
