"""A plain script with ByzFL: digits over 20 workers, of which 6 send their gradient times -3.

python examples/migrate/byzfl_before.py

`byzfl_after.py` is the same script with a rule of ours: an import, a constructor and a call differ.
"""

from __future__ import annotations

import sys

import torch
from byzfl import RobustAggregator
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector, vector_to_parameters

WORKERS, LIARS, ROUNDS = 20, 6, 60
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0

torch.manual_seed(SEED)
images, labels = map(torch.tensor, load_digits(return_X_y=True))
images = images.float() / 16
order = torch.randperm(len(images))
shards, test = order[: 75 * WORKERS].split(75), order[75 * WORKERS :]
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
rule = RobustAggregator(
    {"name": "TrMean", "parameters": {"f": LIARS}}, [{"name": "NNM", "parameters": {"f": LIARS}}]
)


def gradient(rows: torch.Tensor) -> torch.Tensor:
    """A worker's gradient, as one vector."""
    loss = cross_entropy(model(images[rows]), labels[rows])
    return parameters_to_vector(torch.autograd.grad(loss, list(model.parameters())))


for _ in range(ROUNDS):
    messages = [gradient(rows) * (-3 if i < LIARS else 1) for i, rows in enumerate(shards)]
    step = rule.aggregate_vectors(messages)
    moved = parameters_to_vector(model.parameters()) - 0.5 * step
    vector_to_parameters(moved.detach(), model.parameters())

accuracy = (model(images[test]).argmax(1) == labels[test]).float().mean()
print(f"accuracy {accuracy:.3f}")
