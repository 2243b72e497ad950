"""Time of one round of robust training, beside ByzFL's simulation of the same round.

A 50,890-parameter MLP (784-64-10), 20 workers with 250 rows each, all of which enter the round;
worker momentum .9, nearest-neighbour mixing with trimmed mean, b = 6, one step of the server. The
two take turns; medians are shown. Other work on the machine disturbs processor times less than
clock times; with one thread, on an idle machine, they are the same.

    python benchmarks torch_speed --peers DIR [--rounds 30] [--threads 1] [--batch 250]

With --products, all workers' Hessian-vector products beside their gradients and their values, in
float32 and in float64; one vector for each worker, and always the same w.

    python benchmarks torch_speed --products [--rounds 30] [--threads 1]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import peer_byzfl
import saddleproof as sp
from common import table
from saddleproof import oracle

WORKERS, ROWS, LIARS = 20, 250, 6


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--peers", type=Path, help="where byzfl was installed with pip --target")
    options.add_argument("--rounds", type=int, default=30)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--batch", type=int, default=ROWS)
    options.add_argument("--products", action="store_true")
    told = options.parse_args()
    torch.set_num_threads(told.threads)
    if told.products:
        print(products(told.rounds))
        return
    torch.manual_seed(0)
    shards = [(torch.randn(ROWS, 784), torch.randint(0, 10, (ROWS,))) for _ in range(WORKERS)]
    module = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    rounds = {
        "saddleproof, worker momentum": ours(module, shards, told.batch),
        "saddleproof, gradients alone": gradients(module, shards, told.batch),
        "plain loop, gradients alone": loop(module, shards, told.batch),
    }
    framework = peer_byzfl.load(told.peers)
    if framework is None:
        print("ByzFL is not there: pip install --no-deps --target DIR byzfl, then --peers DIR")
    else:
        peer = peer_byzfl.Trainer(
            framework, module, shards, shards[0], f=LIARS, batch_size=told.batch
        )
        rounds["ByzFL, worker momentum"] = peer.round
    clock = {name: np.empty(told.rounds) for name in rounds}
    processor = {name: np.empty(told.rounds) for name in rounds}
    for one in rounds.values():
        one()
    for k in range(told.rounds):
        for name, one in rounds.items():
            start, busy = time.perf_counter(), time.process_time()
            one()
            clock[name][k] = time.perf_counter() - start
            processor[name][k] = time.process_time() - busy
    heading = ("one round", "clock ms", "over ours", "processor ms", "over ours")
    rows: list[tuple[object, ...]] = [heading]
    for name in rounds:
        cells: list[str] = []
        for times in (clock, processor):
            middle = float(np.median(times[name]))
            cells.append(f"{1e3 * middle:.1f}")
            cells.append(f"{middle / np.median(times['saddleproof, worker momentum']):.2f}")
        rows.append((name, *cells))
    print(table(rows))


def products(rounds: int) -> str:
    """The table of --products."""
    rows: list[tuple[object, ...]] = [
        ("dtype", "gradients ms", "products ms", "ratio", "values ms")
    ]
    for dtype in (torch.float32, torch.float64):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)).to(dtype)
        shards = [(torch.randn(ROWS, 784), torch.randint(0, 10, (ROWS,))) for _ in range(WORKERS)]
        problem = sp.torch.TorchProblem(module, cross_entropy, shards)
        w = problem.start
        vectors = np.random.default_rng(0).standard_normal((WORKERS, 1, problem.d))
        ways: tuple[Callable[[], object], ...] = (
            lambda problem=problem, w=w: problem.gradients(w[None]),
            lambda problem=problem, w=w, v=vectors: problem.products(w, v),
            lambda problem=problem, w=w: problem.values_at(w[None]),
        )
        times = np.empty((len(ways), rounds))
        for way in ways:
            way()
        for k in range(rounds):
            for i, way in enumerate(ways):
                start = time.perf_counter()
                way()
                times[i, k] = time.perf_counter() - start
        first, second, third = 1e3 * np.median(times, axis=1)
        name = str(dtype).removeprefix("torch.")
        cells = (f"{first:.1f}", f"{second:.1f}", f"{second / first:.2f}", f"{third:.1f}")
        rows.append((name, *cells))
    return table(rows)


def ours(
    module: nn.Module, shards: list[tuple[torch.Tensor, ...]], batch: int
) -> Callable[[], object]:
    """A round of `minimize` as `fit` sets it up: fleet, momentum, oracle, step."""
    problem = sp.torch.TorchProblem(
        module, cross_entropy, shards, batch_size=None if batch == ROWS else batch, seed=0
    )
    fleet = sp.torch.WorkerMomentum(sp.LocalFleet(problem), 0.9)
    optimizer, rule = sp.GradientDescent(step=0.25), sp.NearestNeighborMixing()
    state = optimizer.init(problem.start.astype(np.float32))
    done = 0

    def step() -> None:
        nonlocal state, done
        points = optimizer.ask(state)
        messages = fleet.round(points, round_id=done)
        reading = oracle.read(messages, rule, LIARS, points=points, workers=fleet.workers)
        state = optimizer.tell(state, reading)
        done += 1

    return step


def gradients(
    module: nn.Module, shards: list[tuple[torch.Tensor, ...]], batch: int
) -> Callable[[], object]:
    """All workers' gradients, in one call."""
    size = None if batch == ROWS else batch
    problem = sp.torch.TorchProblem(module, cross_entropy, shards, batch_size=size, seed=0)
    points = problem.start[None].astype(np.float32)
    return lambda: problem.sampled(points, 0)


def loop(
    module: nn.Module, shards: list[tuple[torch.Tensor, ...]], batch: int
) -> Callable[[], object]:
    """All workers' gradients, one worker after the other."""

    def each() -> None:
        for x, y in shards:
            module.zero_grad()
            cross_entropy(module(x[:batch]), y[:batch]).backward()

    return each
