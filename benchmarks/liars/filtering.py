"""Iterative filtering beside coordinates: the worst of seven attacks, and how it grows.

    python benchmarks filtering [--seeds 3] [--cost]

Originals are Gaussian, m rows of length d with unit variance about a mean of norm 3; b = alpha m of
them are replaced. The error is ||answer - mean of the originals|| / (s0 sqrt(alpha)), where s0^2 is
the largest eigenvalue of the originals' covariance, the least sigma^2 with (61). Lemma 5 says that
for filtering it stays bounded, whatever d, m and alpha; "honest mean" is the mean of the rows that
do not lie. Each figure is the median over the seeds, of the worst attack against that rule:

    large      a cluster 10^4 away                  alie       mean - 1.5 standard deviations
    hide       a cluster as far as a worker         ipm        -0.5 times the mean
    two        clusters on both sides, unequal      threshold  a cluster at the worst of five radii
    spread     the same radii, along five directions

The second table has log-log slopes of the raw error. In n, rows are means of n skewed numbers,
Exp(1) - 1, m = 40, d = 100, alpha = .1, where a median has a bias of its own.

--cost: CPU seconds at m = 1000, d = 100 000, float32 (needs 1 GB), in units of one Gram matrix.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import saddleproof as sp
from common import table
from saddleproof.aggregators.engine.gram import gram

BASE = {"m": 100, "d": 200, "alpha": 0.1}
SWEEPS = {
    "d": (10, 40, 160, 640),
    "alpha": (0.05, 0.1, 0.2, 0.24),
    "m": (50, 100, 200),
    "n": (1, 4, 16, 64, 256),
}
RADII = (0.5, 0.75, 1.0, 1.5, 2.5)  # in s0 / sqrt(alpha): where a cluster doubles the variance
ATTACKS = ("large", "hide", "alie", "ipm", "two", "threshold", "spread")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="Worst of seven attacks, and slopes")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cost", action="store_true")
    options = parser.parse_args()
    if options.cost:
        cost()
        return
    seeds = range(options.seeds)
    sweeps = {
        name: [
            worst({**BASE, name: value} if name != "n" else skewed(value), seeds)
            for value in values
        ]
        for name, values in SWEEPS.items()
    }
    names = list(sweeps["d"][0])
    print("Worst of seven attacks, error / (s0 sqrt(alpha))\n")
    rows = [
        [f"{name} = {value}", *(f"{found[rule][0]:.2f}" for rule in names)]
        for name in ("d", "alpha", "m")
        for value, found in zip(SWEEPS[name], sweeps[name], strict=True)
    ]
    print(table([["m = 100, d = 200, alpha = .1, but", *names], *rows]))
    print("\nLog-log slopes of the raw error (in brackets, of error / (s0 sqrt(alpha)))\n")
    slopes = [[rule, *(slope(name, sweeps[name], rule) for name in SWEEPS)] for rule in names]
    print(table([["rule", *(f"in {name}" for name in SWEEPS)], *slopes]))


def cost(m: int = 1000, d: int = 100_000, alpha: float = 0.2) -> None:
    """Print what the rule costs beside the Gram matrix that it starts from."""
    x = np.random.default_rng(0).standard_normal((m, d), dtype=np.float32)
    b = round(alpha * m)
    rule = sp.IterativeFiltering()
    rule(x[:, :1000], b)  # warm up: SciPy is loaded
    for name, shift in (("nobody lies", 0.0), ("a cluster", 0.3)):
        x[:b] += np.float32(shift)
        grams = min(cpu_seconds(lambda: gram(x)) for _ in range(2))
        print(
            f"{name}: {cpu_seconds(lambda: rule(x, b)) / grams:.2f} Gram matrices of {grams:.1f} s"
        )


def cpu_seconds(call: Callable[[], object]) -> float:
    """CPU time of one call, which other processes on the machine disturb least."""
    start = time.process_time()
    call()
    return time.process_time() - start


def skewed(n: int) -> dict[str, float]:
    """The setting of the sweep in n."""
    return {"m": 40, "d": 100, "alpha": 0.1, "n": n}


def slope(name: str, sweep: list[dict[str, tuple[float, float]]], rule: str) -> str:
    """The slopes of the raw error and of the scaled one."""
    x = np.log(SWEEPS[name])
    scaled, raw = (np.polyfit(x, np.log([f[rule][k] for f in sweep]), 1)[0] for k in (0, 1))
    return f"{raw:+.2f} ({scaled:+.2f})"


def worst(setting: dict[str, float], seeds: range) -> dict[str, tuple[float, float]]:
    """Rule to its worst attack's (scaled, raw) error, medians over the seeds."""
    runs = [one(np.random.default_rng(seed), **setting) for seed in seeds]
    return {
        rule: tuple(np.median([run[rule] for run in runs], axis=0))  # type: ignore[misc]
        for rule in runs[0]
    }


