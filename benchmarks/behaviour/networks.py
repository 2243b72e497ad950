"""Who leaves the saddles of small networks, when 6 of 20 workers lie?

A run starts next to an exact saddle point and has left when it lost over half of the loss between
saddle and minimum. All liars push back towards the saddle (`SaddleAttack`, "push").

    ae_digits       linear autoencoder of digits, 20 components, 2 units, d = 80
    split_neuron    two tanh units that are copies of one (Fukumizu & Amari 2000), d = 22
    ae_mnist100     linear autoencoder of MNIST, 100 components, 4 units, d = 800
    ae_mnist200     the same with 200 components and 32 units of which one is wrong, d = 12 800
    few_rows        split_neuron with 100 rows a worker instead of 2000, so that noise hides more

The last column is the truth about where the runs ended: the lowest eigenvalue of the pooled
Hessian, the median over the seeds and the worst.

    python benchmarks networks [--seeds 40] [--rounds 300] [--only NAME ...]
        [--methods METHOD ...] [--ledger networks.csv]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import nn

import saddleproof as sp
from common import BYZANTINE, share, table
from ledger import Ledger

WORKERS = 20
#: Length of the start's offset from the saddle.
OFFSET = 1e-3


class Student(nn.Module):
    """v' tanh(W x)."""

    def __init__(self, units: int, inputs: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.empty(units, inputs, dtype=torch.float64))
        self.v = nn.Parameter(torch.empty(units, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs) to (n,)."""
        return torch.tanh(x @ self.W.T) @ self.v


def half_square(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean of (output - target)^2 / 2."""
    return ((output - target) ** 2).mean() / 2


def split_neuron(seed: int, rows: int = 2000, inputs: int = 10) -> Any:
    """A teacher with two units, and a student whose two units are copies of the best single one.

    y = tanh(2 x_1) - tanh(2 x_2) + .1 N(0, 1) with x ~ N(0, I): directions may be turned at will,
    so the teacher's are taken to be the axes.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((WORKERS, rows, inputs))
    y = np.tanh(2 * x[..., 0]) - np.tanh(2 * x[..., 1])
    shards = list(zip(x, y + 0.1 * rng.standard_normal(y.shape), strict=True))
    alone = sp.torch.TorchProblem(Student(1, inputs), half_square, shards)
    starts = [0.5 * rng.standard_normal(alone.d) for _ in range(3)]
    w, v = np.split(min((rest(alone, start) for start in starts), key=alone.value), [inputs])
    problem = sp.torch.TorchProblem(Student(2, inputs), half_square, shards, name="split_neuron")
    problem.saddle = np.concatenate([w, w, v / 2, v / 2])
    curvature, vectors = np.linalg.eigh(problem.hessian(problem.saddle))
    away = problem.saddle + 0.1 * vectors[:, 0]
    return placed(problem, rng, rest(problem, away), float(np.abs(curvature).max()))


def autoencoder(seed: int, **options: Any) -> Any:
    """A linear autoencoder next to its saddle."""
    problem = sp.problems.LinearAutoencoder(workers=WORKERS, seed=seed, **options)
    ends = (problem.saddle, problem.minimum)
    L = 1.2 * max(abs(eigenvalue(problem, w, "LM")) for w in ends)
    return placed(problem, np.random.default_rng(seed), problem.minimum, L)


def rest(problem: Any, start: np.ndarray) -> np.ndarray:
    """Where honest descent ends."""
    found = minimize(
        problem.value,
        start,
        jac=problem.gradient,
        method="L-BFGS-B",
        options={"maxiter": 500, "ftol": 1e-14, "gtol": 1e-9},
    )
    return np.asarray(found.x)


def eigenvalue(problem: Any, w: np.ndarray, which: str) -> float:
    """The largest ("LM") or the lowest ("SA") eigenvalue of the pooled Hessian, by Lanczos."""
    h = 1e-4

    def product(v: np.ndarray) -> np.ndarray:
        u = v.ravel() / np.linalg.norm(v)
        bend = problem.gradient(w + h * u) - problem.gradient(w - h * u)
        return np.asarray(bend * (np.linalg.norm(v) / (2 * h)))

    H = LinearOperator((problem.d, problem.d), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(problem.d)
    return float(eigsh(H, k=1, which=which, tol=1e-3, v0=start, return_eigenvectors=False)[0])


def placed(problem: Any, rng: np.random.Generator, minimum: np.ndarray, L: float | None) -> Any:
    """The problem, a start next to the saddle, the value that must be passed, and L."""
    offset = OFFSET * rng.standard_normal(problem.d) / np.sqrt(problem.d)
    bar = (problem.value(problem.saddle) + problem.value(minimum)) / 2
    return problem, problem.saddle + offset, bar, L


PROBLEMS: dict[str, Callable[[int], Any]] = {
    "ae_digits": lambda seed: autoencoder(seed, images="digits", components=20, units=(4, 9)),
    "split_neuron": split_neuron,
    "ae_mnist100": lambda seed: autoencoder(
        seed, images="mnist", components=100, units=(10, 11, 12, 13)
    ),
    "ae_mnist200": lambda seed: autoencoder(
        seed, images="mnist", components=200, units=tuple(range(1, 33))
    ),
    "few_rows": lambda seed: split_neuron(seed, rows=100),
}
#: Methods take L, which descent gets for nothing and the default does not ask for.
METHODS: dict[str, Callable[[float], tuple[Any, Any]]] = {
    "GradientDescent(1/L) + median": lambda L: (sp.GradientDescent(step=1 / L), sp.Median()),
    "GradientDescent(1/L) + trimmed mean": lambda L: (
        sp.GradientDescent(step=1 / L),
        sp.TrimmedMean(),
    ),
    "CertifiedPGD() + median": lambda _: (sp.CertifiedPGD(), sp.Median()),
}


def main() -> None:
    """Print one table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, default=40)
    options.add_argument("--rounds", type=int, default=300)
    options.add_argument("--only", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    options.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    options.add_argument("--ledger", type=Path)
    told = options.parse_args()
    torch.set_num_threads(1)
    heading = ("problem", "d", "method", "left", "rounds", "ended", "level", "lambda_min")
    print("|".join(["", *heading, ""]))
    ledger = Ledger(told.ledger, Outcome, ("problem", "seed", "method", "budget"))
    for name in told.only:
        keys = [
            (name, seed, method, told.rounds)
            for seed in range(told.seeds)
            for method in told.methods
        ]
        runs = ledger.runs(one, keys)
        rows: list[tuple[object, ...]] = [heading]
        for method in told.methods:
            some = [run for run in runs if run.method == method]
            lowest = [run.lowest for run in some]
            rows.append(
                (
                    name,
                    some[0].d,
                    method,
                    share([run.left for run in some]),
                    f"{np.median([run.rounds for run in some]):.0f}",
                    counted([run.status for run in some]),
                    counted([run.level for run in some]),
                    f"{np.median(lowest):.3f}, {min(lowest):.3f}",
                )
            )
        print("\n".join(table(rows).splitlines()[2:]), flush=True)


@dataclass(frozen=True)
class Outcome:
    """One run: which, and what became of it.

    Attributes:
        budget: rounds at most.
        lowest: the lowest eigenvalue of the pooled Hessian at the end.
    """

    problem: str
    seed: int
    method: str
    budget: int
    d: int
    left: bool
    rounds: int
    status: str
    level: str
    lowest: float


@lru_cache(maxsize=1)
def built(name: str, seed: int) -> Any:
    """What `placed` gives; all methods of a seed share it."""
    return PROBLEMS[name](seed)


def one(name: str, seed: int, method: str, budget: int) -> Outcome:
    """One run of one method."""
    problem, start, bar, L = built(name, seed)
    optimizer, rule = METHODS[method](L)
    attack = sp.SaddleAttack(problem.saddle, strength=L)
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, range(BYZANTINE))
    result = sp.minimize(
        fleet, optimizer, aggregator=rule, b=BYZANTINE, w0=start, seed=seed,
        max_rounds=budget, certify="Certified" in method,
    )  # fmt: skip
    return Outcome(
        problem=name,
        seed=seed,
        method=method,
        budget=budget,
        d=problem.d,
        left=bool(problem.value(result.w) < bar),
        rounds=result.rounds,
        status=str(result.status),
        level="-" if result.certificate is None else str(result.certificate.level),
        lowest=eigenvalue(problem, result.w, "SA"),
    )


def counted(words: list[str]) -> str:
    """Each word and how often: second_order 38, budget 2."""
    return ", ".join(f"{word} {words.count(word)}" for word in sorted({*words}))
