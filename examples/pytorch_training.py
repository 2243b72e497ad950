"""A training as one has it in practice: a test set, a schedule, few workers a round, a checkpoint.

Thirty workers hold between 20 and 60 rows each, and four of them push back.
"""

from pathlib import Path
from tempfile import mkdtemp

import torch
from torch import nn

import saddleproof as sp

torch.manual_seed(0)


def rows(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes in four dimensions."""
    y = torch.randint(0, 3, (n,))
    return torch.randn(n, 4) + 3.0 * nn.functional.one_hot(y, 4), y


shards = [rows(20 + 10 * (i % 5)) for i in range(30)]
model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
model = sp.torch.convert(model)  # BatchNorm is refused; GroupNorm takes its place

options = {
    "b": 4,
    "attack": sp.attacks.InnerProduct(scale=10.0),  # for the example; leave it out
    "evaluate": rows(1000),
    "evaluate_every": 20,
    "optimizer": sp.torch.ServerAdam(),
    "schedule": lambda k: 0.03 * 0.98**k,
    "local_steps": 2,
    "local_lr": 0.05,
    "sample": 12,  # workers a round; the rule holds all four liars among them
    "weights": "rows",
    "batch_size": 10,
    "checkpoint": Path(mkdtemp()) / "run",
    "seed": 0,
}
sp.torch.fit(model, nn.functional.cross_entropy, shards, rounds=30, certify=False, **options)
trained, result = sp.torch.fit(
    model, nn.functional.cross_entropy, shards, rounds=60, resume=True, certify=False, **options
)
for round_, accuracy in zip(result.history.rounds, result.history["accuracy"], strict=True):
    print(f"round {round_}: accuracy {accuracy:.3f}")
print(*result.guarantee, sep="\n")