def one(
    rng: np.random.Generator, m: int, d: int, alpha: float, n: int | None = None
) -> dict[str, tuple[float, float]]:
    """Rule to (scaled, raw) error on one draw of the originals."""
    b = round(alpha * m)
    originals = draw(rng, m, d, n)
    mean = originals.mean(axis=0)
    s0 = float(np.linalg.norm(originals - mean, 2) / np.sqrt(m))
    found: dict[str, float] = {}
    for attack in ATTACKS:
        for rows in lies(attack, rng, originals, b, s0):
            for name, rule in rules(b).items():
                error = float(np.linalg.norm(rule(np.concatenate([rows, originals[b:]])) - mean))
                found[name] = max(found.get(name, 0.0), error)
    return {name: (error / (s0 * np.sqrt(alpha)), error) for name, error in found.items()}


def rules(b: int) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """The rules of the table; the first is told who lies."""
    return {
        "honest mean": lambda x: x[b:].mean(axis=0),
        "median": lambda x: sp.Median()(x, b),
        "trimmed mean": lambda x: sp.TrimmedMean()(x, b),
        "geometric median": lambda x: sp.aggregators.GeometricMedian()(x, b),
        "filtering": lambda x: sp.IterativeFiltering()(x, b),
    }


def draw(rng: np.random.Generator, m: int, d: int, n: int | None) -> np.ndarray:
    """m originals, about a mean of norm 3 that all directions share."""
    if n is None:
        return rng.standard_normal((m, d)) + 3 / np.sqrt(d)
    return rng.gamma(n, 1 / n, (m, d)) - 1 + 3 / np.sqrt(n * d)


def lies(
    attack: str, rng: np.random.Generator, originals: np.ndarray, b: int, s0: float
) -> Iterator[np.ndarray]:
    """(b, d) rows; several sets of them where the attack picks the worst."""
    m, d = originals.shape
    mean, std = originals[b:].mean(axis=0), originals[b:].std(axis=0)
    away = np.ones(d) / np.sqrt(d)
    reach = float(np.median(np.linalg.norm(originals - mean, axis=1)))
    same = np.ones((b, 1))
    if attack == "large":
        yield same * (mean + 1e4 * s0 * away)
    elif attack == "hide":
        yield same * (mean + reach * away)
    elif attack == "alie":
        yield same * (mean - 1.5 * std)
    elif attack == "ipm":
        yield same * (-0.5 * mean)
    elif attack == "two":
        sides = np.where(np.arange(b) % 2, -0.5, 1.0)[:, None]
        yield mean + reach * sides * away
    else:
        ways = away[None] if attack == "threshold" else directions(rng, d)
        for radius in RADII:
            yield mean + radius * s0 * np.sqrt(m / b) * ways[np.arange(b) % len(ways)]


def directions(rng: np.random.Generator, d: int) -> np.ndarray:
    """Five orthogonal unit vectors, or as many as there are."""
    found: np.ndarray = np.linalg.qr(rng.standard_normal((d, min(5, d))))[0].T
    return found
