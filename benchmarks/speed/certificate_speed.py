"""What a certificate costs beside its bare Hessian-vector products, and those beside gradients.

The workers of `sp.torch.certify`, 20 with 250 rows each, in float64; an MLP with tanh, whose hidden
layer has as many parameters as asked. In every turn, one after the other:

    gradients    all workers' gradients on all rows, once
    products     all workers' products with a vector each, as many calls as the certificate makes
    certificate  `sp.certify` at that point: one gradient, LeastCurvature, Curvatures, the claims

"over bare" is the time of a certificate over that of its products alone, and "over gradients" that
of one product over that of one gradient: quartiles of the ratios of each turn, which other work on
the machine moves less than the times. "Lanczos MB" is what all workers' vectors take together, and
"grew MB" how much the process grew in all turns.

    python benchmarks certificate_speed [--hidden 64 252] [--rounds 3] [--threads 1 2]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import saddleproof as sp
from common import quartiles, table
from saddleproof.certificate import Budget
from saddleproof.torch.judging import judged
from speed.torch_speed import use

WORKERS, ROWS, LIARS = 20, 250, 6


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--hidden", type=int, nargs="+", default=[64, 252])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    told = options.parse_args()
    rows: list[tuple[object, ...]] = [
        (
            "parameters", "threads", "gradient ms", "product ms", "over gradients",
            "certificate s", "products", "over bare", "Lanczos MB", "grew MB",
        )
    ]  # fmt: skip
    for threads in told.threads:
        use(threads)
        rows += [measured(hidden, threads, told.rounds) for hidden in told.hidden]
    print(table(rows))


def measured(hidden: int, threads: int, rounds: int) -> tuple[object, ...]:
    """A row of the table."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(784, hidden), nn.Tanh(), nn.Linear(hidden, 10))
    shards = [(torch.randn(ROWS, 784), torch.randint(0, 10, (ROWS,))) for _ in range(WORKERS)]
    problem = judged(module, cross_entropy, shards)
    fleet, w = sp.LocalFleet(problem), np.asarray(problem.start, dtype=float)
    vectors = np.random.default_rng(0).standard_normal((WORKERS, 1, problem.d))
    steps, _ = Budget().split(WORKERS, LIARS)
    spent = sp.certify(fleet, w, sp.Median(), LIARS, seed=0).products
    before = grown()
    times = np.array(
        [
            [
                seconds(lambda: problem.gradients(w[None])),
                seconds(lambda: [problem.products(w, vectors) for _ in range(spent)]),
                seconds(lambda: sp.certify(fleet, w, sp.Median(), LIARS, seed=0)),
            ]
            for _ in range(rounds)
        ]
    )
    gradient, products, certificate = np.median(times, axis=0)
    return (
        problem.d, threads, f"{1e3 * gradient:.1f}", f"{1e3 * products / spent:.1f}",
        quartiles(times[:, 1] / spent / times[:, 0]), f"{certificate:.2f}", spent,
        quartiles(times[:, 2] / times[:, 1]),
        f"{WORKERS * (steps + 1) * problem.d * 8 / 1e6:.0f}", f"{grown() - before:.0f}",
    )  # fmt: skip


def seconds(run: Callable[[], object]) -> float:
    """Of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def grown() -> float:
    """The most memory that this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
