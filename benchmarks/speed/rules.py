"""The coordinate-wise rules against a copy of the messages, NumPy, PyTorch and three peers.

    python benchmarks rules [--repeats 5] [--numbers 2e7] [--m 8 20 ...] [--peers DIR] [--write]

float32, normal; 20 % of the rows trimmed on each side. All contenders of one size take turns, so
that whatever else the machine does meets them alike; medians of the repeats. "Copies" are times
over that of `X.copy()`, which is what reading the messages once and writing as much takes here.
Sorts and peers, many times slower, get a tenth of the columns and are counted per number: to
their advantage, since less falls out of the cache.

ByzFL, ByzPy and Flower take part if they are in .venv/peers, or wherever `--peers` says:

    pip install --no-deps --target .venv/peers byzfl byzpy flwr

Their dependencies (gigabytes, and older NumPys) stay out; what their rules need is here.
`--write` puts the tables into docs/benchmarks.md and docs/data/rules_bars.csv, and draws
docs/benchmarks.svg.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import ModuleType

import numpy as np
import torch

from common import table
from saddleproof import Mean, Median, TrimmedMean
from saddleproof.aggregators.mean_around_median import MeanAroundMedian
from speed.roofline import roofline

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Where peers are looked for unless `--peers` says otherwise.
PEERS = ROOT / ".venv" / "peers"
SIZES = (8, 20, 50, 100, 300, 1000)
OURS = {
    "mean": Mean,
    "median": Median,
    "trimmed mean": TrimmedMean,
    "mean around median": MeanAroundMedian,
}
#: Sorts and peers are slow: they get this share of the columns, and are counted a number.
SHORTER = 10
WHOLE = ("np.median", "np.partition")  # what the bars compare with gets all
#: What is asked of the median and the trimmed mean with two threads: most copies, and least
#: speed-ups over np.median and np.partition.
BARS = {8: (1.2, 10, 4), 20: (1.2, 10, 4), 50: (1.2, 10, 4), 100: (1.2, 10, 4)}
BARS |= {300: (1.0, 0, 3), 1000: (1.4, 0, 3)}

INEXACT = "median and inexactness"
AROUND = "mean around median, x median"

Contender = Callable[[np.ndarray, int], object]  # X and b
Times = dict[tuple[int, int], dict[str, float]]  # m and threads to nanoseconds a number


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="The coordinate-wise rules, timed")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--numbers", type=float, default=2e7)
    parser.add_argument("--m", type=int, nargs="*", default=SIZES)
    parser.add_argument("--peers", type=Path, default=PEERS if PEERS.exists() else None)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    others = STANDARD | peers(options.peers)
    times = {
        (m, threads): timed(m, int(options.numbers) // m, threads, options.repeats, others)
        for threads in (1, 2)
        for m in options.m
    }
    bars = goals(times)
    tables = [*report(times, bars), memory(options.m, int(options.numbers))]
    tables.append(roofline(int(options.numbers), options.repeats, tuple(options.m)))
    text = "\n\n".join(tables)
    print(text)
    if options.write:
        facts = {"numbers": options.numbers, "cores": os.cpu_count(), "load": os.getloadavg()[1]}
        (DOCS / "benchmarks.md").write_text(PAGE.format(tables=text, **facts))
        with (DOCS / "data" / "rules_bars.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(bars)
        draw(times)


def timed(
    m: int, d: int, threads: int, repeats: int, others: dict[str, Contender]
) -> dict[str, float]:
    """Median nanoseconds a number of each contender, in turns."""
    torch.set_num_threads(threads)
    x = np.random.default_rng(0).standard_normal((m, d), dtype=np.float32)
    part = x[:, : d // SHORTER].copy()
    b = m // 5
    calls: dict[str, Callable[[], object]] = {"copy": x.copy}
    for name, rule in OURS.items():
        calls[name] = lambda rule=rule: rule(threads=threads)(x, b)
    calls[INEXACT] = lambda: Median(threads=threads).estimate(x, b)
    for name, call in others.items():
        given = x if name in WHOLE else part
        calls[name] = lambda call=call, given=given: call(given, b)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:  # the first one warms up
                seconds[name].append(time.perf_counter() - start)
    print(f"m={m} d={d} threads={threads}: done", file=sys.stderr, flush=True)
    return {
        name: median(each) * 1e9 / (part.size if name in others and name not in WHOLE else x.size)
        for name, each in seconds.items()
    }


STANDARD: dict[str, Contender] = {
    "np.median": lambda x, _: np.median(x, axis=0),
    "np.partition": lambda x, _: np.partition(x, len(x) // 2, axis=0),
    "np.sort": lambda x, _: np.sort(x, axis=0),
    "torch.median": lambda x, _: torch.from_numpy(x).median(dim=0),
    "torch.sort": lambda x, _: torch.from_numpy(x).sort(dim=0),
}


def peers(folder: Path | None) -> dict[str, Contender]:
    """The medians of ByzFL, ByzPy and Flower; a line on standard error for each that is missing."""
    if folder is None:
        print("peers skipped: no --peers DIR was given", file=sys.stderr)
        return {}
    sys.path.append(str(folder))
    found: dict[str, Contender] = {}
    for name, load in (("ByzFL", byzfl), ("ByzPy", byzpy), ("Flower", flower)):
        try:
            found[name] = load(folder)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a peer, say so and go on
            print(f"{name} skipped: {error!r}", file=sys.stderr)
    return found


def byzfl(folder: Path) -> Contender:
    """ByzFL's median; the package itself imports torchvision, so only its rules are loaded."""
    package = ModuleType("byzfl")
    package.__path__ = [str(folder / "byzfl")]
    sys.modules["byzfl"] = package
    from byzfl.aggregators.aggregators import Median as TheirMedian

    return lambda x, _: TheirMedian()(x)


