"""The same over workers of whom up to three may lie: the loop becomes one call."""

import torch
from torch import nn
from torch.utils.data import TensorDataset

import saddleproof as sp

torch.manual_seed(0)


def rows(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two classes in the plane."""
    y = torch.randint(0, 2, (n,))
    return torch.randn(n, 2) + 4.0 * y[:, None] - 2.0, y


parties = [TensorDataset(*rows(200)) for _ in range(7)]
for _ in range(3):  # three of the ten bring many rows, with the labels turned around
    x, y = rows(1000)
    parties.append(TensorDataset(x, 1 - y))
test_x, test_y = rows(500)

model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
loss_fn = nn.CrossEntropyLoss()
model, result = sp.torch.fit(
    model,
    loss_fn,
    parties,
    b=3,
    rounds=140,
    optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-2),
)

model.eval()
with torch.no_grad():
    loss = loss_fn(model(test_x), test_y)
    accuracy = (model(test_x).argmax(dim=1) == test_y).float().mean()
print(f"loss {loss:.3f}, accuracy {accuracy:.3f}")
