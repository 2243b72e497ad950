"""Multi-Krum and the geometric median against plain NumPy and, where installed, other libraries.

    PYTHONPATH=DIR python benchmarks gram_rules [m] [d] [b] [turns]    # DIR: where the others are
    python benchmarks gram_rules 1000 100000 200 --product             # against one product alone

Float32 rows at a common offset of 1e4 spreads, as gradients far from a minimum have it. b of them
lie: moved by half a spread in every coordinate for Multi-Krum, which is hard to see, and with the
sign flipped for the geometric median, which is hard to withstand. All contestants take turns; a
time is the median of three turns. The error is the distance to the answer in float64, in spreads
per coordinate: float32 can hold no less than 3e-4 there, and a rule that mistakes liars for honest
rows shows .01 and more.

With `--product` there are no others: the rules that look at distances are compared with what none
of them can do without, one symmetric product of the rows in float64 by NumPy's BLAS, some columns
at a time and converted beforehand.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

import saddleproof as sp
from common import table

Contestant = tuple[str, Callable[[], Any]]

#: Columns of the bare product that are multiplied at a time.
PRODUCT = 4096
#: The rules that are compared with it.
BY_DISTANCE = {
    "MultiKrum": sp.aggregators.MultiKrum(),
    "geometric median": sp.aggregators.GeometricMedian(),
    "filtering": sp.aggregators.IterativeFiltering(),
    "mixing, then MultiKrum": sp.aggregators.NearestNeighborMixing(sp.aggregators.MultiKrum()),
    "mixing, then filtering": sp.aggregators.NearestNeighborMixing(
        sp.aggregators.IterativeFiltering()
    ),
    "mixing, then the trimmed mean": sp.aggregators.NearestNeighborMixing(
        sp.aggregators.TrimmedMean()
    ),
}


def main() -> None:
    """Print one table a rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("m", type=int, nargs="?", default=100)
    parser.add_argument("d", type=int, nargs="?", default=100_000)
    parser.add_argument("b", type=int, nargs="?", default=20)
    parser.add_argument("turns", type=int, nargs="?", default=3)
    parser.add_argument("--product", action="store_true")
    told = parser.parse_args()
    m, d, b, turns = told.m, told.d, told.b, told.turns
    rng = np.random.default_rng(0)
    if told.product:
        x = rng.standard_normal((m, d), dtype=np.float32)
        x += 1e4
        print(f"Against one symmetric product, m = {m}, d = {d}, b = {b}, float32\n")
        print(against_a_product(x, b, turns))
        return
    honest = (rng.standard_normal((m, d)) + 1e4).astype(np.float32)
    liars = rng.choice(m, b, replace=False)
    x = honest.copy()
    x[liars] += 0.5
    exact = x.astype(np.float64)
    krums = [
        sp.aggregators.MultiKrum(omit=omit)(exact, b) for omit in (2, 1)
    ]  # either convention will do
    print(f"MultiKrum, m = {m}, d = {d}, b = {b}, float32\n")
    compare(multi_krums(x, b), krums, turns)
    x[liars] = -honest[liars]
    print(f"\nGeometricMedian, m = {m}, d = {d}, b = {b}, float32\n")
    compare(
        geometric_medians(x), [sp.aggregators.GeometricMedian()(x.astype(np.float64), b)], turns
    )


