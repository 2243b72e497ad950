"""The picture of the front page: one landscape, the same six liars, two trainers.

Usage: python benchmarks/front_picture.py, which writes docs/front.svg and prints both ends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import saddleproof as sp

SEED, LIARS, HALF_WIDTH = 0, 6, 1.7
OUT = Path(__file__).resolve().parents[1] / "docs" / "front.svg"


def path(problem: Any, optimizer: Any) -> tuple[np.ndarray, Any]:
    """(rounds + 1, 2) where a run stands after every round, and its result."""
    across = problem.escape_direction[::-1] * [1, -1]
    start = problem.saddle + 1.4 * across
    attack = sp.SaddleAttack(style="cancel")
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(LIARS))
    points = [start]
    result = sp.minimize(
        fleet, optimizer, aggregator=sp.Median(), b=LIARS, w0=start, seed=SEED, max_rounds=60,
        callback=lambda progress: points.append(progress.w),
    )  # fmt: skip
    return np.array([*points, result.w]), result


def main() -> None:
    """Run both, print both ends, draw both paths."""
    problem = sp.problems.RotatedQuartic(d=2, workers=20, seed=SEED)
    x, y = (np.linspace(c - HALF_WIDTH, c + HALF_WIDTH, 80) for c in problem.saddle)
    loss = np.array([[problem.value(np.array([a, b])) for a in x] for b in y])
    fig, ax = plt.subplots(figsize=(7.2, 4.6))
    ax.contour(x, y, loss, levels=22, cmap="Greys_r", linewidths=0.7)
    runs = {
        "robust gradient descent (median): stops at the fake minimum": (
            sp.GradientDescent(step=0.3), "#D55E00", "X",
        ),
        "saddleproof: leaves it, and certifies where it ends": (sp.CertifiedPGD(), "#0072B2", "o"),
    }  # fmt: skip
    for label, (optimizer, colour, marker) in runs.items():
        points, result = path(problem, optimizer)
        print(f"{label}\n{result}\n")
        width = 1.6 if marker == "o" else 4.5  # the first path stays visible below the second
        ax.plot(*points.T, "-", color=colour, lw=width, alpha=0.8, label=label)
        ax.plot(*points[-1], marker, color=colour, ms=9)
    ax.plot(*problem.saddle, "+", color="black", ms=12, mew=2)
    ax.annotate("saddle point", problem.saddle, (8, -14), textcoords="offset points")
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), frameon=False)
    fig.savefig(OUT, bbox_inches="tight", metadata={"Date": None})
    print(f"wrote {OUT.name}")


if __name__ == "__main__":
    main()
