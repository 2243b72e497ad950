"""Convolutions on many rows are taken by a loop over the workers, and no number depends on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from saddleproof.torch import TorchProblem
from saddleproof.torch.facts import MANY
from saddleproof.torch.loss import ModuleLoss


def convolutional(*more: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), *more, nn.Flatten(), nn.Linear(32, 3))


def layered() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 3), nn.LayerNorm(3))


def problem_of(module: nn.Module, n: int, size: int | None = None) -> TorchProblem:
    shards = [(torch.randn(n, 1, 6, 6), torch.randint(0, 3, (n,))) for _ in range(3)]
    return TorchProblem(module.double(), cross_entropy, shards, batch_size=size, seed=0)


def ways(problem: TorchProblem, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How a round of gradients is taken."""
    used: list[str] = []
    for name in ("loop", "vectorised"):
        way = getattr(ModuleLoss, name)
        monkeypatch.setattr(
            ModuleLoss, name, lambda *a, name=name, way=way: used.append(name) or way(*a)
        )
    problem.sampled(problem.start[None], 0)
    return used


@pytest.mark.parametrize("n", [MANY - 1, MANY])
def test_many_rows_are_looped_over_and_few_are_not(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = "loop" if n >= MANY else "vectorised"
    assert ways(problem_of(convolutional(), n), monkeypatch) == [expected]


def test_the_rows_of_a_minibatch_decide_and_not_those_of_a_shard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ways(problem_of(convolutional(), 2 * MANY, 8), monkeypatch) == ["vectorised"]


@pytest.mark.parametrize("module", [layered(), convolutional(nn.Dropout(0.5))])
def test_no_convolution_or_random_numbers_and_no_loop(
    module: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_of(module, 2 * MANY, MANY)
    assert ways(problem, monkeypatch) == ["vectorised"]


def test_both_ways_give_the_same_gradients_and_a_worker_alone_has_those_of_the_crowd() -> None:
    problem = problem_of(convolutional(), MANY)
    loss, w = problem.module_loss, torch.as_tensor(np.array(problem.start))[None]
    data = tuple(torch.stack(x) for x in zip(*problem.shards, strict=True))
    found = loss.batch(w, data)
    assert float(found.abs().max()) > 0.01
    torch.testing.assert_close(found, loss.vectorised(w, data), rtol=1e-12, atol=1e-13)
    alone = [loss.gradient(problem.start[None], shard)[0] for shard in problem.shards]
    np.testing.assert_array_equal(problem.gradients(problem.start[None])[0], np.stack(alone))
