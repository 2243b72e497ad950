"""Modules that do not take any number of rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem


class Folded(nn.Module):
    """Takes `rows` at a time, and no other number."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows, self.layer = rows, nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x.view(self.rows, 4))
        return y


def normed() -> nn.Module:
    return nn.Sequential(
        nn.BatchNorm1d(4, affine=False, track_running_stats=False), nn.Linear(4, 3)
    )


def shard(rows: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    return torch.randn(rows, 4, generator=generator), torch.arange(rows) % 3


@pytest.mark.parametrize("lonely", range(3))
def test_a_worker_whose_rows_the_module_does_not_take_is_named(lonely: int) -> None:
    shards = [shard(1 if i == lonely else 9) for i in range(3)]
    with pytest.raises(OptionError, match=f"worker {lonely}'s rows: Expected more than 1 value"):
        TorchProblem(normed(), cross_entropy, shards)


def test_minibatches_that_the_module_does_not_take_are_refused_before_a_round() -> None:
    shards = [shard(9) for _ in range(3)]
    with pytest.raises(OptionError, match="worker 0's first 1 rows, a minibatch"):
        TorchProblem(normed(), cross_entropy, shards, batch_size=1)
    TorchProblem(normed(), cross_entropy, shards, batch_size=2)


def test_a_module_for_just_as_many_rows_as_each_worker_has_is_taken() -> None:
    shards = [(x + i, y) for i, (x, y) in enumerate([shard(12)] * 3)]
    problem = TorchProblem(Folded(12), cross_entropy, shards)
    w = np.linspace(-1, 1, problem.d)
    expected = []
    for x, y in shards:
        module = problem.load(w)
        cross_entropy(module(x), y).backward()
        expected.append(torch.cat([p.grad.ravel() for p in module.parameters()]).numpy())
    np.testing.assert_allclose(problem.gradients(w[None])[0], expected, rtol=1e-5, atol=1e-6)
