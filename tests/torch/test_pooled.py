from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from saddleproof.torch import TorchProblem
from saddleproof.torch.pooled import linear_layers

EPS = {torch.float32: 1e-5, torch.float64: 1e-13}


def rows(k: int, n: int, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    return [(torch.randn(n, 5, dtype=dtype), torch.randint(0, 3, (n,))) for _ in range(k)]


class Residual(nn.Module):
    """Linear layers in any order, over two axes, with something between that has no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.first = nn.Linear(4, 3, bias=False), nn.Linear(1, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.first(x[..., None]))  # (n, 5, 4)
        return self.last(h + h.sin()).mean(dim=1)


MODULES: dict[str, Callable[[], nn.Module]] = {
    "one layer": lambda: nn.Linear(5, 3),
    "MLP": lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)),
    "two axes, shuffled": Residual,
    "layer norm without parameters": lambda: nn.Sequential(
        nn.Linear(5, 4), nn.LayerNorm(4, elementwise_affine=False), nn.Linear(4, 3)
    ),
}


def frozen() -> nn.Module:
    module = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    module[0].weight.requires_grad_(False)
    return module


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("build", [*MODULES.values(), frozen], ids=[*MODULES, "frozen weight"])
def test_one_pass_over_all_rows_gives_what_a_loop_gives(
    build: Callable[[], nn.Module], dtype: torch.dtype
) -> None:
    data = rows(6, 7, dtype)
    loss = TorchProblem(build().to(dtype), cross_entropy, data).module_loss
    assert loss.facts.pooled
    w = torch.randn(1, loss.d, dtype=dtype)
    stacked = tuple(torch.stack(x) for x in zip(*data, strict=True))
    found, expected = loss.batch(w, stacked), loss.loop(w, stacked)
    assert float(expected.abs().max()) > 0.01
    torch.testing.assert_close(found, expected, rtol=EPS[dtype], atol=EPS[dtype])
    torch.testing.assert_close(found, loss.vectorised(w, stacked), rtol=EPS[dtype], atol=EPS[dtype])


@settings(max_examples=15, deadline=None)
@given(k=st.integers(1, 6), n=st.integers(1, 5), scale=st.floats(0.1, 3.0))
def test_the_loss_of_a_worker_is_its_own(k: int, n: int, scale: float) -> None:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        return (scale * (output - target).square().sum()).sqrt()  # no mean over the rows

    data = [(torch.randn(n, 5).double(), torch.randn(n, 3).double()) for _ in range(max(k, 2))]
    module = TorchProblem(MODULES["MLP"]().double(), loss, data).module_loss
    w = torch.randn(1, module.d).double()
    stacked = tuple(torch.stack(x)[:k] for x in zip(*data, strict=True))
    torch.testing.assert_close(module.pooled(w, stacked), module.loop(w, stacked))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.tanh(self.layer(x)))


class Mixing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x - x.mean(dim=0))


def tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5))
    module[2].weight = module[0].weight
    return module


OTHERS: dict[str, Callable[[], nn.Module]] = {
    "a layer entered twice": Twice,
    "tied weights": tied,
    "rows that mix": Mixing,
    "batch statistics": lambda: nn.Sequential(
        nn.Linear(5, 5),
        nn.BatchNorm1d(5, affine=False, track_running_stats=False),
        nn.Linear(5, 5),
    ),
    "parameters elsewhere": lambda: nn.Sequential(nn.Linear(5, 5), nn.LayerNorm(5)),
    "a weight with a norm of its own": lambda: nn.utils.parametrizations.weight_norm(
        nn.Linear(5, 5)
    ),
    "dropout": lambda: nn.Sequential(nn.Linear(5, 5), nn.Dropout(0.5)),
}


@pytest.mark.parametrize("build", OTHERS.values(), ids=OTHERS)
def test_other_modules_are_left_to_vmap(build: Callable[[], nn.Module]) -> None:
    data = [(torch.randn(4, 5).double(), torch.randn(4, 5).double()) for _ in range(3)]
    loss = TorchProblem(build().double(), mse_loss, data, batch_size=4).module_loss
    assert not loss.facts.pooled
    assert not loss.facts.looped


def test_the_module_is_left_as_it_was() -> None:
    module = MODULES["MLP"]()
    loss = TorchProblem(module, cross_entropy, rows(3, 4, torch.float32)).module_loss
    loss.batch(
        torch.randn(1, loss.d),
        tuple(torch.stack(x) for x in zip(*rows(3, 4, torch.float32), strict=True)),
    )
    for layer in linear_layers(loss.module).values():
        assert not layer._forward_hooks
        assert layer.weight.requires_grad
        assert layer.weight.grad is None
