"""A device judged in ten minutes: its tests, kernels, questions and `fit`, beside the CPU.

    python benchmarks gpu [--device cuda] [--seconds 600] [--out FOLDER]
    python benchmarks gpu --device cpu     # a dry run: the CPU stands for the device

Device and CPU take turns, the clock stops when the device is done, and two first turns do not
count. Rules, gradients, values, products and the loss at the end are compared with float64 NumPy,
the certificate with the CPU's. A part for which no time is left says so. The exit status is 1 if a
comparison or a test failed, and 77 without the device.

"share of copy limit" says how near a rule comes to the copy bandwidth: it must read m rows and
write one, a copy reads and writes m, so the share is (time of a copy) (m + 1) / (2 m) / (time of
the rule). "network" and "sort" are the two ways to sort on a device, of which the rule takes one.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

import saddleproof as sp
from common import table
from contents import BENCHMARKS, SKIPPED
from saddleproof.aggregators.coordinatewise import CoordinateWise, average
from saddleproof.aggregators.engine import device_sort
from speed import device as by
from speed.device import Row, judged, ms, ratio
from speed.device_learning import fit, questions

#: Rules, and the same in float64 NumPy.
RULES: dict[str, tuple[CoordinateWise, Callable[[np.ndarray, int], np.ndarray]]] = {
    "median": (sp.Median(), by.median),
    "trimmed mean": (sp.TrimmedMean(), by.trimmed_mean),
    "mean around median": (sp.aggregators.MeanAroundMedian(), by.around_median),
}
#: Columns that are compared with NumPy.
COMPARED = 20_000
#: What needs a device; all of it is skipped where there is none.
TESTS = ("tests/aggregators/test_device_sort.py", "tests/torch/test_problem.py")


def tests(_: argparse.Namespace, device: torch.device, ends: float) -> Iterator[Row]:
    """The tests that need a device, in a process of their own."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "a_device or their_device",
    ]
    try:
        ran = subprocess.run(  # noqa: S603 - the command is ours
            [*command, *TESTS], cwd=BENCHMARKS.parent, capture_output=True, text=True,
            check=False, timeout=max(ends - time.monotonic(), 1),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        yield Row("tests", "pytest", verdict="FAILED: out of time")
        return
    counts = {
        what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|skipped|error)", ran.stdout)
    }
    told_by = ", ".join(f"{n} {what}" for what, n in counts.items())
    good = ran.returncode == 0 and (device.type != "cuda" or counts.get("skipped", 0) == 0)
    verdict = "FAILED" if not good else "holds" if counts.get("passed") else "skipped: no device"
    yield Row("tests", "pytest", told_by, verdict=verdict)


def kernels(told: argparse.Namespace, device: torch.device, ends: float) -> Iterator[Row]:
    """The rules that sort."""
    dtype = getattr(torch, told.dtype)
    chance = torch.Generator("cpu").manual_seed(0)
    for m in told.workers:
        here = torch.randn(m, int(told.numbers) // m, dtype=dtype, generator=chance)
        x, array, b = here.to(device), here.numpy(), 3 * m // 10
        for name, (rule, exact) in RULES.items():
            size = f"{m} x {x.shape[1]} {told.dtype}, b = {b}"
            if time.monotonic() > ends:
                yield Row("kernels", name, size, verdict="no time left")
                continue
            window = rule.window(m, b)
            labels, stack = window.labels(m), x[None]
            first = by.clocked(lambda: rule(x, b), device)  # noqa: B023 - at once
            yield Row("build", f"first {name}", size, f"{first:.3g}")
            things = {
                "copy": x.clone,
                "rule": lambda: rule(x, b),  # noqa: B023
                "cpu": lambda: rule(array, b),  # noqa: B023
                "network": lambda: average(device_sort.by_network(stack, labels), window),  # noqa: B023
                "sort": lambda: average(device_sort.by_sort(stack), window),  # noqa: B023
            }
            times = by.in_turn(things, device, told.repeat)
            share = ratio(times["copy"] * (m + 1) / (2 * m), times["rule"])
            error = by.off(rule(x, b)[:COMPARED], exact(array[:, :COMPARED].astype(float), b))
            yield Row(
                "kernels", name, size, ms(times["rule"]), ms(times["cpu"]),
                ratio(times["cpu"], times["rule"]), ms(times["network"]), ms(times["sort"]), share,
                **judged(error, 8 * float(torch.finfo(dtype).eps)),
            )  # fmt: skip


def main() -> None:
    """Print the table, or why there is none."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--device", default="cuda")
    options.add_argument("--seconds", type=float, default=600, help="after which no part begins")
    options.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options.add_argument("--out", type=Path, help="folder for gpu.csv and gpu.md")
    options.add_argument("--numbers", type=float, default=2e7, help="in all messages together")
    options.add_argument("--workers", type=int, nargs="+", default=[8, 20, 50, 100])
    options.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    options.add_argument("--hidden", type=int, default=252)
    options.add_argument("--rows", type=int, default=250, help="of a worker")
    options.add_argument("--products", type=int, default=24, help="of the certificate, 12 or more")
    options.add_argument("--rounds", type=int, default=50, help="of fit")
    options.add_argument("--repeat", type=int, default=10)
    told = options.parse_args()
    ends, device = time.monotonic() + told.seconds, torch.device(told.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("skipped: no CUDA device (--device cpu shows that the script runs)")
        sys.exit(SKIPPED)
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else "dry run: no device, the CPU twice"
    )
    head = f"{name}; PyTorch {torch.__version__}, saddleproof {sp.__version__}"
    print(head, flush=True)
    rows: list[Row] = []
    for part in told.parts:
        if time.monotonic() >= ends:
            rows.append(Row(part, "all of it", verdict="no time left"))
            continue
        for row in PARTS[part](told, device, ends):
            rows.append(row)
            print(*filter(None, vars(row).values()), sep="; ", flush=True)
            if told.out:
                by.write(rows, head, told.out)
    print(table(by.cells_of(rows)))
    if told.out:
        by.write(rows, head, told.out)
    if any(row.verdict.startswith("FAILED") for row in rows):
        sys.exit(1)


PARTS: dict[str, Callable[[argparse.Namespace, torch.device, float], Iterator[Row]]] = {
    "tests": tests, "kernels": kernels, "questions": questions, "fit": fit,
}  # fmt: skip