def against_a_product(x: Any, b: int, turns: int) -> str:
    """The rules' times in bare symmetric products of the same rows, as a table."""
    d = x.shape[1]
    width = min(d, PRODUCT)
    block = x[:, :width].astype(np.float64)
    contestants: list[Contestant] = [
        ("one product, float64", lambda: [block @ block.T for _ in range(max(d // width, 1))]),
        ("one product, float32", lambda: x @ x.T),
    ]
    for name, rule in BY_DISTANCE.items():
        contestants.append((name, lambda rule=rule: rule(x, b)))
    seconds: dict[str, list[float]] = {name: [] for name, _ in contestants}
    for _ in range(turns):
        for name, run in contestants:
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    one = np.median(seconds["one product, float64"])
    rows: list[list[object]] = [["", "seconds", "products"]]
    for name, times in seconds.items():
        rows.append([name, f"{np.median(times):.3f}", f"{np.median(times) / one:.2f}"])
    return table(rows)


def compare(contestants: list[Contestant], answers: list[Any], turns: int) -> None:
    """Let them take turns, and print who took how long and how far off the answer was."""
    found: dict[str, Any] = {}
    seconds: dict[str, list[float]] = {name: [] for name, _ in contestants}
    for _ in range(turns):
        for name, run in contestants:
            start = time.perf_counter()
            found[name] = run()
            seconds[name].append(time.perf_counter() - start)
    ours = np.median(seconds["saddleproof"])
    rows: list[list[object]] = [["", "seconds", "times ours", "error"]]
    for name, times in seconds.items():
        vector = np.asarray(found[name], dtype=np.float64)
        error = min(np.linalg.norm(vector - answer) for answer in answers)
        median = np.median(times)
        rows.append(
            [
                name,
                f"{median:.3f}",
                f"{median / ours:.1f}",
                f"{error / np.sqrt(vector.size):.1e}",
            ]
        )
    print(table(rows))


def multi_krums(x: Any, b: int) -> list[Contestant]:
    """Multi-Krum of m - b rows."""
    m = len(x)
    found: list[Contestant] = [
        ("saddleproof", lambda: sp.aggregators.MultiKrum()(x, b)),
        ("NumPy, row by row", lambda: choose(x, b, row_by_row(x))),
        ("NumPy, Gram as it comes", lambda: choose(x, b, raw_distances(x))),
    ]
    if installed("byzfl"):
        from byzfl.aggregators.aggregators import MultiKrum as ByzFL

        found.append(("ByzFL, NumPy", lambda: ByzFL(f=b)(x)))
    if installed("byzpy"):
        from byzpy.aggregators.geometric_wise.krum import MultiKrum as ByzPy
        from torch import from_numpy

        rows = list(from_numpy(x))
        found.append(("ByzPy, PyTorch", lambda: ByzPy(f=b, q=m - b).aggregate(rows)))
    return found


def geometric_medians(x: Any) -> list[Contestant]:
    """The geometric median. ByzPy's is left out: it takes minutes at this size."""
    found: list[Contestant] = [
        ("saddleproof", lambda: sp.aggregators.GeometricMedian()(x, 0)),
        ("NumPy, Weiszfeld on rows", lambda: weiszfeld(x)),
    ]
    if installed("byzfl"):
        from byzfl.aggregators.aggregators import GeometricMedian as ByzFL

        found.append(("ByzFL, NumPy", lambda: ByzFL()(x)))
    return found


def row_by_row(x: Any) -> Any:
    """All squared distances by their definition."""
    return np.stack([((x - row) ** 2).sum(axis=1) for row in x])


def raw_distances(x: Any) -> Any:
    """What a Gram matrix gives without a thought for the offset."""
    square = (x * x).sum(axis=1)
    return square[:, None] + square - 2 * (x @ x.T)


def choose(x: Any, b: int, squared: Any) -> Any:
    """Multi-Krum, given all distances."""
    m = len(x)
    scores = np.sort(squared, axis=1)[:, 1 : m - b - 1].sum(axis=1)
    return x[np.argsort(scores)[: m - b]].mean(axis=0)


def weiszfeld(x: Any, tolerance: float = 1e-6) -> Any:
    """Weiszfeld's iteration on the rows themselves, from their median."""
    y = np.median(x, axis=0)
    for _ in range(100):
        weights = 1 / np.maximum(np.linalg.norm(x - y, axis=1), 1e-12)
        y, before = (weights / weights.sum()) @ x, y
        if np.linalg.norm(y - before) <= tolerance * np.linalg.norm(y):
            break
    return y


def installed(module: str) -> bool:
    """Whether another library is here, to be entered without what its package imports first."""
    spec = find_spec(module)
    if spec is None or spec.submodule_search_locations is None:
        return False
    if spec.loader is not None:  # not entered yet
        bare = ModuleType(module)
        bare.__path__ = list(spec.submodule_search_locations)
        bare.__spec__ = ModuleSpec(module, None, is_package=True)
        bare.__spec__.submodule_search_locations = bare.__path__
        sys.modules[module] = bare
    return True
