"""Lies in the data: label flip, random label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.attacks import AttackView, LabelFlip, RandomLabel
from saddleproof.attacks.labels import has_labels
from saddleproof.errors import OptionError
from saddleproof.testing import QuarticSaddle, check_attack

M, N, D, MEMBERS = 11, 12, 3, (1, 4, 9)


class Least:
    """(w'x - y)^2 / 2 over one worker's samples."""

    d = D

    def value(self, w: Any, data: Any) -> float:
        x, y = data
        return float(((x @ w - y) ** 2).mean() / 2)

    def gradient(self, points: Any, data: Any) -> Any:
        x, y = data
        return ((points @ x.T - y) @ x) / len(x)


class Whole(sp.Problem):
    """The same problem with all labels in one attribute."""

    def __init__(self, x: Any, y: Any) -> None:
        super().__init__(Least(), list(x), start=np.zeros(D))
        self.x, self.y = x, y

    def values(self, w: Any) -> Any:
        return ((self.x @ w - self.y) ** 2).mean(axis=1) / 2

    def _gradients(self, points: Any) -> Any:
        residual = np.einsum("qd,mnd->qmn", points, self.x) - self.y
        return np.einsum("qmn,mnd->qmd", residual, self.x) / N

    def values_at(self, points: Any) -> Any:
        return np.stack([self.values(w) for w in points])

    def products(self, w: Any, vectors: Any) -> Any:
        along = np.einsum("mpd,mnd->mpn", vectors, self.x)
        return np.einsum("mpn,mnd->mpd", along, self.x) / N


def data(labels: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((M, N, D)), rng.choice(labels, (M, N)).astype(float)


def paired(labels: Any) -> sp.Problem:
    x, y = data(labels)
    return sp.Problem(Least(), list(zip(x, y, strict=True)), start=np.zeros(D))


def view_of(problem: Any, **other: Any) -> AttackView:
    points = np.random.default_rng(1).standard_normal((2, D))
    known: dict[str, Any] = {
        "points": points,
        "messages": problem.gradients(points),
        "members": MEMBERS,
        "round_id": 0,
        "b": 3,
        "aggregate": lambda stack: np.median(stack, axis=1),
        "optimizer": None,
        "problem": problem,
    }
    return AttackView(**(known | other))


@pytest.mark.parametrize(
    ("labels", "flipped"), [([-1.0, 1.0], lambda y: -y), (range(10), lambda y: 9 - y)]
)
def test_flipped_labels_are_those_of_the_literature(labels: Any, flipped: Any) -> None:
    x, y = data(labels)
    problem = paired(labels)
    view = view_of(problem)
    lies = LabelFlip()(view)
    for at, i in enumerate(MEMBERS):
        expected = Least().gradient(view.points, (x[i], flipped(y[i])))
        np.testing.assert_allclose(lies[:, at], expected)


@pytest.mark.parametrize("attack", [LabelFlip(), RandomLabel(3)])
def test_labels_in_shards_and_in_an_attribute_are_the_same_attack(attack: Any) -> None:
    x, y = data([0, 1, 2])
    one, other = view_of(paired([0, 1, 2])), view_of(Whole(x, y))
    np.testing.assert_allclose(attack(one), attack(other))
    np.testing.assert_allclose(attack.losses(one), attack.losses(other))
    np.testing.assert_array_equal(other.problem.y, y)


def test_labels_in_a_mapping_are_found() -> None:
    class Named(Least):
        def gradient(self, points: Any, data: Any) -> Any:
            return super().gradient(points, (data["x"], data["y"]))

    x, y = data([0, 1])
    shards = [{"x": a, "y": b} for a, b in zip(x, y, strict=True)]
    problem = sp.Problem(Named(), shards, start=np.zeros(D))
    np.testing.assert_allclose(LabelFlip()(view_of(problem)), LabelFlip()(view_of(paired([0, 1]))))


def test_random_labels_are_drawn_once_and_from_those_that_there_are() -> None:
    seen: list[Any] = []

    class Spy(Least):
        def gradient(self, points: Any, data: Any) -> Any:
            seen.append(data[1])
            return super().gradient(points, data)

    problem = paired([2.0, 5.0, 7.0])
    problem.loss = Spy()
    view = view_of(problem, messages=np.zeros((2, M, D)))
    seen.clear()
    RandomLabel()(view)
    RandomLabel()(view)
    first, second = seen[:3], seen[3:]
    for y, again in zip(first, second, strict=True):
        np.testing.assert_array_equal(y, again)
        assert set(y) <= {2.0, 5.0, 7.0}
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(RandomLabel(1)(view), RandomLabel()(view))


def test_members_are_found_by_their_place_in_the_roster() -> None:
    problem = paired([0, 1])
    full = view_of(problem)
    heard = tuple(i for i in range(M) if i != 0)  # worker 0 is late: everybody moves up by one
    late = view_of(problem, messages=full.messages[:, heard], members=(0, 3, 8), workers=heard)
    np.testing.assert_array_equal(LabelFlip()(late), LabelFlip()(full))


@pytest.mark.parametrize("attack", [LabelFlip(), RandomLabel()])
def test_data_attacks_pass_the_suite_on_a_problem_with_labels(attack: Any) -> None:
    check_attack(attack, paired([-1, 1]))
    check_attack(attack, Whole(*data([-1, 1])))


def test_a_problem_of_the_library_can_be_poisoned() -> None:
    problem = sp.problems.RobustRegression(n=20, seed=1)
    assert has_labels(problem)
    fleet = sp.Coalition(sp.LocalFleet(problem), LabelFlip(), range(6))
    step = 1 / problem.smoothness
    result = sp.minimize(fleet, sp.GradientDescent(step=step), b=6, max_rounds=30, certify=False)
    assert problem.value(result.w) < problem.value(problem.start)


@pytest.mark.parametrize(
    "problem", [QuarticSaddle(), sp.problems.Example2(), sp.Problem(Least(), [1.0, 2.0])]
)
def test_a_problem_without_labels_is_refused(problem: Any) -> None:
    assert not has_labels(problem)
    view = replace(view_of(paired([0, 1])), problem=problem)
    with pytest.raises(OptionError, match=r"labels"):
        LabelFlip()(view)


def test_a_torch_module_can_be_poisoned() -> None:
    torch = pytest.importorskip("torch")
    from saddleproof.torch import TorchProblem

    x, y = data([0, 1, 2])
    shards = [
        (torch.tensor(a), torch.tensor(b, dtype=torch.int64)) for a, b in zip(x, y, strict=True)
    ]
    module = torch.nn.Linear(D, 3, dtype=torch.float64)
    problem = TorchProblem(module, torch.nn.functional.cross_entropy, shards)
    points = np.zeros((1, problem.d))
    view = replace(
        view_of(paired([0, 1])), problem=problem, points=points, messages=problem.gradients(points)
    )
    flipped = [(a, 2 - b) for a, b in shards]
    other = TorchProblem(module, torch.nn.functional.cross_entropy, flipped)
    np.testing.assert_allclose(
        LabelFlip()(view), other.gradients(points)[:, MEMBERS], rtol=1e-6, atol=1e-9
    )
