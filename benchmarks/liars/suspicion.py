"""How often the most suspicious workers are liars, for every attack and rule.

    python benchmarks suspicion [--seeds 1] [--honest-seeds 4] [--problems NAME ...]
        [--rules ...] [--optimizers ...] [--out FILE]

20 workers of which b = 6 lie (4 under filtering, whose limit is a quarter). Attacks: all of
`saddleproof.attacks.table`, the saddle attack with the six ways to answer of `suite`,
and liars that know how suspicion is measured:

    dithered ...          another attack, every number off by 1e-6 of itself: no two rows are equal
    one function          all answers from L |w - saddle - c_i|^2 / 2, a small c_i of one's own: no
                          two answers contradict each other
    small function        the truth about F_i(w) + <a, w>, a of one honest spread
    poisoned labels       the truth about data with turned labels (where labels are +1 and -1)

A run counts where a liar that was not proved bad lied at all. Columns: runs; the share of liars
among the b most suspicious (b counts the liars that are left; ties count by their expectation),
with a 95 % Wilson interval that takes a run as one draw; the share that chance finds; how many
workers stood out a run, and the share of liars among them. Rows of "none" have no liars, and say
in how many runs anybody stood out. With --out the counts are written as CSV, which is how
`src/saddleproof/lab/report/suspicion.csv` is made.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy

import numpy as np

import saddleproof as sp
from common import table
from liars.informed import attacks, poisoned
from saddleproof.attacks.base import remembered
from saddleproof.errors import OptionError
from saddleproof.lab.shares import wilson
from saddleproof.problems.table import ALL_PROBLEMS
from saddleproof.suspicion import LIMIT, judge

MAX_ROUNDS = 40
RULES: dict[str, tuple[Any, int]] = {
    "median": (sp.Median(), 6),
    "trimmed mean": (sp.TrimmedMean(), 6),
    "filtering": (sp.IterativeFiltering(), 4),
    "nnm": (sp.NearestNeighborMixing(sp.Median()), 6),
    "krum": (sp.aggregators.Krum(), 6),
}
OPTIMIZERS = {"CertifiedPGD": sp.CertifiedPGD, "GradientOnlyPGD": sp.GradientOnlyPGD}
#: Problem to rules: all of them on the one with unequal data, some on others.
PROBLEMS: dict[str, tuple[str, ...]] = {
    "unequal_hessians": tuple(RULES),
    "two_layer": ("median", "trimmed mean", "krum"),
    "example2": ("trimmed mean", "filtering"),
    "tensor": ("median", "krum"),
    "gaussian_mixture": ("trimmed mean",),
    "pca_digits": ("median",),
}
#: Problems of more runs without liars: unequal data, and kinks.
HONEST = ("phase", "logistic", "robust_regression", "relu")


@dataclass
class Count:
    """What became of the runs of one row; the columns of the CSV file.

    Attributes:
        optimizer, attack, rule: which.
        runs: how many.
        found: sum over the runs of the share of liars among the b most suspicious.
        chance: sum over the runs of the share of liars among all.
        named: workers that stood out.
        liars: liars among them.
        naming: runs in which anybody stood out.
    """

    optimizer: str
    attack: str
    rule: str
    runs: int = 0
    found: float = 0.0
    chance: float = 0.0
    named: int = 0
    liars: int = 0
    naming: int = 0


# --- runs -----------------------------------------------------------------------------------------


def build(name: str, seed: int) -> Any:
    """A problem of the library's table, or "relu": a small network with kinks, 30 rows a worker."""
    if name != "relu":
        return ALL_PROBLEMS[name](seed=seed)
    import torch

    from saddleproof.torch import TorchProblem

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        x = torch.randn(20, 30, 6)
        y = (x[..., 0] * x[..., 1] > 0).long()
        module = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    return TorchProblem(module, torch.nn.CrossEntropyLoss(), list(zip(x, y, strict=True)))


@dataclass
class Watched:
    """An attack, and whether any of its answers was a lie."""

    attack: Any
    lied: bool = field(default=False)

    def __call__(self, view: sp.attacks.AttackView) -> Any:
        """Its lies."""
        return self._seen(self.attack(view), view)

    def answer(self, view: Any) -> Any:
        """Its lies about the rest."""
        if not hasattr(self.attack, "answer"):
            return view.own
        return self._seen(self.attack.answer(view), view)

    def remember(self, view: sp.attacks.AttackView) -> Any:
        """What it remembers."""
        return remembered(self.attack, view)

    def _seen(self, told: Any, view: Any) -> Any:
        self.lied |= not np.array_equal(told, view.own)
        return told


