"""What a certificate asks, what it costs, and what it keeps when a round fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.arrays import Vector
from saddleproof.certificate import Budget
from saddleproof.errors import FleetError, OptionError
from saddleproof.fleets.base import DEAD, LATE, Announcement, Messages
from saddleproof.questions import Curvatures, Gradients, LeastCurvature, Question

M, B = 20, 6


class Bowls:
    """Worker i's loss is |A_i^(1/2) w|^2 / 2 + t_i'w; products are counted."""

    def __init__(self, d: int) -> None:
        self.d, self.spent = d, 0

    def value(self, w: Vector, data: tuple[Vector, Vector]) -> float:
        return float(data[0] @ w**2 / 2 + data[1] @ w)

    def gradient(self, points: Vector, data: tuple[Vector, Vector]) -> Vector:
        return points * data[0] + data[1]

    def product(self, _: Vector, v: Vector, data: tuple[Vector, Vector]) -> Vector:
        self.spent += 1
        return data[0] * v


class Watched:
    """A fleet whose rounds are seen, and in some of which some workers fail."""

    def __init__(self, fleet: Any, faults: Mapping[int, Mapping[int, str]] | None = None) -> None:
        self.fleet, self.faults = fleet, faults or {}
        self.workers, self.questions = fleet.workers, fleet.questions
        self.asked: list[type] = []
        self.rounds: list[int] = []

    def announce(self, announcement: Announcement) -> None:
        self.fleet.announce(announcement)

    def round(self, points: Vector, *, round_id: int, timeout: float | None = None) -> Messages:
        return self._broken(self.fleet.round(points, round_id=round_id), Gradients, round_id)

    def ask(self, question: Question, *, round_id: int, timeout: float | None = None) -> Messages:
        return self._broken(self.fleet.ask(question, round_id=round_id), type(question), round_id)

    def close(self) -> None: ...

    def _broken(self, messages: Messages, kind: type, round_id: int) -> Messages:
        faults = self.faults.get(len(self.asked), {})
        self.asked.append(kind)
        self.rounds.append(round_id)
        status, answers = list(messages.status), [np.array(x) for x in messages.answers]
        for worker, fault in faults.items():
            if fault == "nan":
                answers[worker][...] = np.nan
            else:
                status[worker] = fault
        if kind is Gradients:
            return replace(messages, values=np.stack(answers, axis=1), status=tuple(status))
        return replace(messages, values=answers, status=tuple(status))


def fleet(d: int, faults: Mapping[int, Mapping[int, str]] | None = None, low: float = 0.5) -> Any:
    generator = np.random.default_rng(0)
    shards = [
        (np.linspace(low, 2, d) + 0.01 * generator.standard_normal(d), np.zeros(d))
        for _ in range(M)
    ]
    return Watched(sp.LocalFleet(sp.Problem(Bowls(d), shards)), faults)


def spent(watched: Watched) -> int:
    """The most products of one worker."""
    return int(watched.fleet.problem.loss.spent) // M


@pytest.mark.parametrize("d", [2, 40, 300])
def test_three_rounds_prove_a_minimum_within_the_budget(d: int) -> None:
    watched = fleet(d)
    found = sp.certify(watched, np.zeros(d), sp.Median(), B, round_id=7, seed=0)
    assert found.level == "proved", str(found)
    assert watched.asked == [Gradients, LeastCurvature, Curvatures]
    assert watched.rounds == [7, 8, 9]
    assert found.rounds == 3
    # One more is spent on the comparison with the gradient, each time.
    assert spent(watched) <= found.products + 2 <= Budget().products + 2
    assert found.risk == (0 if d <= 15 else pytest.approx(found.risk))
    assert found.risk <= 0.05


def test_a_budget_is_kept_and_a_small_one_says_less() -> None:
    lows = []
    for products in (14, 24, 60, 120):
        watched = fleet(300)
        found = sp.certify(watched, np.zeros(300), sp.Median(), B, budget=Budget(products), seed=0)
        assert found.products <= products
        assert spent(watched) <= products + 2
        lows.append(found.curvature.low)
    assert sorted(lows) == lows
    assert lows[-1] > lows[0]


@pytest.mark.parametrize("products", [12, 60, 61, 200])
@pytest.mark.parametrize(("m", "b"), [(3, 0), (20, 6), (200, 99)])
def test_a_quarter_of_the_budget_suffices_for_certainty(products: int, m: int, b: int) -> None:
    steps, rated = Budget(products).split(m, b)
    assert steps >= products // 4
    assert rated >= 1
    assert steps + rated + 6 <= products


def test_few_parameters_and_an_open_bracket_cost_a_fourth_round() -> None:
    watched = fleet(3, low=0.002)
    found = sp.certify(watched, np.zeros(3), sp.Median(), B, tolerance=1e-9)
    assert watched.asked[3:] == [Curvatures]
    assert found.rounds == 4
    assert found.method in ("entries", "spread of Hessians", "worker eigenvalues")


def test_the_whole_hessian_is_asked_for_when_it_is_wanted() -> None:
    found = sp.certify(fleet(5), np.zeros(5), sp.Median(), B, hessian="whole")
    assert (found.level, found.rounds) == ("proved", 4)


def test_no_hessian_is_asked_for_when_it_is_not_wanted() -> None:
    watched = fleet(2)
    found = sp.certify(watched, np.zeros(2), sp.Median(), B, hessian="none")
    assert watched.asked == [Gradients]
    assert found.curvature.low == -np.inf
    assert found.gradient_bound < 0.1
    assert "nothing is known of the Hessian" in found.reason


# -------------------------------------------------------------------------------------- failures


def test_late_dead_and_lying_workers_leave_the_proof_standing() -> None:
    faults = {0: {0: LATE, 1: DEAD, 2: "nan"}, 1: {0: LATE, 1: DEAD, 3: "nan"}, 2: {4: LATE}}
    found = sp.certify(fleet(40, faults), np.zeros(40), sp.Median(), B, seed=0)
    assert found.level == "proved", str(found)
    assert (found.workers, found.b) == (M - 5, B - 2)


@pytest.mark.parametrize("broken", [1, 2])
def test_a_failed_round_leaves_the_bound_of_the_gradient(broken: int) -> None:
    watched = fleet(40, {broken: dict.fromkeys(range(12), DEAD)})
    found = sp.certify(watched, np.zeros(40), sp.Median(), B)
    assert found.level == "open"
    assert found.gradient_bound < 0.1
    assert "8 usable messages" in found.reason
    assert found.rounds == broken


def test_a_failed_fourth_round_leaves_the_certificate_of_three() -> None:
    options: dict[str, Any] = {"seed": 0, "hessian": "whole"}
    kept = sp.certify(
        fleet(3, {3: dict.fromkeys(range(12), LATE)}), np.zeros(3), sp.Median(), B, **options
    )
    assert kept.level == "proved"
    assert kept.rounds == 3
    assert "the next round failed" in kept.reason


@pytest.mark.parametrize("silent", [6, 7])
def test_other_silent_workers_in_every_round_leave_nobody_to_speak_of(silent: int) -> None:
    """Each round is heard by enough; hardly anybody is heard in all of them."""
    faults = {n: dict.fromkeys(range(n * silent, min((n + 1) * silent, M)), LATE) for n in range(3)}
    found = sp.certify(fleet(3, faults, low=0.002), np.zeros(3), sp.Median(), B)
    assert found.level == "open"
    assert "were heard in every round, and 6 of them may lie" in found.reason


def test_more_bad_workers_than_b_leave_nothing() -> None:
    watched = fleet(3, {3: dict.fromkeys(range(B + 1), "nan")})
    found = sp.certify(watched, np.zeros(3), sp.Median(), B, hessian="whole")
    assert found.level == "open"
    assert "proved bad" in found.reason
    assert found.curvature.low == -np.inf


def test_too_few_workers_are_a_verdict_and_no_exception() -> None:
    watched = fleet(2, {0: dict.fromkeys(range(12), DEAD)})
    found = sp.certify(watched, np.zeros(2), sp.Median(), B)
    assert found.level == "open"
    assert "8 usable messages" in found.reason


def test_an_overflowing_point_is_open() -> None:
    with np.errstate(over="ignore"):
        found = sp.certify(fleet(2), np.full(2, 1.7e308), sp.Median(), B)
    assert found.level == "open"
    assert "overflows" in found.reason


def test_every_step_is_told() -> None:
    told: list[tuple[int, int]] = []
    sp.certify(
        fleet(300), np.zeros(300), sp.Median(), B, seed=0,
        progress=lambda done, whole: told.append((done, whole)),
    )  # fmt: skip
    assert told
    assert told[0][0] == 1


def test_a_product_that_is_not_the_derivative_of_the_gradient_is_refused() -> None:
    class Wrong(Bowls):
        def product(self, _: Vector, v: Vector, data: tuple[Vector, Vector]) -> Vector:
            return np.abs(data[0]) * v

    shards = [(np.array([-1.0, 2.0]), np.zeros(2))] * 7
    wrong = sp.LocalFleet(sp.Problem(Wrong(2), shards))
    with pytest.raises(FleetError, match="not the derivative of its gradient"):
        sp.certify(wrong, np.zeros(2), sp.Median(), 2)


@pytest.mark.parametrize(
    "options",
    [
        {"rho": 0.0}, {"delta": -1.0}, {"hessian": "half"}, {"tolerance": -1.0},
        {"gradient_tolerance": np.nan},
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        sp.certify(fleet(1), np.zeros(1), sp.Median(), B, **options)


@pytest.mark.parametrize("options", [(11,), (60, 0.0), (60, 1.0, 0.0), (60, 1.0, 1.0)])
def test_budgets_that_cannot_work_are_refused(options: tuple[Any, ...]) -> None:
    with pytest.raises(OptionError):
        Budget(*options)
