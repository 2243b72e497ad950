"""Modules that keep, share or rewrite tensors, and copies of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import check, network, rows
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem
from saddleproof.torch.judging import judged


def shared() -> nn.Module:
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(4, 3)).double()


def tied() -> nn.Module:
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 3)).double()
    net[2].weight = net[0].weight
    return net


class Keeping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.all = network(), []

    def forward(self, x: Tensor) -> Tensor:
        self.last = self.net(x)
        self.all.append(self.last)
        return self.last


class Normalising(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.net[0].weight.div_(self.net[0].weight.norm() * 2)
        return self.net(x)


def test_a_forward_pass_that_rewrites_the_parameters_is_refused() -> None:
    with pytest.raises(OptionError, match="rewrites the module's parameters"):
        TorchProblem(Normalising(), cross_entropy, rows())


def used(module: nn.Module) -> nn.Module:
    module(torch.randn(2, 4).double())
    return module


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize(
    "build",
    [
        shared,
        tied,
        Keeping,
        lambda: used(Keeping()),
        lambda: used(nn.utils.weight_norm(nn.Linear(4, 3).double())),
    ],
    ids=["shared", "tied", "keeping", "has kept", "old weight_norm"],
)
def test_these_are_trained_and_handed_back(build: Callable[[], nn.Module]) -> None:
    problem = TorchProblem(build(), cross_entropy, rows())
    check(problem)
    problem.products(problem.start, np.ones((4, 1, problem.d)))
    w = problem.start + 1
    np.testing.assert_allclose(problem.array_of(problem.load(w)), w)
    assert len(problem.state_dict(w)) == len(problem.module.state_dict())
    assert problem.judge.facts.second
    assert all(p.is_leaf for p in problem.judge.module.parameters())


class AddsOne(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x += 1.0
        return self.layer(x)


def test_rows_never_change_though_a_forward_pass_writes_into_them() -> None:
    data = rows()
    before = [x.clone() for x, _ in data]
    problem = TorchProblem(AddsOne().double(), cross_entropy, data, batch_size=10, seed=0)
    assert problem.judge.facts.writes
    w = problem.start
    first = problem.gradients(w[None])
    problem.values(w)
    problem.products(w, np.ones((4, 1, problem.d)))
    problem.sampled(w[None], 0)
    np.testing.assert_array_equal(problem.gradients(w[None]), first)
    for (mine, _), (theirs, _), x in zip(problem.shards, data, before, strict=True):
        assert torch.equal(mine, x)
        assert torch.equal(theirs, x)
    check(problem)


def test_a_sparse_embedding_is_taken() -> None:
    net = nn.Sequential(nn.Embedding(5, 4, sparse=True), nn.Flatten(), nn.Linear(8, 3)).double()
    data = [(torch.randint(0, 5, (6, 2)), torch.randint(0, 3, (6,))) for _ in range(3)]
    problem = TorchProblem(net, cross_entropy, data)
    dense = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 3)).double()
    dense.load_state_dict(net.state_dict())
    same = TorchProblem(dense, cross_entropy, data)
    w = same.start[None]
    np.testing.assert_allclose(problem.gradients(w), same.gradients(w), atol=1e-14)
    assert problem.load(problem.start)[0].sparse


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Sequential(nn.LazyLinear(3)), "lazy.*call the module once"),
        (lambda: torch.jit.script(network()), "scripted.*nn.Module"),
        (lambda: nn.Sequential(nn.Linear(4, 3), nn.Embedding(5, 4, max_norm=1.0)), "max_norm"),
    ],
    ids=["lazy", "scripted", "max_norm"],
)
def test_modules_without_parameters_of_their_own_are_refused(
    build: Callable[[], nn.Module], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        TorchProblem(build(), cross_entropy, rows())


class Itself(nn.Linear):
    def __deepcopy__(self, _memo: Any) -> Itself:
        return self


class Another(nn.Linear):
    def __deepcopy__(self, _memo: Any) -> Another:
        return Another(4, 3).double()


def holding(x: Any) -> nn.Module:
    net = network()
    net.held = x
    return net


def shares_memory() -> nn.Module:
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 3)).double()
    net[2].weight = nn.Parameter(net[0].weight.data.t())
    return net


def buffered() -> nn.Module:
    net = network()
    net.register_buffer("view", net[0].weight.data[1:])
    return net


def expanded() -> nn.Module:
    net = network()
    net[0].weight = nn.Parameter(torch.ones(1, 4).double().expand(5, 4))
    return net


def hooked() -> nn.Module:
    net = network()
    net[0].weight.register_hook(lambda slope: slope * 0)
    return net


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Itself(4, 3).double(), "shares its parameters"),
        (lambda: Another(4, 3).double(), "has other parameters"),
        (lambda: holding(threading.Lock()), "cannot be copied"),
        (lambda: holding({network()(torch.ones(1, 4).double())}), "cannot be copied"),
        (shares_memory, "'0.weight' and '2.weight' are different tensors in the same memory"),
        (buffered, "'view' are different tensors in the same memory"),
        (expanded, "expanded"),
        (hooked, "hook on its gradient"),
        (lambda: nn.DataParallel(network()), r"pass its \.module"),
        (lambda: network().to("meta"), "meta"),
        (lambda: nn.Linear, r"module must be Linear\(...\), made already"),
    ],
    ids=[
        "copies to itself",
        "copies to another",
        "a lock",
        "a set of outputs",
        "two parameters",
        "a buffer",
        "expanded",
        "a hook",
        "DataParallel",
        "meta",
        "a class",
    ],
)
def test_what_no_copy_would_follow_is_refused_and_stays_as_it_is(
    build: Callable[[], Any], message: str
) -> None:
    module = build()
    with pytest.raises(OptionError, match=message):
        judged(module, cross_entropy, rows())
    assert not isinstance(module, nn.Module) or module.training


class OfData(nn.Module):
    """Writes only where rows lie that a look at the first ones does not see."""

    def __init__(self, write: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.net, self.write = network(), write

    def forward(self, x: Tensor) -> Tensor:
        self.write(x)
        return self.net(x)


@pytest.mark.parametrize(
    "write",
    [lambda x: x.relu_(), lambda x: x[9:].mul_(2), lambda x: x.data[9:].zero_()],
    ids=["in place", "a part", "data"],
)
def test_a_write_into_rows_is_seen_though_the_first_rows_stay(
    write: Callable[[Tensor], Any],
) -> None:
    data = rows()
    data[0][0].abs_()  # all that a look at one worker's numbers would see
    before = [x.clone() for x, _ in data]
    problem = TorchProblem(OfData(write), cross_entropy, data)
    assert problem.judge.facts.writes
    check(problem)
    assert all(torch.equal(x, old) for (x, _), old in zip(problem.shards, before, strict=True))


def test_a_weight_that_an_embedding_would_rewrite_is_refused() -> None:
    class Renormed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.full((5, 3), 0.1).double())

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.embedding(x, self.table, max_norm=9.0)

    data = [(torch.randint(0, 5, (6,)), torch.randint(0, 3, (6,))) for _ in range(3)]
    with pytest.raises(OptionError, match="rewrites the module's parameters"):
        TorchProblem(Renormed(), cross_entropy, data)
