"""The first table of the suite: the trainers of today beside ours, on the PCA of digits."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import median
from typing import Any

import saddleproof as sp
from common import BYZANTINE, lying, share

TRAINERS: dict[str, tuple[str, str]] = {
    "GradientDescent + mean": ("gd", "mean"),
    "GradientDescent + median": ("gd", "median"),
    "PGD + median": ("pgd", "median"),
    "GradientOnlyPGD() + median": ("gradients", "median"),
    "CertifiedPGD() + median": ("certified", "median"),
}


def digits(pool: ProcessPoolExecutor, seeds: range) -> Iterator[tuple[object, ...]]:
    """The trainers of today beside ours; every one but ours is told 1/L and has 300 rounds."""
    yield ("trainer", "left", "median rounds")
    for name, (optimizer, rule) in TRAINERS.items():
        ends = list(pool.map(partial(train, optimizer, rule), seeds))
        yield (name, share([left for left, _ in ends]), f"{median(r for _, r in ends):.0f}")


def train(optimizer: str, rule: str, seed: int) -> tuple[bool, int]:
    """Whether one run left the saddle, and its rounds."""
    problem = sp.problems.PCADigits(components=20, workers=20, seed=seed)
    step = 1 / problem.smoothness
    makes: dict[str, Any] = {
        "gd": sp.GradientDescent(step=step),
        "pgd": sp.optimizers.PGD(step=step),
        "gradients": sp.GradientOnlyPGD(),
        "certified": sp.CertifiedPGD(),
    }
    result = sp.minimize(
        lying(problem, "push", "against", BYZANTINE),
        makes[optimizer],
        aggregator=sp.Mean() if rule == "mean" else sp.Median(),
        b=BYZANTINE,
        w0=problem.start,
        seed=seed,
        max_rounds=300,
        certify=False,
    )
    return problem.left_saddle(result.w), result.rounds
