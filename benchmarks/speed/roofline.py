"""Why the median costs what it costs: reading alone, comparing alone, and both.

    python benchmarks roofline [--numbers 2e7] [--repeats 9] [--m 8 20 ...] [--threads 1 2]

float32. "reading" brings every number into the block's scratch and does nothing with it;
"comparing" runs the network on a block that is in the cache already. A median can be no quicker
than the larger of the two, and takes their sum where they do not overlap. All take turns; medians
of the repeats, in copies of the messages (`X.copy()`). Threads take equal shares of the blocks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import numba
import numpy as np

from common import table
from saddleproof import Median
from saddleproof.aggregators.engine import kernels
from saddleproof.aggregators.engine import kernels_compiled as kernel
from saddleproof.aggregators.engine.networks import network

SIZES = (8, 20, 50, 100, 300, 1000)
NOTHING = np.empty(0, np.int64)


@numba.njit(nogil=True)
def reading(scratch, addresses, first, last):
    """Load the blocks from the first to before the last."""
    width = scratch.shape[1]
    for block in range(first, last):
        for i in range(len(scratch)):
            offset = block * width * scratch.itemsize
            kernel.load(scratch, i, addresses[i] + offset, scratch.itemsize, width)


@numba.njit(nogil=True)
def comparing(scratch, steps, blocks, nothing):
    """Sort one block again and again."""
    for _ in range(blocks):
        kernel.arrange(scratch, steps, scratch.shape[1], nothing, 0, 0)


def measured(m: int, numbers: int, repeats: int, threads: int) -> dict[str, float]:
    """Median seconds of each part over the same messages."""
    share = numbers // m // kernel.LANES // threads
    d = share * threads * kernel.LANES
    x = np.random.default_rng(0).standard_normal((m, d), dtype=np.float32)
    rule, b = Median(threads=threads), m // 5
    steps = network(rule.window(m, b).labels(m))
    addresses = np.array([row.ctypes.data for row in x])

    def read(thread: int) -> None:
        reading(scratch[thread], addresses, thread * share, (thread + 1) * share)

    def compare(thread: int) -> None:
        scratch[thread][:] = x[:, : kernel.LANES]
        comparing(scratch[thread], steps, share, NOTHING)

    scratch = [kernels.aligned((m, kernel.LANES), x.dtype) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        parts: dict[str, Callable[[], object]] = {
            "copy": x.copy,
            "reading": lambda: list(pool.map(read, range(threads))),
            "comparing": lambda: list(pool.map(compare, range(threads))),
            "median": lambda: rule(x, b),
        }
        seconds: dict[str, list[float]] = {name: [] for name in parts}
        for turn in range(repeats + 1):
            for name, part in parts.items():
                start = time.perf_counter()
                part()
                if turn:  # the first one compiles
                    seconds[name].append(time.perf_counter() - start)
    return {name: median(each) for name, each in seconds.items()}


def roofline(
    numbers: int, repeats: int, sizes: tuple[int, ...] = SIZES, threads: tuple[int, ...] = (1, 2)
) -> str:
    """The table, as Markdown."""
    head = ("m", "threads", "reading", "comparing", "larger", "sum", "median")
    rows: list[tuple[object, ...]] = [head]
    for count in threads:
        for m in sizes:
            s = measured(m, numbers, repeats, count)
            read, compare, whole = (
                s[name] / s["copy"] for name in ("reading", "comparing", "median")
            )
            cells = (read, compare, max(read, compare), read + compare, whole)
            rows.append((m, count, *(f"{cell:.2f}" for cell in cells)))
    return "What the median is made of, in copies of the messages:\n\n" + table(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What bounds the median")
    parser.add_argument("--numbers", type=float, default=2e7)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--m", type=int, nargs="*", default=SIZES)
    parser.add_argument("--threads", type=int, nargs="*", default=(1, 2))
    options = parser.parse_args()
    print(roofline(int(options.numbers), options.repeats, tuple(options.m), tuple(options.threads)))
