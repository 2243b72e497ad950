"""Layers without a right second derivative, and what is asked in their place."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from product_cases import (
    MODULES,
    Case,
    build,
    by_double_backward,
    points,
    sequences,
    vectors,
)
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy

import saddleproof as sp
from saddleproof.questions import Changes, Curvatures, LeastCurvature
from saddleproof.torch import TorchProblem
from saddleproof.torch.facts import APART, NEVER, TOGETHER
from saddleproof.torch.loss import ModuleLoss


class Last(nn.Module):
    """What a recurrent layer says in the end."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.out = layer, nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(x)[0][:, -1])


def test_a_loop_multiplies_where_vmap_cannot() -> None:
    case = (lambda: Last(nn.GRU(6, 3, batch_first=True)), sequences)
    with pytest.warns(RuntimeWarning, match="using a loop"):
        problem = build(case, (5, 5))
    assert problem.judge.facts.second == APART
    w, v = points(problem)
    np.testing.assert_allclose(
        problem.products(w, v), by_double_backward(problem, w, v), atol=1e-12
    )


class Native(nn.Module):
    """A layer norm under another name, whose second derivative PyTorch 2.13 takes wrongly there."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.norm, self.out = nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        norm = self.norm
        h = torch.native_layer_norm(self.into(x), (5,), norm.weight, norm.bias, norm.eps)[0]
        return self.out(torch.tanh(h))


def test_products_are_right_where_vmap_would_have_a_wrong_second_derivative() -> None:
    problem = build((Native, vectors))
    assert not problem.judge.facts.looped
    w, v = points(problem)
    expected = by_double_backward(problem, w, v)
    np.testing.assert_allclose(problem.products(w, v), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("case", "second"), [(MODULES["tanh"], TOGETHER), ((Native, vectors), APART)]
)
def test_vmap_is_used_where_it_is_right_and_nowhere_else(
    case: Case, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, asked = build(case), []
    graph = ModuleLoss.graph

    def noted(self: ModuleLoss, *args: Any, together: bool) -> Any:
        asked.append(together)
        return graph(self, *args, together=together)

    monkeypatch.setattr(ModuleLoss, "graph", noted)
    problem.products(*points(problem))
    assert problem.judge.facts.second == second
    assert set(asked) == {second == TOGETHER}


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    @once_differentiable
    def backward(ctx, slope):  # type: ignore[no-untyped-def]
        return slope * ctx.saved_tensors[0].cos()


class _Forgetful(torch.autograd.Function):
    """A second derivative that autograd would believe to be zero."""

    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        ctx.cos = x.detach().cos()
        return x.sin()

    @staticmethod
    def backward(ctx, slope):  # type: ignore[no-untyped-def]
        return slope * ctx.cos


class Sine(nn.Module):
    def __init__(self, function: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.into, self.out, self.function = nn.Linear(6, 4), nn.Linear(4, 3), function

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.function.apply(self.into(x)))


@pytest.mark.parametrize("function", [_Once, _Forgetful])
def test_without_a_right_second_derivative_workers_take_differences(
    function: type[torch.autograd.Function],
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # vmap cannot either
        problem = build((lambda: Sine(function), vectors), (8, 8, 8))
    assert problem.judge.facts.second == NEVER
    assert problem.products is None
    assert problem.loss.product is None
    w, v = points(problem)
    unit = v[0, 0] / np.linalg.norm(v[0, 0])
    low, high = np.stack(sp.LocalFleet(problem).ask(Curvatures(w, unit[None]), round_id=0).answers)[
        :, :, 0
    ].T
    h = 1e-5
    ahead, behind = problem.gradients(w + h * np.stack([unit, -unit]))
    truth = ((ahead - behind) / (2 * h)) @ unit
    assert (low < truth + 1e-7).all()
    assert (truth < high + 1e-7).all()
    assert (high - low < 1e-4).all()
    assert np.isfinite(problem.hessian(w)).all()


def test_the_forgetful_layer_would_have_been_believed_without_a_comparison() -> None:
    loss = ModuleLoss(Sine(_Forgetful).double(), cross_entropy)
    data = (torch.randn(2, 8, 6).double(), torch.randint(0, 3, (2, 8)))
    w = torch.randn(loss.d).double()
    v = torch.randn(2, loss.d).double()
    loss.graph(w, data, together=False).along(v)  # no error


def test_dropout_is_judged_without() -> None:
    case = (lambda: nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.5), nn.Linear(9, 3)), vectors)
    problem = build(case, batch_size=3)
    w, v = points(problem)
    expected = by_double_backward(problem, w, v)
    np.testing.assert_allclose(problem.products(w, v), expected, atol=1e-12)
    alone = problem.loss.product(w, v[2, 0], problem.shards[2])
    np.testing.assert_allclose(alone, expected[2, 0], atol=1e-12)


def test_a_linear_loss_has_no_curvature() -> None:
    problem = TorchProblem(
        nn.Linear(6, 1).double(), lambda out, y: out.mean(), [(vectors(5), vectors(5))] * 2
    )
    w, v = points(problem)
    np.testing.assert_array_equal(problem.products(w, v), np.zeros_like(v))


def test_single_precision_shows_in_the_products() -> None:
    data = [(vectors(6), torch.randint(0, 3, (6,))) for _ in range(3)]
    problem = TorchProblem(MODULES["tanh"][0](), cross_entropy, data)
    w, v = points(problem)
    found = problem.products(w, v)
    assert (found == found.astype(np.float32)).all()
    w = w.astype(np.float32).astype(float)
    exact = by_double_backward(problem, w, v.astype(np.float32))
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-5)


def test_a_fleet_of_modules_answers_all_questions() -> None:
    problem = build(MODULES["tanh"])
    fleet = sp.LocalFleet(problem)
    w = problem.start
    hessians = np.stack(
        [problem.products(w, np.tile(e, (4, 1, 1)))[:, 0] for e in np.eye(problem.d)]
    )
    least = np.linalg.eigvalsh(np.moveaxis(hessians, 1, 0))[:, 0]
    answers = fleet.ask(LeastCurvature(w, steps=20, seed=0), round_id=0).answers
    for (low, ritz, *_), truth in zip(answers, least, strict=True):
        assert low <= truth <= ritz + 1e-12
        assert ritz - low < 0.1
    axis = np.eye(problem.d)[:1]
    told = np.stack(fleet.ask(Changes(w, axis, np.array([0.5])), round_id=0).answers)[:, 0, 0]
    change = problem.values(w + 0.5 * axis[0]) - problem.values(w)
    assert (told >= change).all()
    np.testing.assert_allclose(told, change, atol=1e-12)
