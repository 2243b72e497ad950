"""What the test for progress in minibatch training is good for: tell, stop, or step less.

The MLP of mnist.py, NNM + trimmed mean, six of twenty workers lie, and whatever they send as
gradients, they tell losses that only ever rise (label flip: those of their flipped rows). Three
ways to use the same rounds:

    go on    all rounds at lr .25
    stop     at the first test after PATIENCE rounds without certain progress
    halve    there, go on from the same point with half the step instead

"inside": tests whose interval holds the true change of the honest workers' loss; "wrong": tests
that called a fall certain where that loss rose.

    python benchmarks/plateaus.py [--seeds 3] [--rounds 250] [--patience 25]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import saddleproof as sp
from common import share, table
from mnist import ATTACKS, BATCH, LIARS, LR, Rows, data, network


@dataclass(frozen=True)
class Denying:
    """An attack whose liars tell losses that only ever rise."""

    attack: Any

    def __call__(self, view: Any) -> Any:
        """The attack's own messages."""
        return self.attack(view)

    def losses(self, view: Any) -> np.ndarray:
        """(1, k): more in every round."""
        return np.full((1, len(view.members)), 1e6 * (1 + view.round_id), view.points.dtype)


def accuracy(module: nn.Module, test: Rows) -> float:
    """The share of the test rows that come out right."""
    return float((module(test[0]).argmax(dim=1) == test[1]).float().mean())


def main() -> None:
    """Print the table, a row as soon as it is there."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--rounds", type=int, default=250)
    options.add_argument("--patience", type=int, default=25)
    options.add_argument("--attacks", nargs="+", default=["none", "label flip", "ALIE"])
    told = options.parse_args()
    torch.set_num_threads(1)
    heading = ("attack", "go on", "stop", "after rounds", "halve", "inside", "wrong")
    print(table([heading]), flush=True)
    for attack in told.attacks:
        found = [one(seed, attack, told) for seed in range(told.seeds)]
        on, stop, after, halve, inside, wrong = zip(*found, strict=True)
        means = [f"{np.mean(column):.3f}" for column in (on, stop, halve)]
        row = (
            attack,
            means[0],
            means[1],
            f"{np.mean(after):.0f}",
            means[2],
            share([x for seen in inside for x in seen]),
            str(sum(wrong)),
        )
        print(table([heading, row]).splitlines()[2], flush=True)


def one(
    seed: int, attack: str, told: argparse.Namespace
) -> tuple[float, float, int, float, list[bool], int]:
    """One seed: the three accuracies, when to stop, and how the tests compare with the truth."""
    shards, test = data(seed)
    torch.manual_seed(seed)
    start = network("mlp")
    lies = None if ATTACKS[attack] is None else Denying(ATTACKS[attack])
    if attack == "label flip":
        shards = [(x, 9 - y) for x, y in shards[:LIARS]] + shards[LIARS:]
    problem = sp.torch.TorchProblem(start, cross_entropy, shards)
    points: dict[int, Any] = {}

    def train(module: nn.Module, rounds: int, **more: Any) -> tuple[nn.Module, Any]:
        options = {"b": LIARS, "batch_size": BATCH, "attack": lies, "certify": False} | more
        return sp.torch.fit(module, cross_entropy, shards, rounds=rounds, **options)

    def keep(progress: Any) -> None:
        points[progress.record.round] = progress.w

    module, result = train(start, told.rounds, lr=LR, seed=seed, callback=keep)
    ends = {t for test in result.tests for t in (test.since, test.round)}
    true = {t: problem.values(points[t])[LIARS:].mean() for t in ends}
    changes = [true[test.round] - true[test.since] for test in result.tests]
    both = list(zip(result.tests, changes, strict=True))
    inside = [bool(t.change.low <= x <= t.change.high) for t, x in both]
    # A test that fell moves `since` up to itself, so it is never late.
    late = [t.round for t in result.tests if not t.fell and t.round - t.since >= told.patience]
    stop = min([*late, told.rounds - 1])

    lr, done, halved = LR, 0, start
    while done < told.rounds:
        halved, part = train(
            halved, told.rounds - done, lr=lr, seed=seed + 1000 * done, patience=told.patience
        )
        done, lr = done + part.rounds, lr / 2
    return (
        accuracy(module, test),
        accuracy(problem.load(points[stop]), test),
        stop + 1,
        accuracy(halved, test),
        inside,
        sum(t.fell and x >= 0 for t, x in both),
    )


if __name__ == "__main__":
    main()
