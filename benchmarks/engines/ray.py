"""A round of `RayFleet` beside bare Ray with the same bytes, interleaved in one run.

    python benchmarks ray [--workers 20] [--rounds 60] [--d 1000]

Bare Ray is one `ray.get` over one call an actor: no deadline, no partial answers, no statuses.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
import ray

import saddleproof as sp
from common import table
from saddleproof.fleets.ray import INLINE, RayFleet
from saddleproof.questions import Gradients


class Echo:
    """A loss that costs nothing: the points back."""

    def __init__(self, d: int) -> None:
        self.d = d

    def value(self, w: Any, data: Any) -> float:
        """Nobody asks."""
        return 0.0

    def gradient(self, points: Any, data: Any) -> Any:
        """The points themselves."""
        return np.array(points)


def main() -> None:
    """Print medians, quartiles and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--d", type=int, default=1000)
    options = parser.parse_args()
    fleet = RayFleet(sp.Problem(Echo(options.d), [0] * options.workers))
    actors = fleet._actors  # noqa: SLF001 - the same processes for both, or it compares machines
    points = np.random.default_rng(0).standard_normal((1, options.d))
    question = Gradients(points)

    def bare() -> None:
        sent = ray.put(question) if points.nbytes > INLINE else question
        ray.get([actor.vote.remote(sent) for actor in actors])

    def ours() -> None:
        if set(fleet.round(points, round_id=0).status) != {"ok"}:
            raise SystemExit("somebody was late: the machine is too busy for a comparison")

    ways = {"bare Ray": bare, "RayFleet": ours}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(options.rounds + 5):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if turn >= 5:
                seconds[name].append(time.perf_counter() - began)
    fleet.close()
    rows: list[tuple[object, ...]] = [("engine", "median", "quartiles", "against bare Ray")]
    base = statistics.median(seconds["bare Ray"])
    for name, found in seconds.items():
        low, mid, high = statistics.quantiles(found, n=4)
        rows.append(
            (
                name,
                f"{mid * 1e3:.1f} ms",
                f"{low * 1e3:.1f}-{high * 1e3:.1f} ms",
                f"{mid / base:.2f}",
            )
        )
    print(f"{options.workers} actors, d = {options.d}, {options.rounds} rounds each, in turn\n")
    print(table(rows))
