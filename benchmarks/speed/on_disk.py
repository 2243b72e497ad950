"""Messages larger than memory: a rule of one pass and a rule of two over rows on disk.

    python benchmarks on_disk [--gigabytes 8] [--m 100]

float32, normal, a fifth of the rows Byzantine. Each rule runs in a process of its own, whose peak
of resident memory (Linux counts it) is compared with what it was before the rule began.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from saddleproof import Median
from saddleproof.aggregators import MultiKrum
from saddleproof.aggregators.engine.streams import stream

RULES = {"Median": Median(), "MultiKrum": MultiKrum()}


def streamed(name: str, folder: Path, m: int) -> str:
    """One rule over the files of a folder."""
    rule, b = RULES[name], m // 5
    rows = [np.load(folder / f"{i}.npy", mmap_mode="r") for i in range(m)]
    stream(rule, [np.zeros(4096, np.float32)] * m, b)  # compiled
    before, start = peak_memory(), time.perf_counter()
    found = stream(rule, rows, b, progress=progress)
    seconds, grown = time.perf_counter() - start, peak_memory() - before
    return (
        f"{name}: {seconds:.1f} s, peak memory rose by {grown / 1e6:.0f} MB, of which "
        f"{found.vector.nbytes / 1e6:.0f} MB are the answer; inexactness {found.inexactness:.4g}"
    )


def progress(done: int, whole: int) -> None:
    """A line that is written over."""
    end = "" if done < whole else "\n"
    print(f"\r{done / whole:.0%}", end=end, file=sys.stderr, flush=True)


def peak_memory() -> int:
    """Bytes, of this process alone."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def main() -> None:
    """Write the rows, and print one line a rule."""
    parser = argparse.ArgumentParser(description="Rules over rows on disk")
    parser.add_argument("--gigabytes", type=float, default=8)
    parser.add_argument("--m", type=int, default=100)
    told = parser.parse_args()
    d = int(told.gigabytes * 1e9 / 4 / told.m)
    print(f"m={told.m} d={d}, {told.gigabytes} GB")
    with tempfile.TemporaryDirectory() as folder:
        for i in range(told.m):
            row = np.random.default_rng(i).standard_normal(d, dtype=np.float32)
            np.save(f"{folder}/{i}.npy", row)
        for name in RULES:
            with get_context("spawn").Pool(1) as process:
                print(process.apply(streamed, (name, Path(folder), told.m)))
