"""The script of `ddp_before.py`, whose ranks do not believe each other's gradients.

python examples/migrate/ddp_after.py
"""

from __future__ import annotations

import tempfile

import torch
import torch.distributed as dist
import torch.multiprocessing
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

import saddleproof as sp

RANKS, STEPS, BROKEN = 4, 200, 2


def broken(gradient: Tensor) -> Tensor:
    """The highest exponent bit of one word in a thousand, inverted."""
    words = gradient.view(torch.int32)
    hit = torch.rand(gradient.shape) < 1e-3
    return torch.where(hit, words ^ (1 << 30), words).view(torch.float32)


def train(rank: int, folder: str) -> None:
    """What every process does."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/ranks", rank=rank, world_size=RANKS)
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    if rank == BROKEN:
        for parameter in module.parameters():
            parameter.register_hook(broken)
    model = DistributedDataParallel(module)
    model.register_comm_hook(None, sp.torch.ddp_hook(sp.Median(), b=1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    mine = slice(rank, 1500, RANKS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        cross_entropy(model(x[mine]), y[mine]).backward()
        optimizer.step()
    if rank == 0:
        right = module(x[1500:]).argmax(dim=1) == y[1500:]
        print(f"accuracy {right.float().mean():.3f}")
    dist.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(train, (folder,), nprocs=RANKS)
