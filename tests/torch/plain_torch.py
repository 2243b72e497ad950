"""The judge of these tests: PyTorch's own backward pass, one worker after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from saddleproof.torch import TorchProblem

Rows = list[tuple[Tensor, ...]]


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def rows(workers: int = 4, n: int = 10, dtype: torch.dtype = torch.float64) -> Rows:
    return [(torch.randn(n, 4, dtype=dtype), torch.randint(0, 3, (n,))) for _ in range(workers)]


def truth(problem: TorchProblem, loss: Callable[..., Tensor], w: np.ndarray) -> np.ndarray:
    """(m, d): one backward pass a worker through a module that was loaded with w."""
    module = problem.load(w)
    parameters = list({id(p): p for p in module.parameters() if p.requires_grad}.values())
    out = []
    for *inputs, target in problem.shards:
        value = loss(module(*(x.clone() for x in inputs)), target)
        slopes = torch.autograd.grad(value, parameters)
        out.append(torch.cat([x.reshape(-1) for x in slopes]).detach().numpy())
    return np.stack(out)


def check(problem: TorchProblem, loss: Callable[..., Tensor] = cross_entropy) -> None:
    """The gradients are right at the start and away from it, also after many calls."""
    for w in (problem.start, problem.start + np.linspace(-0.5, 0.5, problem.d)):
        expected = truth(problem, loss, w)
        for _ in range(2):
            np.testing.assert_allclose(problem.gradients(w[None])[0], expected, atol=1e-10)
