"""Data-parallel training with a faulty rank: `sp.torch.ddp_hook` beside DistributedDataParallel.

    python benchmarks ddp [--ranks 8] [--numbers 1000000] [--steps 30] [--seeds 5]

Time: two models of as many numbers take turns, step by step, one with the hook and one without; the
ranks are processes of this machine over gloo, one thread each. The longest rank counts.

Accuracy: the 1,797 digits of scikit-learn, an MLP 64-32-10, the rows dealt to the ranks. On rank 0
the highest exponent bit of one float32 word in a thousand is inverted, from step 50 on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

import saddleproof as sp
from common import table

TRAINING, BATCH, ROUNDS, RATE, BROKEN_FROM = 1437, 32, 300, 0.2, 50


class Numbers(nn.Module):
    """Ten tensors whose gradients cost nothing."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.parts = nn.ParameterList(torch.zeros(size // 10) for _ in range(10))

    def forward(self, x: Tensor) -> Tensor:
        """(n,) to ()."""
        return torch.stack([part @ x[: len(part)] for part in self.parts]).sum()


def main() -> None:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--ranks", type=int, default=8)
    options.add_argument("--numbers", type=int, default=1_000_000)
    options.add_argument("--steps", type=int, default=30)
    options.add_argument("--seeds", type=int, default=5)
    told = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(rank, (told, folder), nprocs=told.ranks)
        seconds = np.load(f"{folder}/seconds.npy")
        rows = json.loads(Path(folder, "accuracy.json").read_text())
    plain, ours = np.median(seconds, axis=0)
    print(f"{told.ranks} ranks, {told.numbers} numbers, median of {told.steps} steps in turns\n")
    ratios = seconds[:, 1] / seconds[:, 0]
    low, high = np.percentile(ratios, [25, 75])
    heading = ("step with the hook over one without", "quartiles of the pairs")
    print(table([heading, (f"{ours / plain:.2f}", f"{low:.2f} to {high:.2f}")]))
    print(f"\ntest accuracy after {ROUNDS} steps, {told.seeds} seeds\n")
    heading = ("ranks", "plain mean", "hook, median", "seeds in which just the faulty are named")
    print(table([heading, *rows]))


def rank(number: int, told: argparse.Namespace, folder: str) -> None:
    """One process."""
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", store, rank=number, world_size=told.ranks)
    seconds = timed(told.numbers, told.steps)
    rows: list[tuple[str, ...]] = []
    for faulty in (False, True):
        plain, ours = (
            [trained(number, seed, faulty, hook) for seed in range(told.seeds)]
            for hook in (False, True)
        )
        expected = {0} if faulty else set()
        named = sum(suspects == expected for _, suspects in ours)
        rows.append(
            (
                "one is faulty" if faulty else "all are sound",
                spread([accuracy for accuracy, _ in plain]),
                spread([accuracy for accuracy, _ in ours]),
                f"{named} of {told.seeds}",
            )
        )
    if number == 0:
        np.save(f"{folder}/seconds.npy", seconds)
        Path(folder, "accuracy.json").write_text(json.dumps(rows))
    dist.destroy_process_group()


def timed(numbers: int, steps: int) -> np.ndarray:
    """(steps, 2) seconds of the longest rank: without the hook, with it."""
    models = [DistributedDataParallel(Numbers(numbers)) for _ in range(2)]
    models[1].register_comm_hook(None, sp.torch.ddp_hook(sp.Median(), b=1))
    x, seconds = torch.ones(numbers), torch.zeros(steps + 3, 2, dtype=torch.float64)
    for k in range(steps + 3):
        for which in (0, 1) if k % 2 else (1, 0):
            models[which].zero_grad()
            dist.barrier()
            start = time.perf_counter()
            models[which](x).backward()
            seconds[k, which] = time.perf_counter() - start
    dist.all_reduce(seconds, dist.ReduceOp.MAX)
    return seconds[3:].numpy()


def trained(number: int, seed: int, faulty: bool, hook: bool) -> tuple[float, set[int]]:
    """Test accuracy, and the suspects of all windows together."""
    ranks = dist.get_world_size()
    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    x = torch.tensor(data.data[order] / 16, dtype=torch.float32)
    y = torch.tensor(data.target[order])
    mine = slice(number, TRAINING, ranks)
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    generator, step = torch.Generator().manual_seed(1000 * seed + number), [0]

    def broken(gradient: Tensor) -> Tensor:
        if not faulty or number or step[0] < BROKEN_FROM:
            return gradient
        words = gradient.view(torch.int32)
        hit = torch.rand(gradient.shape, generator=generator) < 1e-3
        return torch.where(hit, words ^ (1 << 30), words).view(torch.float32)

    for parameter in model.parameters():
        parameter.register_hook(broken)
    ddp, suspects = DistributedDataParallel(model), set[int]()
    robust: Any = sp.torch.ddp_hook(sp.Median(), b=1, window=50)
    if hook:
        ddp.register_comm_hook(None, robust)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    for step[0] in range(ROUNDS):
        rows = torch.randint(0, len(x[mine]), (BATCH,), generator=generator)
        optimizer.zero_grad()
        cross_entropy(ddp(x[mine][rows]), y[mine][rows]).backward()
        optimizer.step()
        if robust.last is not None:
            suspects |= set(robust.last.suspects)
    with torch.no_grad():
        right = model(x[TRAINING:]).argmax(dim=1) == y[TRAINING:]
    return float(right.float().mean()), suspects


def spread(accuracies: list[float]) -> str:
    """The mean, the least and the largest."""
    return f"{np.mean(accuracies):.3f} ({min(accuracies):.3f} to {max(accuracies):.3f})"
