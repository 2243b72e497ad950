"""The figure of docs/scale.md: measured curves over m, d and q, and what a worker downloads."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from engines.costs import PLANS, STEP, Asked
from saddleproof.questions import Curvatures

LABELS = {"m": "workers m (d = 2e4)", "d": "numbers d (m = 20)", "q": "points q (m = 20, d = 3e4)"}


def draw(
    curves: Mapping[str, list[tuple[int, float]]], slopes: Mapping[str, float], out: Path
) -> None:
    """Write scale.svg, and data/scale_curves.csv with its measured points."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "scale"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(14, 3.4), layout="constrained")
    rows: list[tuple[object, ...]] = [("axis", "size", "processor seconds a round, measured")]
    for ax, (axis, points) in zip(axes, curves.items(), strict=False):
        x, y = zip(*points, strict=True)
        ax.loglog(x, y, "o-", color="#0072B2")
        ax.set_xticks(x, [f"{size:g}" for size in x], minor=False)
        ax.minorticks_off()
        ax.set(xlabel=LABELS[axis], title=f"measured: exponent {slopes[axis]:.2f}")
        rows += [(axis, size, f"{took:.4g}") for size, took in points]
    axes[0].set_ylabel("processor s, round of gradients")
    workers = (100, 1000, 10**4, 10**5)
    for plan, p in PLANS.items():
        ratios = [
            Asked(Curvatures, p(m, 3 * m // 10)).down(10**9) / STEP.down(10**9) for m in workers
        ]
        axes[3].loglog(workers, ratios, "o-", label=f"rate {plan}")
    axes[3].axhline(1, color="black", ls=":", label="gradient, FedAvg")
    axes[3].set(xlabel="workers m", ylabel="over FedAvg's", title="not measured: bytes down")
    axes[3].legend(fontsize=7)
    figure.savefig(out / "scale.svg", metadata={"Date": None})
    with (out / "data" / "scale_curves.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
