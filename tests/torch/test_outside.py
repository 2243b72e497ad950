"""What a loss may depend on: the message, and nothing trainable beside it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import check, network, rows
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem
from saddleproof.torch.judging import judged


class Temperature(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()).double())

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(output * self.scale, target)


class Unregistered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = [nn.Linear(4, 5).double()], nn.Linear(5, 3).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.hidden[0](x))


def patched() -> nn.Module:
    net = network()
    net.forward = lambda x: linear(torch.tanh(net[0](x)), net[2].weight)  # type: ignore[method-assign]
    return net


def test_a_penalty_in_the_loss_is_refused_and_told_where_it_belongs() -> None:
    net = network()

    def ridge(output: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(output, target) + sum((p**2).sum() for p in net.parameters())

    with pytest.raises(OptionError, match=r"parameter '.*weight'.*penalty="):
        TorchProblem(net, ridge, rows())


@pytest.mark.parametrize(
    ("module", "loss"),
    [(network, Temperature()), (patched, cross_entropy), (Unregistered, cross_entropy)],
    ids=["a loss with weights", "a patched forward", "a layer in a list"],
)
def test_trainable_tensors_outside_the_message_are_refused(
    module: Callable[[], nn.Module], loss: Any
) -> None:
    with pytest.raises(OptionError, match="trainable tensors that no message holds"):
        TorchProblem(module(), loss, rows())


def test_a_frozen_loss_with_weights_is_taken() -> None:
    loss = Temperature().requires_grad_(requires_grad=False)
    check(TorchProblem(network(), loss, rows()), loss)


def ridge(parameters: dict[str, Tensor]) -> Tensor:
    return sum((p**2).sum() for p in parameters.values()) + parameters["0.bias"].exp().sum()  # type: ignore[no-any-return]


@pytest.mark.parametrize("last", [nn.Identity, lambda: nn.LayerNorm(3)], ids=["pooled", "vmap"])
def test_a_penalty_is_part_of_values_gradients_and_products(last: Callable[[], nn.Module]) -> None:
    net = nn.Sequential(*network(), last()).double()
    data = rows()
    problem = TorchProblem(net, cross_entropy, data, penalty=ridge, batch_size=10)
    without = TorchProblem(net, cross_entropy, data)
    assert problem.module_loss.facts.pooled == (last is nn.Identity)
    w, v = problem.start + 0.1, np.random.default_rng(0).standard_normal((4, 2, problem.d))
    tree = problem.judge.layout.tree(torch.as_tensor(w))
    bias = np.zeros(problem.d)
    bias[20:25] = np.exp(w[20:25])
    assert tree["0.bias"].tolist() == w[20:25].tolist()
    more = float(ridge(tree))
    np.testing.assert_allclose(problem.values(w) - without.values(w), more, atol=1e-10)
    for found in (problem.gradients(w[None]), problem.sampled(w[None], 0)):
        change = found - without.gradients(w[None])
        np.testing.assert_allclose(change[0], np.tile(2 * w + bias, (4, 1)), atol=1e-10)
    change = problem.products(w, v) - without.products(w, v)
    np.testing.assert_allclose(change, (2 + bias) * v, atol=1e-10)


def test_a_sum_over_the_rows_is_refused() -> None:
    with pytest.raises(OptionError, match="mean"):
        TorchProblem(network(), nn.CrossEntropyLoss(reduction="sum"), rows())


class Adding(nn.Module):
    """Keeps a penalty where a loss outside can read it."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.penalty = network(), 0.0
        self.kept: dict[str, Any] = {}

    def forward(self, x: Tensor) -> Tensor:
        self.penalty = self.net[0].weight.square().sum()
        self.kept["penalty"] = self.penalty
        return self.net(x)


