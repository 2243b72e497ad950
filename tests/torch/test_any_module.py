"""Whatever a module is made of: the gradients of PyTorch's own backward pass, or a refusal."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear
from torch.utils.checkpoint import checkpoint

from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem


class Recomputed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.layer, x, use_reentrant=False)


class UsedTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return linear(self.layer(x), self.layer.weight.t())


class Kept(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        self.last = x
        return x


class Shifting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x += 1.0
        return x


class Averaging(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mean = 0.0

    def forward(self, x: Tensor) -> Tensor:
        self.mean = 0.5 * self.mean + 0.5 * x.detach().mean()
        return x - self.mean


LAYERS: list[Callable[[], nn.Module]] = [
    lambda: nn.Linear(4, 4),
    lambda: nn.Linear(4, 4, bias=False),
    nn.Tanh,
    nn.ReLU,
    lambda: nn.ReLU(inplace=True),
    lambda: nn.LayerNorm(4),
    lambda: nn.BatchNorm1d(4, affine=False, track_running_stats=False),
    lambda: nn.BatchNorm1d(4).eval(),
    lambda: nn.BatchNorm1d(4),
    lambda: nn.Dropout(0.0),
    lambda: nn.Dropout(0.5),
    lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)),
    Recomputed,
    UsedTwice,
    Kept,
    Shifting,
    Averaging,
]
LOSSES: list[Callable[..., Tensor]] = [
    cross_entropy,
    nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]).double()),
    lambda output, target: cross_entropy(output, target, label_smoothing=0.1),
    lambda output, target: cross_entropy(output, target) + output.square().mean(),
    lambda output, target: cross_entropy(output, target, reduction="sum"),
]


@st.composite
def modules(draw: Any) -> nn.Module:
    layers = [draw(st.sampled_from(LAYERS))() for _ in range(draw(st.integers(0, 4)))]
    if layers and draw(st.booleans()):
        layers.append(layers[0])  # one layer in two places
    module = nn.Sequential(*layers, nn.Linear(4, 3)).double()
    start = draw(st.sampled_from(["random", "zero", "dead"]))
    for name, p in module.named_parameters():
        if start == "zero":
            nn.init.zeros_(p)
        elif start == "dead" and name.endswith("bias"):
            nn.init.constant_(p, -1e4)
    return module


@st.composite
def shards(draw: Any) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    sizes = draw(st.lists(st.sampled_from([1, 9, 9, 12]), min_size=2, max_size=4))
    made = [
        (
            torch.randn(n, 4, generator=generator, dtype=torch.float64),
            torch.randint(0, 3, (n,), generator=generator),
        )
        for n in sizes
    ]
    if draw(st.booleans()):
        made[-1] = made[0]
    if draw(st.booleans()):
        made[draw(st.integers(0, len(made) - 1))][1][:8] = -100  # labels to ignore
    return made


def slopes(module: nn.Module, loss: Any, w: np.ndarray, data: Any) -> np.ndarray:
    """(m, d): PyTorch alone, on copies."""
    out, own, at = [], copy.deepcopy(module), 0
    with torch.no_grad():
        for p in own.parameters():
            p.copy_(torch.tensor(w[at : at + p.numel()]).view(p.shape))
            at += p.numel()
    for x, y in data:
        one = copy.deepcopy(own)
        loss(one(x.clone()), y.clone()).backward()
        out.append(torch.cat([p.grad.reshape(-1) for p in one.parameters()]).numpy())
    return np.stack(out)


@pytest.mark.filterwarnings("ignore:vmap cannot:RuntimeWarning")
@given(modules(), st.sampled_from(LOSSES), shards(), st.integers(0, 99))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_module_gets_its_own_gradients_or_a_refusal(
    module: nn.Module, loss: Any, data: list[tuple[Tensor, Tensor]], seed: int
) -> None:
    before = copy.deepcopy(module.state_dict())
    try:
        problem = TorchProblem(module, loss, data)
    except OptionError:
        return
    rng = np.random.default_rng(seed)
    for w in (problem.start, 3 * rng.standard_normal(problem.d)):
        expected = slopes(module, loss, w, data)
        size = np.nanmax(np.abs(expected), initial=1e-3)
        for _ in range(2):
            found = problem.gradients(np.asarray(w)[None])[0]
            np.testing.assert_allclose(found, expected, atol=1e-9 * size)
        np.testing.assert_array_equal(problem.array_of(problem.load(w)), w)
    assert all(torch.equal(x, module.state_dict()[name]) for name, x in before.items())
