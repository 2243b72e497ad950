"""What the tests of products share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from saddleproof.torch import TorchProblem


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(6, 18), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.into(x).chunk(3, dim=-1)
        return self.out(scaled_dot_product_attention(query, key, value)).mean(dim=1)


def vectors(n: int) -> Tensor:
    return torch.randn(n, 6)


def sequences(n: int) -> Tensor:
    return torch.randn(n, 4, 6)


def images(n: int) -> Tensor:
    return torch.randn(n, 1, 6, 6)


def words(n: int) -> Tensor:
    return torch.randint(0, 5, (n, 4))


Case = tuple[Callable[[], nn.Module], Callable[[int], Tensor]]


MODULES: dict[str, Case] = {
    "ReLU": (lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), vectors),
    "tanh": (lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)), vectors),
    "convolution": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)
        ),
        images,
    ),
    "layer norm": (
        lambda: nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 3)),
        vectors,
    ),
    "group norm": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Tanh(), nn.Flatten(), nn.Linear(64, 3)
        ),
        images,
    ),
    "embedding": (
        lambda: nn.Sequential(nn.Embedding(5, 4), nn.Tanh(), nn.Flatten(), nn.Linear(16, 3)),
        words,
    ),
    "fused attention": (Attention, sequences),
    "transformer": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True),
            nn.Flatten(),
            nn.Linear(24, 3),
        ),
        sequences,
    ),
}


def build(case: Case, sizes: tuple[int, ...] = (7, 7, 5, 7), **options: int) -> TorchProblem:
    make, inputs = case
    data = [(inputs(n), torch.randint(0, 3, (n,))) for n in sizes]
    return TorchProblem(make().double(), cross_entropy, data, **options)


def by_double_backward(problem: TorchProblem, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(m, p, d): parameter by parameter, worker by worker, vector by vector."""
    module = problem.load(w).eval()
    parameters = list(module.parameters())
    out = np.empty(v.shape)
    fused = torch.backends.cuda.flash_sdp_enabled()
    torch.backends.cuda.enable_flash_sdp(False)
    try:
        for i, (*inputs, target) in enumerate(problem.shards):
            for k in range(v.shape[1]):
                value = cross_entropy(module(*inputs), target)
                slopes = torch.autograd.grad(value, parameters, create_graph=True)
                slope = torch.cat([x.reshape(-1) for x in slopes])
                images = torch.autograd.grad(slope @ torch.as_tensor(v[i, k]), parameters)
                out[i, k] = torch.cat([x.reshape(-1) for x in images]).numpy()
    finally:
        torch.backends.cuda.enable_flash_sdp(fused)
    return out


def points(problem: TorchProblem) -> tuple[np.ndarray, np.ndarray]:
    """A point, and two vectors for every worker, all of them different."""
    rng = np.random.default_rng(0)
    w = problem.start + 0.3 * rng.standard_normal(problem.d)
    return w, rng.standard_normal((problem.m, 2, problem.d))
