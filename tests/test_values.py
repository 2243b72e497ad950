"""Losses on their way from the workers to an optimizer: asked for, lied about, admitted, read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof import oracle
from saddleproof.errors import OptionError
from saddleproof.fleets.base import Announcement, Messages
from saddleproof.optimizers.baselines.value_pgd import ValuePGD

Q, M, D = 2, 7, 3
ROSTER = tuple(f"w{i}" for i in range(M))
POINTS = np.zeros((Q, D))
PROBLEM = sp.problems.Example2(seed=0)


def read(losses: Any, b: int = 2, values: Any = None) -> oracle.MessageReading:
    values = np.zeros((Q, M, D)) if values is None else values
    messages = Messages(values, ("ok",) * M, losses=losses)
    return oracle.read(messages, sp.Median(), b, points=POINTS, workers=ROSTER)


def rows() -> list[Any]:
    losses = np.random.default_rng(0).standard_normal((Q, M))
    return [losses[:, i].copy() for i in range(M)]


def test_a_value_is_the_median_over_the_workers() -> None:
    losses = np.stack(rows(), axis=1)
    np.testing.assert_array_equal(read(losses).values.mid, np.median(losses, axis=1))


@given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=2))
def test_fewer_than_a_third_cannot_move_a_value_out_of_the_honest_range(lies: list[float]) -> None:
    losses = np.stack(rows(), axis=1)
    losses[0, :2] = lies
    found, honest = read(losses).values.mid[0], losses[0, 2:]
    assert honest.min() <= found <= honest.max()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (np.zeros(Q + 1), "loss: wrong shape (3,), not (2,)"),
        (np.zeros((Q, 1)), "loss: wrong shape (2, 1), not (2,)"),
        (np.zeros(Q, dtype=np.float32), "loss: wrong dtype float32, not float64"),
        (None, "loss: no array but NoneType"),
        (0.0, "loss: no array but float"),
        (np.array([0.0, np.nan]), "NaN or Inf"),
        (np.array([np.inf, 0.0]), "NaN or Inf"),
    ],
)
def test_a_loss_that_cannot_be_one_proves_its_worker_bad(payload: Any, reason: str) -> None:
    losses = rows()
    losses[3] = payload
    reading = read(losses)
    assert reading.verdicts.charged == {"w3": reason}
    assert reading.b == 1
    assert reading.losses is not None
    assert reading.losses.shape == (Q, M - 1)
    assert reading.stack.shape == (Q, M - 1, D)


def test_a_point_at_which_more_than_b_losses_overflow_is_void_and_nobody_is_charged() -> None:
    losses = np.stack(rows(), axis=1)
    losses[1, :3] = np.inf
    reading = read(losses)
    assert reading.verdicts.charged == {}
    assert list(reading.void) == [False, True]
    assert np.isnan(reading.values.mid[1])
    assert reading.values.high[1] == np.inf
    assert np.isfinite(reading.values.mid[0])


def test_values_that_nobody_asked_for_are_an_error() -> None:
    with pytest.raises(OptionError, match="needs_values"):
        _ = read(None).values


@pytest.mark.parametrize(
    ("optimizer", "sent"), [(ValuePGD(0.5), True), (sp.optimizers.PGD(), False)]
)
def test_workers_send_losses_only_to_an_optimizer_that_needs_them(
    optimizer: Any, sent: bool
) -> None:
    fleet = sp.LocalFleet(PROBLEM)
    fleet.announce(Announcement(sp.Median().estimates, 0, optimizer))
    points = np.stack([PROBLEM.start, PROBLEM.minimum])
    heard = fleet.round(points, round_id=0)
    assert (heard.losses is not None) == sent
    if sent:
        np.testing.assert_array_equal(heard.losses, [PROBLEM.values(w) for w in points])


class Values:
    """An optimizer's options, as far as an announcement goes."""

    needs_values = True


@dataclass(frozen=True)
class Honest:
    """Members that send their own gradient."""

    def __call__(self, view: Any) -> np.ndarray:
        own: np.ndarray = view.messages[:, view.members, :]
        return own


