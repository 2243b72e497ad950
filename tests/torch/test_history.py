"""A module is a function of parameters and rows: it remembers no earlier call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from plain_torch import check, network, rows
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem


class Remembering(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.state = network(), 0.0

    def forward(self, x: Tensor) -> Tensor:
        self.state = 0.5 * self.state + 1.0
        return self.net(x) * self.state


def test_a_module_that_remembers_its_calls_is_refused() -> None:
    with pytest.raises(OptionError, match="must not remember"):
        TorchProblem(Remembering(), cross_entropy, rows())


class Keeping(nn.Module):
    """A network whose forward pass changes `kept` by a rule, and is changed by it or not."""

    def __init__(self, kept: Any, after: Callable[..., Any], effect: Callable[..., Any]) -> None:
        super().__init__()
        self.net, self.kept, self.after, self.effect = network(), kept, after, effect

    def forward(self, x: Tensor) -> Tensor:
        self.kept = self.after(self.kept, x)
        return self.net(x * self.effect(self.kept, x))


def counted(kept: int, _x: Tensor) -> int:
    return kept + 1


REMEMBERING: dict[str, tuple[Any, Callable[..., Any], Callable[..., Any]]] = {
    "an average of rows": (0.0, lambda kept, x: 0.9 * kept + 0.1 * x.mean(), lambda kept, _: kept),
    "the first rows": (
        None,
        lambda kept, x: x.mean(0) if kept is None else kept,
        lambda kept, _: kept,
    ),
    "a schedule": (0, counted, lambda kept, _: 1 + min(kept / 1e5, 1)),
    "a switch after 60 calls": (0, counted, lambda kept, _: 1 if kept < 60 else 2),
    "a switch after 5000 calls": (0, counted, lambda kept, _: 1 if kept < 5000 else 2),
}


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("case", REMEMBERING.values(), ids=REMEMBERING)
def test_what_depends_on_the_calls_before_is_refused(case: Any, zero: bool) -> None:
    module = Keeping(*case)
    if zero:  # at a zero head no value shows it
        nn.init.zeros_(module.net[2].weight)
        nn.init.zeros_(module.net[2].bias)
    with pytest.raises(OptionError, match=r"must not remember|changes with every call"):
        TorchProblem(module, cross_entropy, rows())


def test_a_count_of_calls_that_nothing_depends_on_is_taken() -> None:
    check(TorchProblem(Keeping(0, counted, lambda *_: 1), cross_entropy, rows()))


def test_a_loss_that_counts_is_refused() -> None:
    calls = [0]

    def annealed(output: Tensor, target: Tensor) -> Tensor:
        calls[0] += 1
        return cross_entropy(output, target) * (1 + calls[0] * 1e-5)

    with pytest.raises(OptionError, match="must not remember"):
        TorchProblem(network().float(), annealed, rows(dtype=torch.float32))


def test_a_running_mean_of_zeros_is_seen() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()
            for p in self.net.parameters():
                nn.init.zeros_(p)
            self.register_buffer("mean", torch.zeros(()).double())

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.net(x)
            self.mean.mul_(0.9).add_(out.detach().mean())
            return out

    with pytest.raises(OptionError, match="changes its buffer 'mean'"):
        TorchProblem(Own(), cross_entropy, rows())
