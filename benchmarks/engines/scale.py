"""What a round costs the server: against m, against d, and column by column.

    python benchmarks scale                      # m to 50, d to 1e6; some minutes
    python benchmarks scale --full               # m to 200, d to 1e7

Workers are processes of this machine that answer with their point, so that what is measured is
the server: copying the point, gathering, admitting and the median.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

import saddleproof as sp
from common import share, table
from saddleproof.columns import aggregate
from saddleproof.fleets.columns import ColumnFleet
from saddleproof.oracle import read


class Echo:
    """A worker whose gradient is the point plus its number."""

    def __init__(self, i: int) -> None:
        self.i = i

    def answer(self, points: Any) -> tuple[Any, None]:
        """The points, moved."""
        return points + float(self.i), None


def memory(what: str) -> float:
    """VmRSS, what this process holds, or VmHWM, the most that it held; in MB."""
    status = Path("/proc/self/status").read_text()
    return float(status.split(f"{what}:")[1].split()[0]) / 1024


def measure(m: int, d: int, columns: int | None, repeats: int, send: Any) -> None:
    """In a process of its own: rounds per second, processor seconds a round, memory."""
    w, b = np.zeros(d), (m - 1) // 3
    w[:] = 1.0
    sp.Median().estimate(np.zeros((m, 10**6 // m)), b)  # the kernel is compiled and in memory
    with closing(ColumnFleet([Echo(i) for i in range(m)], d)) as fleet:
        fleet.open(w)
        fleet.columns(0, 1)  # the workers have computed
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = memory("VmRSS")
        wall, used = time.perf_counter(), time.process_time()
        for _ in range(repeats):
            one_round(fleet, w, b, columns)
        wall, used = time.perf_counter() - wall, time.process_time() - used
        send.send((repeats / wall, used / repeats, memory("VmHWM") - before))


def one_round(fleet: ColumnFleet, w: Any, b: int, columns: int | None) -> None:
    """The whole message at once, or some columns at a time."""
    if columns is not None:
        aggregate(fleet, sp.Median(), w, b, columns=columns, out=w)
        return
    fleet.open(w)
    messages = fleet.columns(0, len(w))
    reading = read(messages, sp.Median(), b, points=w[None], workers=fleet.workers)
    w[:] = reading.gradient[0]


def row(m: int, d: int, columns: int | None = None) -> tuple[str, ...]:
    """One line of the table."""
    repeats = max(2, min(50, int(2e7 / (m * d))))
    receive, send = multiprocessing.get_context("spawn").Pipe(duplex=False)
    arguments = (m, d, columns, repeats, send)
    process = multiprocessing.get_context("spawn").Process(target=measure, args=arguments)
    process.start()
    rate, used, held = receive.recv()
    process.join()
    return (
        f"{m}",
        f"{d:.0e}",
        "all" if columns is None else f"{columns:.0e}",
        f"{rate:.3g}",
        f"{m * d * 8 / 1e6:.3g} MB",
        f"{used / (m * d) * 1e9:.3g} ns",
        f"{held:.0f} MB",
        f"{held * 2**20 / (m * (columns or d) * 8):.1f}",
    )


HEAD = (
    "m",
    "d",
    "columns",
    "rounds/s",
    "gathered",
    "server CPU a number",
    "server memory",
    "memory / (m x columns)",
)


def median_of(rows: Any, groups: int) -> Any:
    """The median of the medians of equal groups, in the order of the rows."""
    return np.median(np.median(rows.reshape(groups, -1), axis=1))


def trees(assignments: int = 2000) -> list[tuple[str, ...]]:
    """Flat median and tree of medians, liars placed at random and placed by themselves."""
    rows: list[tuple[str, ...]] = [
        (
            "m",
            "groups",
            "liars",
            "share",
            "flat: worst error",
            "tree, liars choose seats",
            "tree, seats drawn: captured",
        )
    ]
    rng = np.random.default_rng(0)
    for groups, size in ((3, 3), (9, 3), (11, 9), (33, 3)):
        m = groups * size
        enough = (size // 2 + 1) * (groups // 2 + 1)  # a majority of groups, by a majority of each
        for b in sorted({enough, m // 4}):
            lie, flat, captured = 1e6, 0.0, []
            for _ in range(assignments):
                values = rng.standard_normal(m)
                values[rng.permutation(m)[:b]] = lie
                flat = max(flat, abs(float(np.median(values))))
                captured.append(median_of(values, groups) > 1e3)
            values = rng.standard_normal(m).reshape(groups, size)
            seats = [(g, s) for g in range(groups) for s in range(size // 2 + 1)][:b]
            for g, s in seats:
                values[g, s] = lie
            chosen = median_of(values.ravel(), groups)
            rows.append(
                (
                    f"{m}",
                    f"{groups} x {size}",
                    f"{b}",
                    f"{b / m:.2f}",
                    f"{flat:.2g}",
                    f"{abs(chosen):.2g}",
                    share(captured),
                )
            )
    return rows


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    full = parser.parse_args().full
    sizes = [(8, 1000), (8, 10**6), (20, 1000), (20, 10**6), (50, 1000), (50, 10**5)]
    if full:
        sizes += [(100, 10**4), (200, 1000), (200, 10**5), (8, 10**7), (20, 10**7)]
    widths = [(20, 10**6, 10**5), (20, 10**6, 10**4)]
    widths += [(20, 10**7, 10**5), (20, 10**7, 10**6)] if full else []
    print("Column by column\n")
    print(table([HEAD, *(row(*sized) for sized in widths)]), flush=True)
    print("\nWhole messages\n")
    print(table([HEAD, *(row(m, d) for m, d in sizes)]), flush=True)
    print("\nA tree of medians, honest numbers N(0, 1), lies 1e6; 2000 draws, Wilson intervals\n")
    print(table(trees()))
