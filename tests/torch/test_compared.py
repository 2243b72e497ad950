"""Quick ways to differentiate are compared where a difference shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import Rows, check, network, rows, truth
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, relu
from torch.utils.checkpoint import checkpoint

from saddleproof.torch import TorchProblem
from saddleproof.torch.comparing import agree, points_of, uneven, used_once
from saddleproof.torch.loss import ModuleLoss


class ZeroHead(nn.Module):
    """The encoder's weight is used a second time, where no hook of its layer sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.head = nn.Linear(4, 4, bias=False), nn.Linear(4, 3, bias=False)
        nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(linear(torch.tanh(self.encode(x)), self.encode.weight.t()))


def test_ways_are_not_compared_where_both_give_zero() -> None:
    problem = TorchProblem(ZeroHead().double(), cross_entropy, rows())
    assert not problem.judge.facts.pooled
    check(problem)


def start_dead(net: Any) -> Any:
    nn.init.constant_(net[0].bias, -1e4)
    return net


def mixing(*layers: nn.Module) -> nn.Module:
    norm = nn.BatchNorm1d(5, affine=False, track_running_stats=False)
    return nn.Sequential(nn.Linear(4, 5), *layers, norm, nn.Linear(5, 3)).double()


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.head = nn.Linear(4, 4), nn.Linear(4, 3)
        nn.init.constant_(self.a.bias, -1e4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(relu(linear(relu(self.a(x)), self.a.weight)))


class Crowded(nn.Module):
    """Does another thing with more rows than one worker has."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x - x.mean(0) if len(x) > 25 else x)


def ignored(data: Rows) -> Rows:
    data[0][1][:8] = -100
    data[-1][1][:] = -100
    return data


def repeated(data: Rows) -> Rows:
    return [data[0], data[1], data[2], data[0]]


@pytest.mark.parametrize(
    ("build", "data"),
    [
        (lambda: start_dead(mixing(nn.ReLU())), rows),
        (lambda: Twice().double(), rows),
        (Crowded, rows),
        (mixing, lambda: repeated(rows())),
        (mixing, lambda: ignored(rows())),
    ],
    ids=["dead and mixing", "dead and twice", "crowded", "same rows", "no finite loss"],
)
@pytest.mark.filterwarnings("ignore:vmap cannot:RuntimeWarning")
def test_pooling_waits_for_a_comparison_that_shows_something(
    build: Callable[[], nn.Module], data: Callable[[], Rows]
) -> None:
    problem = TorchProblem(build(), cross_entropy, data())
    rng = np.random.default_rng(0)
    for scale in (1.0, 3.0):
        w = scale * rng.standard_normal(problem.d)
        np.testing.assert_allclose(
            problem.gradients(w[None])[0], truth(problem, cross_entropy, w), atol=1e-10
        )


class Again(nn.Module):
    """Computes its hidden layer a second time on the way back."""

    def __init__(self, *last: nn.Module) -> None:
        super().__init__()
        self.net, self.last = network(), nn.Sequential(*last)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(checkpoint(self.net, x, use_reentrant=False))


@pytest.mark.filterwarnings("ignore:vmap cannot:RuntimeWarning")
def test_a_part_that_is_computed_again_on_the_way_back_has_the_right_parameters() -> None:
    check(TorchProblem(Again(), cross_entropy, rows()))
    random = TorchProblem(Again(nn.Dropout(0.5)), cross_entropy, rows(), batch_size=10, seed=0)
    w = random.start + 0.5
    sure = TorchProblem(Again(nn.Dropout(1e-12)), cross_entropy, rows(), batch_size=10, seed=0)
    assert random.module_loss.facts.looped
    np.testing.assert_allclose(
        sure.sampled(w[None], 0)[0], truth(sure, cross_entropy, w), atol=1e-9
    )


@pytest.mark.filterwarnings("ignore:vmap cannot:RuntimeWarning")
def test_a_derivative_by_the_inputs_inside_of_a_forward_pass_is_taken() -> None:
    class Sensitive(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, x: Tensor) -> Tensor:
            x = x.clone().requires_grad_()
            y = self.net(x)
            (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
            return y + slope.square().sum(1, keepdim=True) * y

    problem = TorchProblem(Sensitive(), cross_entropy, rows())
    check(problem)
    assert np.isfinite(problem.values(problem.start)).all()


def compared(module: nn.Module, points: int, *, even: bool) -> bool:
    """Whether pooling agrees with a loop where two workers have the same rows."""
    loss, data = ModuleLoss(module, cross_entropy), rows(workers=1, n=8)[0]
    at = points_of(loss, loss.layout.flat(dict(module.named_parameters())))[:points]
    both = tuple(torch.stack([x, x]) for x in data)
    return agree(loss.pooled, loss.loop, at, [both] if even else [both, uneven(both)])


def test_rows_that_mix_show_where_one_worker_has_other_rows() -> None:
    assert compared(mixing(), 3, even=True)
    assert not compared(mixing(), 3, even=False)


def test_a_dead_layer_shows_at_a_point_that_knows_nothing_of_the_start() -> None:
    dead = start_dead(mixing(nn.ReLU()))
    assert compared(dead, 2, even=False)
    assert not compared(dead, 3, even=False)


@pytest.mark.parametrize(("build", "once"), [(network, True), (Twice, False), (ZeroHead, False)])
def test_a_parameter_that_is_used_twice_is_told_by_the_graph(
    build: Callable[[], nn.Module], once: bool
) -> None:
    loss = ModuleLoss(build().double(), cross_entropy)
    w = loss.layout.flat(dict(loss.module.named_parameters()))
    assert used_once(loss, w, rows()[0]) == once


class Wrong(torch.autograd.Function):
    """The identity, with a batching rule that doubles."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(_ctx: Any, slope: Tensor) -> Tensor:
        return slope

    @staticmethod
    def vmap(_info: Any, dims: Any, x: Tensor) -> Any:
        return Wrong.apply(2 * x), dims[0]


class WithWrong(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, x: Tensor) -> Tensor:
        return Wrong.apply(self.net(x))


@pytest.mark.filterwarnings("ignore:vmap cannot:RuntimeWarning")
def test_a_wrong_batching_rule_is_found_out() -> None:
    problem = TorchProblem(WithWrong(), cross_entropy, rows())
    assert "differs from a loop's" in problem.judge.facts.looped
    check(problem)