def run(count: Count, problem: Any, make: Callable[[], Any] | None, seed: int) -> None:
    """One run, counted."""
    rule, b = RULES[count.rule]
    watched, fleet = None, sp.LocalFleet(problem)
    if make is poisoned:
        watched, fleet = Watched(None, lied=True), sp.LocalFleet(poisoned(problem, b))
    elif make is not None:
        watched = Watched(make())
        fleet = sp.Coalition(fleet, watched, range(b))
    result = sp.minimize(
        fleet,
        OPTIMIZERS[count.optimizer](),
        aggregator=rule,
        b=b,
        w0=problem.start,
        seed=seed,
        max_rounds=MAX_ROUNDS,
        certify=False,
    )
    left = [name for name in fleet.workers if name not in result.excluded]
    liars = [] if watched is None else [n for n in fleet.workers[:b] if n in left]
    if watched is not None and not (watched.lied and liars):
        return
    found = judge([record.evidence for record in result.trace], fleet.workers)
    if not found:
        return
    named = [name for name in left if found[name].size > LIMIT]
    count.runs += 1
    count.named += len(named)
    count.liars += len(set(named) & set(liars))
    count.naming += bool(named)
    count.chance += len(liars) / len(left)
    if liars:
        count.found += precision(np.array([found[name].size for name in left]), len(liars))


def precision(sizes: np.ndarray, b: int) -> float:
    """The share of the first b workers among the b largest; ties by their expectation."""
    last = np.sort(sizes)[-b]
    above, tied = sizes > last, sizes == last
    return float((above[:b].sum() + (b - above.sum()) * tied[:b].sum() / tied.sum()) / b)


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description="How often suspicion points at liars")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--honest-seeds", type=int, default=4)
    parser.add_argument("--problems", nargs="*", default=[*PROBLEMS, *HONEST])
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=list(RULES))
    parser.add_argument(
        "--optimizers", nargs="+", default=list(OPTIMIZERS), choices=list(OPTIMIZERS)
    )
    parser.add_argument("--attacks", nargs="+", help="these alone; 'none' is honest runs")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--append", action="store_true", help="to the rows that --out has already")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    counts: dict[tuple[str, str, str], Count] = {}
    began = time.monotonic()
    jobs = [
        (name, optimizer, rule)
        for name in options.problems
        for optimizer in options.optimizers
        for rule in (PROBLEMS.get(name) or ("median",))
        if rule in options.rules
    ]
    for name, optimizer, rule in jobs:
        seeds = 0 if name in HONEST else options.seeds
        for seed in range(max(seeds, options.honest_seeds)):
            problem = build(name, seed)
            some: dict[str, Any] = {"none": None} if seed < options.honest_seeds else {}
            some |= attacks(optimizer) if seed < seeds else {}
            if options.attacks:
                some = {name: make for name, make in some.items() if name in options.attacks}
            for attack, make in some.items():
                key = (optimizer, attack, rule)
                count = counts.setdefault(key, Count(*key))
                try:
                    run(count, problem, make, seed)
                except OptionError:  # a problem without labels, or without a saddle
                    continue
        spent = f"{time.monotonic() - began:.0f} s"
        print(f"{name}, {optimizer}, {rule}: {spent}", file=sys.stderr, flush=True)
        measured = [count for count in counts.values() if count.runs]
        if options.out:
            write(options.out, measured, append=options.append)
    print(table([HEAD, *rows(measured)]))


def write(path: Path, counts: list[Count], *, append: bool = False) -> None:
    """The counts as CSV, in the place of what the file holds or after it."""
    with path.open("a" if append else "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        names = [column.name for column in fields(Count)]
        if not append:
            out.writerow(names)
        for count in counts:
            cells = (getattr(count, name) for name in names)
            out.writerow([f"{x:.4f}" if isinstance(x, float) else x for x in cells])


HEAD = ("optimizer", "attack", "runs", "found", "chance", "worst rule", "named a run", "liars")


def rows(counts: list[Count]) -> Iterator[tuple[object, ...]]:
    """A row an optimizer and attack, over all rules."""
    groups = defaultdict(list)
    for count in counts:
        groups[count.optimizer, count.attack].append(count)
    for (optimizer, attack), some in groups.items():
        n, named = sum(c.runs for c in some), sum(c.named for c in some)
        if attack == "none":
            somebody = f"somebody stood out: {wilson(sum(c.naming for c in some), n)}"
            yield optimizer, attack, n, somebody, "-", "-", f"{named / n:.2f}", "-"
            continue
        worst = min(some, key=lambda c: c.found / c.runs)
        found = sum(c.found for c in some)
        around = wilson(int(found), n)
        yield (
            optimizer,
            attack,
            n,
            f"{found / n:.2f} [{around.low:.2f}, {around.high:.2f}]",
            f"{sum(c.chance for c in some) / n:.2f}",
            f"{worst.rule} {worst.found / worst.runs:.2f}",
            f"{named / n:.1f}",
            f"{sum(c.liars for c in some) / named:.2f}" if named else "-",
        )