def byzpy(_: Path) -> Contender:
    """ByzPy's median, which takes PyTorch tensors."""
    from byzpy.aggregators.coordinate_wise import CoordinateWiseMedian

    return lambda x, _: CoordinateWiseMedian().aggregate(list(torch.from_numpy(x)))


def flower(folder: Path) -> Contender:
    """Flower's median; the module's imports are for its network, which takes no part."""
    for name, names in (
        ("flwr", ()),
        ("flwr.common", ("FitRes", "NDArray", "NDArrays", "parameters_to_ndarrays")),
        ("flwr.server", ()),
        ("flwr.server.client_proxy", ("ClientProxy",)),
    ):
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(dict.fromkeys(names, object))
    path = folder / "flwr" / "server" / "strategy" / "aggregate.py"
    module = ModuleType("aggregate")
    exec(compile(path.read_text(), path, "exec"), vars(module))  # noqa: S102 - the peer's own file
    return lambda x, _: module.aggregate_median([([row], 1) for row in x])


def report(times: Times, bars: list[tuple[object, ...]]) -> list[str]:
    """Copies, speed-ups and the bars that were missed, as Markdown."""
    first = next(iter(times.values()))
    ours = [name for name in first if name in {*OURS, INEXACT}]
    others = [name for name in first if name not in {"copy", *ours}]
    copies = [("m", "threads", *(f"{name}, copies" for name in ours))]
    speedups = [("m", "threads", *(f"over {name}" for name in others))]
    for (m, threads), t in times.items():
        copies.append((m, threads, *(f"{t[name] / t['copy']:.2f}" for name in ours)))
        speedups.append((m, threads, *(f"{t[name] / t['median']:.1f}" for name in others)))
    missed = [bars[0], *(row for row in bars[1:] if row[-1])]
    return [
        "Times in copies of the messages:\n\n" + table(copies),
        "The median, times faster:\n\n" + table(speedups),
        "Goals for two threads. {download}`data/rules_bars.csv` holds all goals, and the table "
        "holds those that\nwere missed:\n\n" + table(missed),
    ]


def goals(times: Times) -> list[tuple[object, ...]]:
    """What was aimed at with two threads, and what was found."""
    bars: list[tuple[object, ...]] = [("m", "what, two threads", "found", "bar", "verdict")]
    for (m, threads), t in times.items():
        if threads == 2 and m in BARS:
            most, medians, partitions = BARS[m]
            for rule in ("median", "trimmed mean"):
                bars.append(bar(m, f"{rule}, copies", t[rule] / t["copy"], most, -1))
                for other, least in (("np.median", medians), ("np.partition", partitions)):
                    bars.append(bar(m, f"{rule}, x {other}", t[other] / t[rule], least))
            bars.append(bar(m, AROUND, t["mean around median"] / t["median"], 1.5, -1))
    return bars


def bar(m: int, what: str, found: float, limit: float, sign: int = 1) -> tuple[object, ...]:
    """A row of the last table: at least the limit, or at most for sign = -1."""
    verdict = "" if sign * found >= sign * limit else "missed"
    return m, what, f"{found:.2f}", f"{'>=' if sign > 0 else '<='} {limit}", verdict


def memory(sizes: tuple[int, ...], numbers: int) -> str:
    """Peak of what each rule allocates beyond its answer, of the messages' size."""
    rows: list[tuple[object, ...]] = [("m", *OURS)]
    for m in sizes:
        x = np.random.default_rng(0).standard_normal((m, numbers // m), dtype=np.float32)
        cells = []
        for rule in OURS.values():
            tracemalloc.start()
            answer = rule(threads=2)(x, m // 5)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            cells.append(f"{(peak - answer.nbytes) / x.nbytes:.2%}")
        rows.append((m, *cells))
    return "Memory beyond messages and answer, two threads, of the messages:\n\n" + table(rows)


def draw(times: Times) -> None:
    """Nanoseconds a number against m, two threads."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    from saddleproof.lab.report.palette import looks

    shown = [*STANDARD, "copy", "trimmed mean", "mean around median", "median"]
    sizes = [m for m, threads in times if threads == 2]
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name, look in looks(shown).items():
        y = [times[m, 2][name] for m in sizes]
        axes.loglog(sizes, y, color=look.color, ls=look.line, marker=look.marker, label=name)
    axes.set(xlabel="rows m", ylabel="ns per number of the messages")
    axes.set_xticks(sizes, [str(m) for m in sizes])
    axes.legend(fontsize=8, ncols=2)
    figure.savefig(DOCS / "benchmarks.svg")


PAGE = """# Benchmarks

![Time per number against the number of rows](benchmarks.svg)

This page compares the speed of the coordinate-wise rules with a copy of the messages, the sorts of
NumPy and PyTorch, and three other libraries. The messages are {numbers:.0e} float32 numbers, and
20 % of the rows are trimmed on each side. A copy is `X.copy()`, which reads the messages once, as
every rule must.

`python benchmarks rules --peers DIR --write` prints the tables and writes this page. It ran on
{cores} cores at a load average of {load:.1f}. A load above {cores} slows two threads down more than
one. The docstring of the script explains the measurement.

{tables}
"""