@dataclass(frozen=True)
class Denier(Honest):
    """Honest gradients; but the loss is said to be high at every point but the saddle."""

    def losses(self, view: Any) -> np.ndarray:
        high = np.linalg.norm(view.points - view.problem.saddle, axis=1) > 0.02
        lies: np.ndarray = np.where(high, 1e6, -1e6)[:, None] * np.ones(len(view.members))
        return lies


def heard_from(attack: Any) -> tuple[np.ndarray, Messages]:
    fleet = sp.Coalition(sp.LocalFleet(PROBLEM), attack, range(6))
    fleet.announce(Announcement(sp.Median().estimates, 6, Values()))
    points = np.stack([PROBLEM.saddle, PROBLEM.minimum])
    truth = np.array([PROBLEM.values(w) for w in points])
    return truth, fleet.round(points, round_id=0)


def test_liars_without_a_lie_about_losses_tell_the_truth_about_them() -> None:
    truth, heard = heard_from(sp.SaddleAttack(PROBLEM.saddle))
    np.testing.assert_array_equal(np.stack(heard.loss_answers or [], axis=1), truth)


def test_an_attack_may_lie_about_losses_of_its_members_alone() -> None:
    truth, heard = heard_from(Denier())
    told = np.stack(heard.loss_answers or [], axis=1)
    np.testing.assert_array_equal(told[:, 6:], truth[:, 6:])
    np.testing.assert_array_equal(told[:, :6], np.outer([-1e6, 1e6], np.ones(6)))


def test_liars_who_touch_values_alone_make_the_value_test_return_a_saddle() -> None:
    # Gradients are honest throughout: only the test of the function value is attacked, and the
    # spread of the workers' losses is what the median can be moved by.
    class Offset(sp.problems.Example2):
        def values(self, w: np.ndarray) -> np.ndarray:
            offsets: np.ndarray = super().values(w) + np.linspace(-1, 1, self.m)
            return offsets

    problem = Offset(seed=0)
    optimizer = ValuePGD(1 / problem.smoothness, epsilon=1e-2)
    outcomes = {}
    for attack in (Honest(), Denier()):
        fleet = sp.Coalition(sp.LocalFleet(problem), attack, range(6))
        run = sp.minimize(fleet, optimizer, b=6, w0=problem.start, seed=0, max_rounds=500)
        outcomes[type(attack)] = run.status, problem.left_saddle(run.w)
    # The certificate asks for curvatures, about which nobody lies here.
    assert outcomes == {Honest: ("second_order", True), Denier: ("saddle", False)}


def test_a_fleet_without_losses_is_refused_by_an_optimizer_that_needs_them() -> None:
    class Gradients:
        m, start = 5, np.ones(2)

        def gradients(self, points: np.ndarray) -> np.ndarray:
            return np.repeat(points[:, None], 5, axis=1)

    with pytest.raises(OptionError, match="sent no losses"):
        sp.minimize(Gradients(), ValuePGD(0.5), b=1)


def test_per_worker_agrees_with_combination_where_the_function_is_linear() -> None:
    values = np.random.default_rng(1).standard_normal((Q, M, D))
    reading = read(None, values=values)
    c = np.array([[2.0, -1.0]])
    mapped, combined = reading.per_worker(lambda g: c[0] @ g), reading.combination(c)
    np.testing.assert_allclose(mapped.vector, combined.vector)
    np.testing.assert_allclose(mapped.inexactness, combined.inexactness)


def test_a_worker_whose_function_overflows_is_one_more_outlier() -> None:
    values = np.random.default_rng(1).standard_normal((Q, M, D))
    values[:, 0] = 1e200
    found = read(None, values=values).per_worker(lambda g: (g**2).sum(axis=0)).vector
    honest = (values[:, 1:] ** 2).sum(axis=0)
    assert (found >= honest.min(axis=0)).all()
    assert (found <= honest.max(axis=0)).all()


def test_a_rule_sees_finite_rows_only() -> None:
    class Strict(sp.Median):
        def estimates(self, stack: Any, b: int) -> sp.Estimate:
            assert np.isfinite(stack).all()
            return super().estimates(stack, b)

    messages = Messages(np.ones((Q, M, D)) * 1e200, ("ok",) * M)
    reading = oracle.read(messages, Strict(), 2, points=POINTS, workers=ROSTER)
    reading.per_worker(lambda g: g[0] ** 2 - g[1] ** 2)  # inf - inf
