"""How near the coordinate-wise rules come to the copy bandwidth of a device.

A rule must read m rows of length d once and write one; a copy reads and writes all m. So the limit
is (m + 1) / 2m of the time of a copy, and the share of it that a rule reaches is

    share = time of copying the messages * (m + 1) / (2 m) / time of the rule.

The two ways to sort on a device are shown side by side with what the rule chooses.

    python benchmarks gpu [--device cuda] [--numbers 2e7] [--dtype float32]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import torch

import saddleproof as sp
from common import table
from contents import SKIPPED
from saddleproof.aggregators.coordinatewise import CoordinateWise, average
from saddleproof.aggregators.engine import device_sort

RULES: dict[str, CoordinateWise] = {
    "median": sp.Median(),
    "trimmed mean": sp.TrimmedMean(),
    "mean around median": sp.aggregators.MeanAroundMedian(),
}


def main() -> None:
    """Print the table, or why there is none."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--device", default="cuda")
    options.add_argument("--numbers", type=float, default=2e7, help="in all messages together")
    options.add_argument("--workers", type=int, nargs="+", default=[8, 20, 50, 100])
    options.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    options.add_argument("--repeat", type=int, default=10)
    told = options.parse_args()
    device = torch.device(told.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("skipped: no CUDA device (--device cpu shows that the script runs)")
        sys.exit(SKIPPED)
    if device.type == "cuda":
        print(torch.cuda.get_device_name(device))
    rows: list[tuple[object, ...]] = [
        ("rule", "m", "b", "copy GB/s", "rule ms", "network ms", "sort ms", "share of the limit")
    ]
    for m in told.workers:
        x = torch.randn(m, int(told.numbers) // m, dtype=getattr(torch, told.dtype), device=device)
        copy = seconds(x.clone, device, told.repeat)
        for name, rule in RULES.items():
            b = 3 * m // 10
            window = rule.window(m, b)
            labels, stack = window.labels(m), x[None]
            times = [
                seconds(way, device, told.repeat)
                for way in (
                    lambda: rule(x, b),  # noqa: B023 - timed before the next turn
                    lambda: average(device_sort.by_network(stack, labels), window),  # noqa: B023
                    lambda: average(device_sort.by_sort(stack), window),  # noqa: B023
                )
            ]
            rate = 2 * x.nbytes / copy / 1e9
            share = copy * (m + 1) / (2 * m) / times[0]
            shown = (f"{1e3 * each:.2f}" for each in times)
            rows.append((name, m, b, f"{rate:.0f}", *shown, f"{share:.3f}"))
    print(table(rows))


def seconds(run: Callable[[], object], device: torch.device, repeat: int) -> float:
    """The least time of one call, after one that does not count."""
    times = []
    for _ in range(1 + repeat):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])
