"""Time of one round of robust training, beside ByzFL's simulation of the same round.

A 50,890-parameter MLP (784-64-10), or with --model cnn a network of two convolutions (431,080);
20 workers with 250 rows each, all of which enter the round; worker momentum .9, nearest-neighbour
mixing with trimmed mean, b = 6, one step of the server. All take turns, with every number of
threads in each turn: PyTorch's, NumPy's and those of our own kernels. Medians of the clock time are
shown, and the quartiles of two ratios of each turn: over our round with as many threads, and over
the same thing with the first number of threads.

    python benchmarks torch_speed --peers DIR [--rounds 15] [--threads 1 2] [--batch 250]
                                  [--model cnn]

With --products, all workers' Hessian-vector products beside their gradients and their values, in
float32 and in float64; one vector for each worker, and always the same w.

    python benchmarks torch_speed --products [--rounds 15] [--threads 1 2]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import nn
from torch.nn.functional import cross_entropy

import peer_byzfl
import saddleproof as sp
from common import quartiles, table
from saddleproof import oracle

WORKERS, ROWS, LIARS = 20, 250, 6
OURS = "saddleproof, worker momentum"
_POOLS = ThreadpoolController()


def mlp() -> nn.Module:
    """784-64-10."""
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn() -> nn.Module:
    """Two convolutions and two layers; the sizes are those of ByzFL's cnn_mnist."""
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10),
    )  # fmt: skip


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (mlp, (784,)),
    "cnn": (cnn, (1, 28, 28)),
}


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--peers", type=Path, help="where byzfl was installed with pip --target")
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options.add_argument("--batch", type=int, default=ROWS)
    options.add_argument("--model", choices=MODELS, default="mlp")
    options.add_argument("--products", action="store_true")
    told = options.parse_args()
    if told.products:
        for threads in told.threads:
            use(threads)
            print(f"{threads} threads\n{products(told.rounds)}")
        return
    torch.manual_seed(0)
    make, shape = MODELS[told.model]
    module = make()
    shards = [(torch.randn(ROWS, *shape), torch.randint(0, 10, (ROWS,))) for _ in range(WORKERS)]
    rounds = {
        OURS: ours(module, shards, told.batch),
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
    print(table(rows_of(measured(rounds, told.threads, told.rounds))))


def use(threads: int) -> None:
    """Let PyTorch, NumPy's BLAS and our kernels have so many threads."""
    torch.set_num_threads(threads)
    _POOLS.limit(limits=threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)


def measured(
    rounds: dict[str, Callable[[], object]], threads: list[int], turns: int
) -> dict[tuple[str, int], np.ndarray]:
    """(turns,) seconds of each thing with each number of threads; a first turn does not count."""
    seconds = {(name, t): np.empty(1 + turns) for t in threads for name in rounds}
    for k in range(1 + turns):
        for t in threads:
            use(t)
            for name, one in rounds.items():
                start = time.perf_counter()
                one()
                seconds[name, t][k] = time.perf_counter() - start
    return {key: times[1:] for key, times in seconds.items()}


def rows_of(seconds: dict[tuple[str, int], np.ndarray]) -> list[tuple[object, ...]]:
    """The rows of the table."""
    first = next(iter(seconds))[1]
    rows: list[tuple[object, ...]] = [
        ("one round", "threads", "clock ms", "over ours", f"over {first} thread")
    ]
    for (name, t), times in seconds.items():
        ratios = quartiles(times / seconds[OURS, t]), quartiles(times / seconds[name, first])
        rows.append((name, t, f"{1e3 * np.median(times):.1f}", *ratios))
    return rows


def products(rounds: int) -> str:
    """The table of --products."""
    rows: list[tuple[object, ...]] = [
        ("dtype", "gradients ms", "products ms", "ratio", "values ms")
    ]
    for dtype in (torch.float32, torch.float64):
        torch.manual_seed(0)
        module = mlp().to(dtype)
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
