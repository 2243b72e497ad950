"""What the ranks of test_ddp.py run, each in a process of its own."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

import saddleproof as sp

RANKS, SAMPLES, FAULTY = 4, 40, 2


def network() -> nn.Module:
    """10,013 numbers: no multiple of the number of ranks."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(30, 227), nn.Tanh(), nn.Linear(227, 13))


def rows(rank: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rank)
    x = torch.randn(SAMPLES, 30, generator=generator)
    return x, x[:, :13].argmax(dim=1)


def vector(module: nn.Module) -> Tensor:
    return torch.cat([p.grad.ravel() for p in module.parameters() if p.grad is not None])


def flipped(gradient: Tensor, share: float, step: int) -> Tensor:
    """Bit 30 of a share of the float32 words, the highest of the exponent, inverted."""
    generator = torch.Generator().manual_seed(step)
    hit = torch.rand(gradient.shape, generator=generator) < share
    words = gradient.view(torch.int32)
    return torch.where(hit, words ^ (1 << 30), words).view(torch.float32)


def faults(fault: str, step: int, rank: int) -> Callable[[Tensor], Tensor]:
    """What happens to the gradient of a parameter on its way to the hook."""
    if rank != FAULTY or fault == "none":
        return lambda g: g
    if fault == "nan":
        return lambda g: torch.full_like(g, torch.nan)
    return lambda g: flipped(g, 0.01, step)


def trained(rank: int, fault: str, hook: Any, steps: int = 6) -> dict[str, Any]:
    """A few steps, with every rank's own gradients at each of them."""
    model, step = network(), [0]

    def spoiled(gradient: Tensor) -> Tensor:
        return faults(fault, step[0], rank)(gradient)

    for p in model.parameters():
        p.register_hook(spoiled)
    ddp = DistributedDataParallel(model, bucket_cap_mb=0.01)
    if hook is not None:
        ddp.register_comm_hook(None, hook)
    alone, found = network(), []
    (x, y), optimizer = rows(rank), torch.optim.SGD(model.parameters(), lr=0.5)
    losses = []
    for step[0] in range(steps):
        alone.load_state_dict(model.state_dict())
        alone.zero_grad()
        cross_entropy(alone(x), y).backward()
        sound = vector(alone)
        gathered = [torch.empty_like(sound) for _ in range(RANKS)]
        dist.all_gather(gathered, sound)
        optimizer.zero_grad()
        loss = cross_entropy(ddp(x), y)
        loss.backward()
        losses.append(float(loss.detach()))
        found.append((torch.stack(gathered), vector(model)))
        optimizer.step()
    return {"rounds": found, "losses": losses, "last": getattr(hook, "last", None)}


def refused(make: Callable[[], Any]) -> str:
    """What the first backward pass says."""
    ddp = DistributedDataParallel(network())
    ddp.register_comm_hook(None, make())
    try:
        ddp(torch.ones(1, 30)).sum().backward()
    except (sp.errors.SaddleproofError, RuntimeError) as error:
        return str(error)
    return ""


def run(rank: int, folder: str) -> None:
    """Everything that test_ddp.py asks for, one after the other; written to a file a rank."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=RANKS)
    told: dict[str, Any] = {}
    for fault in ("none", "flips", "nan"):
        told[fault] = trained(rank, fault, sp.torch.ddp_hook(sp.Median(), b=1, window=3))
    told["trimmed"] = trained(rank, "none", sp.torch.ddp_hook(sp.TrimmedMean(), b=1, window=100))
    told["plain"] = trained(rank, "flips", None)
    told["too many"] = refused(lambda: sp.torch.ddp_hook(sp.Median(), b=2))
    told["unlike"] = refused(lambda: sp.torch.ddp_hook(sp.Median(), b=int(rank == 3)))
    Path(folder, f"rank-{rank}.pickle").write_bytes(pickle.dumps(told))
    dist.destroy_process_group()