class Reading(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.held = [net]

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(output, target) + self.held[0].penalty


def closure(net: Any) -> Any:
    return lambda output, target: cross_entropy(output, target) + net.penalty


def of_a_dict(net: Any) -> Any:
    kept = net.kept
    return lambda output, target: cross_entropy(output, target) + kept.get("penalty", 0.0)


def default(net: Any) -> Any:
    def loss(output: Tensor, target: Tensor, net: Any = net) -> Tensor:
        return cross_entropy(output, target) + net.penalty

    return functools.partial(loss)


@pytest.mark.parametrize("made", [closure, of_a_dict, default, Reading])
@pytest.mark.parametrize("certifies", [False, True])
def test_a_loss_that_reads_what_a_forward_pass_leaves_in_the_module_is_refused(
    made: Callable[[Any], Any], certifies: bool
) -> None:
    net = Adding()
    with pytest.raises(OptionError, match=r"refers to the module.*'(penalty|kept)'"):
        judged(net, made(net), rows()) if certifies else TorchProblem(net, made(net), rows())


def test_a_loss_may_read_what_a_hook_writes_elsewhere() -> None:
    net, seen = network(), {}
    net[1].register_forward_hook(lambda _layer, _x, y: seen.update(h=y))  # type: ignore[operator]

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(output, target) + seen["h"].abs().mean()

    check(TorchProblem(net, loss, rows()), loss)


def viewed(net: Any) -> nn.Module:
    net.other = net.net[0].weight.data.t()
    return net


def computed(net: Any) -> nn.Module:
    net.other = 2 * net.net[0].weight.t()
    return net


class Stale(Adding):
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) + (x @ self.other)[:, :3]


@pytest.mark.parametrize("made", [viewed, computed])
def test_a_tensor_made_of_the_parameters_before_is_refused_where_it_is_read(
    made: Callable[[Any], nn.Module],
) -> None:
    with pytest.raises(OptionError, match="trainable tensors that no message holds"):
        TorchProblem(made(Stale()), cross_entropy, rows())
    check(TorchProblem(made(Adding()), cross_entropy, rows()))  # nobody reads it


@pytest.mark.parametrize(
    "loss",
    [
        lambda output, target: cross_entropy(output, target).detach(),
        torch.no_grad()(cross_entropy),
        lambda output, target: (output.argmax(1) == target).double().mean(),
    ],
    ids=["detached", "no_grad", "accuracy"],
)
def test_a_loss_without_a_gradient_is_refused(loss: Any) -> None:
    with pytest.raises(OptionError, match="cannot be differentiated"):
        TorchProblem(network(), loss, rows())


@pytest.mark.parametrize(
    "loss",
    [
        lambda output, target: cross_entropy(output, target, reduction="sum") + 5,
        lambda output, target: output.square().sum() + cross_entropy(output, target),
    ],
    ids=["a sum and a constant", "a sum and a mean"],
)
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_a_part_that_adds_up_over_the_rows_is_refused(loss: Any, scale: float) -> None:
    net = network()
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(scale)
    with pytest.raises(OptionError, match="adds up over the rows"):
        TorchProblem(net, loss, rows())


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (lambda p: p["nope"].sum(), "penalty fails.*'0.weight'"),
        (lambda p: p["0.bias"], "must return one floating-point number"),
        (lambda p: sum(x.sum() for x in p), "penalty fails"),
    ],
    ids=["no such name", "a vector", "names for tensors"],
)
def test_a_penalty_that_cannot_work_is_refused(penalty: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        TorchProblem(network(), cross_entropy, rows(), penalty=penalty)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, "cross_entropy", None])
def test_a_loss_that_is_no_function_is_refused(loss: Any) -> None:
    with pytest.raises(OptionError, match=r"loss must be a function.*such as"):
        TorchProblem(network(), loss, rows())


def test_a_loss_module_that_keeps_its_last_value_is_taken() -> None:
    class Keeping(nn.Module):
        def forward(self, output: Tensor, target: Tensor) -> Tensor:
            self.last = cross_entropy(output, target)
            return self.last

    loss = Keeping()
    loss(network()(torch.ones(1, 4).double()), torch.tensor([0]))
    check(TorchProblem(network(), loss, rows()))
