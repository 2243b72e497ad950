"""Table 1 of the paper, measured: who leaves a saddle, and who still does under a saddle attack.

    python benchmarks table1 [--seeds 20] [--budget 400] [--ledger table1.csv]

Example 2 (d = 2, minima at distance 1), m = 20 workers, n = 8000 samples each, the median, b = 6.
Every optimizer is told the true L and rho and half of the saddle's curvature. Three worlds:

* exact: what the server reads is the pooled gradient (and loss), and runs begin at the saddle
  itself. Workers' answers are spread evenly about it, by `SPREAD`, so that a gradient below
  3 Delta_hat is a small one in this world too. (Descent alone leaves it by rounding errors, or not
  at all.)
* push, hold: workers answer their own gradients, 6 of them lie (`SaddleAttack`), and runs begin
  1e-3 beside the saddle. Where losses are asked for, the liars say that theirs grows with the
  distance from the saddle.

"left" is the share of runs whose returned point left the saddle (`left_saddle`), with its Wilson
interval; "rounds" the median round after which the point that a run would return had left it,
over the runs that did, and "-" where none did. Parallel rounds are what is counted, also where
one round asks for many points.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import saddleproof as sp
from common import share, table
from ledger import Ledger
from saddleproof.attacks.base import AttackView

Problem = sp.problems.Example2
#: Half-range of the workers' answers about the truth in the world of exact gradients.
SPREAD = 1e-4
#: n, a worker.
SAMPLES = 8000


@dataclass(frozen=True)
class Exact:
    """A problem whose workers' median is the pooled gradient, to the last digit."""

    problem: Problem
    m: int = 20

    def gradients(self, points: np.ndarray) -> np.ndarray:
        """(q, d) to (q, m, d)."""
        pooled = self.problem.gradients(points).mean(axis=1)
        return pooled[:, None, :] + self._tilts[:, None]

    def values(self, w: np.ndarray) -> np.ndarray:
        """(d,) to (m,)."""
        return np.full(self.m, self.problem.value(w))

    def values_at(self, points: np.ndarray) -> np.ndarray:
        """(q, d) to (q, m): the pooled losses and the linear terms that make the spread."""
        pooled = self.problem.values_at(points).mean(axis=1)
        return pooled[:, None] + points.sum(axis=1)[:, None] * self._tilts

    def products(self, w: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """(d,) and (m, p, d) to (m, p, d)."""
        units = np.broadcast_to(np.eye(len(w)), (self.problem.m, len(w), len(w))).copy()
        pooled: np.ndarray = self.problem.products(w, units).mean(axis=0)
        return vectors @ pooled

    @property
    def _tilts(self) -> np.ndarray:
        return SPREAD * np.linspace(-1, 1, self.m)


@dataclass(frozen=True, eq=False)
class Liars(sp.SaddleAttack):
    """A saddle attack that lies about losses too."""

    def losses(self, view: AttackView) -> np.ndarray:
        """(q, k): the distance from the saddle, for each of the k members."""
        away = np.linalg.norm(view.points - view.problem.saddle, axis=1)
        return np.repeat(away[:, None], len(view.members), axis=1)


def optimizers(problem: Problem) -> dict[str, Any]:
    """Every optimizer of the table, told what its theory asks for."""
    eta, gamma, rho = 1 / problem.smoothness, problem.curvature, 6 * problem.gamma
    told = {"curvature": gamma, "hessian_lipschitz": rho}
    return {
        "GradientDescent": sp.GradientDescent(step=eta),
        "PGD (distance)": sp.optimizers.PGD(step=eta),
        "ValuePGD": sp.optimizers.ValuePGD(eta),
        "SimplifiedPGD (i)": sp.optimizers.SimplifiedPGD(eta, radius=1e-3),
        "SimplifiedPGD (ii)": sp.optimizers.SimplifiedPGD(eta, radius=1e-2, rest=50),
        "Neon": sp.optimizers.Neon(eta, **told),
        "Neon2": sp.optimizers.Neon2(eta, **told),
        "AcceleratedCurvature": sp.optimizers.AcceleratedCurvature(eta / 4, **told),
        "Neon, workers": sp.optimizers.Neon(eta, **told, differences="workers"),
        "Neon2, workers": sp.optimizers.Neon2(eta, **told, differences="workers"),
        "AcceleratedCurvature, workers": sp.optimizers.AcceleratedCurvature(
            eta / 4, **told, differences="workers"
        ),
        "AcceleratedPGD": sp.optimizers.AcceleratedPGD(eta / 4, **told),
        "GaussPSGD": sp.optimizers.GaussPSGD(eta),
        "CubicNewton": sp.optimizers.CubicNewton(cubic=rho),
        "RobustSecondOrder": sp.optimizers.RobustSecondOrder(eta, hessian_lipschitz=rho),
        "ByzantinePGD (HeuristicSchedule)": sp.ByzantinePGD(
            partial(sp.schedule.HeuristicSchedule, curvature=gamma, step=eta)
        ),
        "CertifiedPGD": sp.CertifiedPGD(),
    }


@dataclass(frozen=True)
class Outcome:
    """One run: which, and what became of it.

    Attributes:
        left: whether the returned point left the saddle.
        after: the round after which it had, or 0.
    """

    world: str
    optimizer: str
    seed: int
    budget: int
    left: bool
    after: int


def run(world: str, name: str, seed: int, budget: int) -> Outcome:
    """One run in one world."""
    problem = Problem(n=SAMPLES, seed=seed)
    optimizer = optimizers(problem)[name]
    left: list[int] = []

    def watch(progress: Any) -> None:
        if not left and problem.left_saddle(progress.w):
            left.append(progress.record.round + 1)

    fleet: Any = sp.LocalFleet(Exact(problem))
    if world != "exact":
        fleet = sp.Coalition(sp.LocalFleet(problem), Liars(style=world), range(6))  # type: ignore[arg-type]
    start = problem.saddle if world == "exact" else problem.start
    ended = sp.minimize(
        fleet,
        optimizer,
        b=6,
        w0=start,
        seed=seed,
        max_rounds=budget,
        callback=watch,
        certify=False,
    )
    after = left[0] if left else 0
    return Outcome(world, name, seed, budget, problem.left_saddle(ended.w), after)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Table 1, measured")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budget", type=int, default=400)
    parser.add_argument("--ledger", type=Path)
    chosen = parser.parse_args()
    ledger = Ledger(chosen.ledger, Outcome, ("world", "optimizer", "seed", "budget"))
    worlds = ("exact", "push", "hold")
    heading = ["optimizer", "needs F", *(f"{w}: {x}" for w in worlds for x in ("left", "rounds"))]
    rows: list[list[object]] = [heading]
    for name, optimizer in optimizers(Problem(n=SAMPLES, seed=0)).items():
        row: list[object] = [name, "yes" if getattr(optimizer, "needs_values", False) else "no"]
        for world in worlds:
            keys = [(world, name, seed, chosen.budget) for seed in range(chosen.seeds)]
            runs = ledger.runs(run, keys)
            rounds = [one.after for one in runs if one.left and one.after]
            row += [share([one.left for one in runs]), f"{median(rounds):.0f}" if rounds else "-"]
        rows.append(row)
        print(*row, sep=" | ", file=sys.stderr, flush=True)  # long runs show what they have
    print(table(rows))
