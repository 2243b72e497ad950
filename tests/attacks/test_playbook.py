"""A plan for each kind of round: roles of points, messages, Playbook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.attacks import Playbook, SaddleAttack
from saddleproof.attacks.playbook import ROLES
from saddleproof.attacks.playbook_messages import MESSAGES, PointsOfRole
from saddleproof.attacks.roles import integrates, roles
from saddleproof.errors import OptionError
from saddleproof.problems.table import PROBLEMS
from saddleproof.testing import QuarticSaddle, check_attack

MakeView = Callable[..., Any]
Told = Callable[..., np.ndarray]
#: What the phases of the gradient-only default look like from outside.
LOOKS = {"first": "descent", "probe": "probe", "survey": "probe", "descend": "descent",
         "waiting": "descent", "compare": "test"}  # fmt: skip


@pytest.mark.parametrize("name", ["example2", "tensor", "unequal_hessians"])
def test_the_phases_of_the_gradient_only_default_are_told_apart_by_their_points(
    name: str,
) -> None:
    problem = PROBLEMS[name](seed=1)
    optimizer = sp.GradientOnlyPGD()
    asked: list[tuple[str, str]] = []

    class Watched(sp.LocalFleet):
        def round(self, points: Any, **other: Any) -> Any:
            last.append(points)
            return super().round(points, **other)

    last: list[Any] = []
    states = [optimizer.init(problem.start, seed=0, max_rounds=150)]

    def note(progress: Any) -> None:
        before = states[-1]
        tests = before.phase == "escape" and before.escape.tests
        asked.append((LOOKS.get(before.phase, "test" if tests else "escape"), roles(last[-1])[-1]))
        states.append(progress.state)

    sp.minimize(Watched(problem), optimizer, b=6, seed=0, max_rounds=150, callback=note)
    assert {true for true, _ in asked} == {"descent", "probe", "escape", "test"}
    wrong = [pair for pair in asked if pair[0] != pair[1]]
    assert len(wrong) <= 1, wrong  # a comparison of points that coincide is none


def test_where_the_run_stands_is_descent_in_every_round() -> None:
    points = np.random.default_rng(0).standard_normal((30, 3))
    assert roles(points).tolist() == ["descent"] * 2 + ["probe"] * 28
    assert set(roles(points[:10])[2:]) == {"escape"}
    assert set(roles(points[:3])) == {"descent"}


def test_starts_that_mirror_each_other_on_one_line_are_no_quadrature() -> None:
    e, anchor = np.array([1.0, 2.0, -1.0]), np.ones((3, 3))
    starts = np.outer([1.0, -1.0, 0.3, -0.3, 0.05, -0.05], e)
    assert set(roles(np.concatenate([anchor, anchor[0] + starts]))[2:]) == {"escape"}


def test_two_segments_are_a_quadrature_and_one_is_none() -> None:
    ends = np.random.default_rng(0).standard_normal((2, 2, 3))
    one, two = (a + np.outer([0.0, 0.2, 0.8, 1.0], b - a) for a, b in ends)
    assert integrates(np.concatenate([one, two]))
    assert not integrates(one)
    assert not integrates(np.concatenate([one, two[[0, 1, 3]]]))


def test_each_role_plays_its_own_trick(make_view: MakeView) -> None:
    rng = np.random.default_rng(0)
    start, *ends = rng.standard_normal((3, 5))
    segments = [start + f * (end - start) for end in ends for f in (0.2, 0.5, 0.8, 1.0)]
    view = make_view(
        points=np.stack([start, start, *segments]), messages=rng.standard_normal((10, 11, 5))
    )
    lies = Playbook("flat", "random", "random", "edge_no")(view)
    np.testing.assert_array_equal(lies[1], view.own[0])
    for q in range(2, 10):
        said = view.honest[q] @ (view.points[q] - start)
        np.testing.assert_array_equal(lies[q, 0], view.honest[q, said.argmax()])


def points(view: Any, size: float = 1.0) -> PointsOfRole:
    return PointsOfRole(view, view.points[0], view.own[0], size)


@pytest.mark.parametrize("message", MESSAGES)
def test_every_trick_is_finite_and_has_the_members_shape(make_view: MakeView, message: str) -> None:
    problem = QuarticSaddle(d=5)
    for size in (1e-3, 1.0, 1e6):
        lies = MESSAGES[message](points(make_view(problem=problem), size))
        assert lies.shape == (3, 3, 5)
        assert np.isfinite(lies).all()


def test_votes_say_that_the_loss_grows_or_falls_away_from_here(make_view: MakeView) -> None:
    view = make_view(problem=QuarticSaddle(d=5))
    away = (view.points - view.points[0])[1:, None, :]
    slope = {
        name: (MESSAGES[name](points(view, 1e6))[1:] * away).sum(axis=2)
        for name in ("vote_no", "vote_yes", "grow", "fall")
    }
    for says_no, says_yes in (("vote_no", "vote_yes"), ("grow", "fall")):
        assert (slope[says_no] > 0).all()
        assert (slope[says_yes] < 0).all()


def test_flat_hides_all_curvature_and_hide_the_way_out_alone(make_view: MakeView) -> None:
    problem = QuarticSaddle(d=5)
    view = make_view(problem=problem)
    flat = MESSAGES["flat"](points(view))
    np.testing.assert_array_equal(flat - flat[:1], 0)
    added = MESSAGES["hide"](points(view, 2.0)) - view.own
    away = view.points - view.points[0]
    expected = 2.0 * problem.smoothness * away * problem.escape_direction
    np.testing.assert_allclose(added, np.repeat(expected[:, None], 3, axis=1), atol=1e-12)


def test_pin_makes_the_way_out_a_valley(make_view: MakeView, told: Told) -> None:
    problem = QuarticSaddle(d=5)
    view = make_view(sp.Mean(), problem=problem)
    read = told(view, MESSAGES["pin"](points(view, 3.0)))
    np.testing.assert_allclose(read[:, 0], 3.0 * problem.smoothness * view.points[:, 0], atol=1e-9)
    np.testing.assert_allclose(read[:, 1:], view.honest_mean[:, 1:], atol=1e-9)


def test_hold_is_the_saddle_attacks_hold(make_view: MakeView) -> None:
    view = make_view(problem=QuarticSaddle(d=5))
    np.testing.assert_array_equal(
        Playbook("hold", "hold", "hold", "hold")(view), SaddleAttack(style="hold")(view)
    )


def test_lies_about_losses_bend_every_decrease(make_view: MakeView) -> None:
    losses = np.random.default_rng(0).standard_normal((3, 11))
    view = make_view(losses=losses)
    honest = np.delete(losses, view.members, axis=1)
    no, yes = Playbook(loss="no").losses(view), Playbook(loss="yes").losses(view)
    np.testing.assert_array_equal(no[0], losses[0, view.members])
    np.testing.assert_array_equal(no[1:], np.tile(honest[1:].max(axis=1)[:, None], 3))
    np.testing.assert_array_equal(yes[1:], np.tile(honest[1:].min(axis=1)[:, None], 3))
    np.testing.assert_array_equal(Playbook().losses(view), losses[:, view.members])


@pytest.mark.parametrize("size", [1.0, 1e6])
def test_playbooks_pass_the_suite(size: float) -> None:
    check_attack(Playbook(size=size))
    check_attack(Playbook("sway", "inflate", "random", "fall", size, loss="no"))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Playbook(descent="shout"), "descent must be one of honest, hold"),
        (lambda: Playbook(size=0.0), "positive and finite"),
        (lambda: Playbook(loss="maybe"), "honest, no, yes; got 'maybe'"),
    ],
)
def test_misuse_says_what_is_needed(make: Callable[[], object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        make()


def test_the_roles_are_options_of_the_playbook() -> None:
    assert set(ROLES) == {"descent", "probe", "escape", "test"}
    assert replace(Playbook(), **dict.fromkeys(ROLES, "honest")).descent == "honest"
