"""The table of docs/pytorch.md, row by row: what vmap does with a layer, checked against a loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem


class Head(nn.Module):
    """A layer, then the mean of the squares of what it gives."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, x, x) if isinstance(layer, nn.MultiheadAttention) else layer(x)
            x = x[0] if isinstance(x, tuple) else x
        return x


def squares(output: Tensor, target: Tensor) -> Tensor:
    return ((output.reshape(len(target), -1) - target[:, None]) ** 2).mean()


def images() -> Tensor:
    return torch.randn(6, 4, 6, 6)


def sequences() -> Tensor:
    return torch.randn(6, 3, 8)


def vectors() -> Tensor:
    return torch.randn(6, 8)


def words() -> Tensor:
    return torch.randint(0, 5, (6, 3))


Case = tuple[Callable[[], nn.Module], Callable[[], Tensor]]

VECTORISED: dict[str, Case] = {
    "Linear": (lambda: nn.Linear(8, 3), vectors),
    "Conv2d": (lambda: nn.Conv2d(4, 4, 3), images),
    "Conv2d, groups": (lambda: nn.Conv2d(4, 4, 3, groups=2), images),
    "MaxPool2d": (lambda: Head(nn.Conv2d(4, 2, 3), nn.MaxPool2d(2)), images),
    "AdaptiveAvgPool2d": (lambda: Head(nn.Conv2d(4, 2, 3), nn.AdaptiveAvgPool2d(1)), images),
    "LayerNorm": (lambda: nn.LayerNorm(8), vectors),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), images),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, affine=True), images),
    "Embedding": (lambda: nn.Embedding(5, 3), words),
    "MultiheadAttention": (lambda: Head(nn.MultiheadAttention(8, 2, batch_first=True)), sequences),
    "weight_norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(8, 3)), vectors),
    "BatchNorm1d, eval": (lambda: nn.BatchNorm1d(8).eval(), vectors),
    "BatchNorm1d, no statistics": (
        lambda: nn.BatchNorm1d(8, track_running_stats=False),
        vectors,
    ),
    "LSTM": (lambda: Head(nn.LSTM(8, 4, batch_first=True)), sequences),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True),
        sequences,
    ),
}
LOOPED: dict[str, Case] = {
    "GRU": (lambda: Head(nn.GRU(8, 4, batch_first=True)), sequences),
    "RNN": (lambda: Head(nn.RNN(8, 4, batch_first=True)), sequences),
}
RANDOM: dict[str, Case] = {
    "Dropout": (lambda: nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5)), vectors),
    "Dropout2d": (lambda: nn.Sequential(nn.Conv2d(4, 4, 3), nn.Dropout2d(0.5)), images),
    "TransformerEncoderLayer, dropout": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True),
        sequences,
    ),
}
REFUSED: dict[str, Case] = {
    "BatchNorm1d, train": (lambda: nn.BatchNorm1d(8), vectors),
    "spectral_norm, train": (
        lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(8, 3)),
        vectors,
    ),
}


def problem(case: Case, batch_size: int | None = None) -> TorchProblem:
    module, inputs = case
    shards = [(inputs(), torch.randn(6)) for _ in range(3)]
    return TorchProblem(module(), squares, shards, batch_size=batch_size, seed=0)


def rows(cases: dict[str, Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases.values(), ids=cases.keys())


@rows(VECTORISED)
def test_these_are_vectorised_and_agree_with_a_loop(case: Case) -> None:
    found = problem(case)
    assert found.module_loss.facts.looped == ""
    loss, (batch,) = found.module_loss, found.rows.all()
    w = loss.tensor(found.start[None])
    torch.testing.assert_close(loss.vectorised(w, batch.data), loss.loop(w, batch.data))


@rows(LOOPED)
def test_these_are_looped_and_say_so(case: Case) -> None:
    with pytest.warns(RuntimeWarning, match="using a loop"):
        found = problem(case)
    assert np.isfinite(found.gradients(found.start[None])).all()


@rows(RANDOM)
def test_these_draw_at_random_and_need_minibatches(case: Case) -> None:
    with pytest.raises(OptionError, match="batch_size"):
        problem(case)
    found = problem(case, batch_size=4)
    again = [found.sampled(found.start[None], 3) for _ in range(2)]
    np.testing.assert_array_equal(*again)


@rows(REFUSED)
def test_these_change_their_buffers_and_are_refused(case: Case) -> None:
    with warnings.catch_warnings(), pytest.raises(OptionError, match="buffer"):
        problem(case)
