"""The default without arguments under every attack that there is.

    python benchmarks attacks [--seeds 4] [--jobs 2] [--problems NAME ...] [--attacks TEXT ...]
        [--ledger attacks.csv]

`CertifiedPGD()` with the median; 6 of 20 workers lie; a run starts at the saddle plus 1e-3 noise
and has 150 rounds. Columns: share of the runs that left the saddle with its 95 % Wilson interval,
median and largest number of rounds, jumps proved about the honest mean that raised F of all such
jumps, largest
(F(out) - F(minimum)) / (F(saddle) - F(minimum)), statuses. `--attacks` keeps the lines whose name
contains one of the texts. `saddleproof redteam` searches where this table stops.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: two processes, two cores

import saddleproof as sp
from common import BYZANTINE, Jumps, share, table
from ledger import Ledger
from saddleproof.problems.table import PROBLEMS

ATTACKS: dict[str, Any] = {
    "saddle push": sp.SaddleAttack(),
    "saddle hold": sp.SaddleAttack(style="hold"),
    "saddle cancel": sp.SaddleAttack(style="cancel"),
    "sign flip": sp.attacks.SignFlip(),
    "gaussian, loud": sp.attacks.Gaussian(scale=1e6),
    "nan": sp.attacks.NonFinite(),
    "ALIE": sp.attacks.ALittleIsEnough(),
    "ALIE, z 1.5": sp.attacks.ALittleIsEnough(z=1.5),
    "inner product": sp.attacks.InnerProduct(),
    "bit flip": sp.attacks.BitFlip(),
    "mimic": sp.attacks.Mimic(),
    "mimic, farthest": sp.attacks.Mimic(worker=None),
    "min-max": sp.attacks.MinMax(),
    "min-sum": sp.attacks.MinSum(),
    "omniscient": sp.attacks.Omniscient(),
    "bias": sp.attacks.ConstantOffset(),
    "push, rounds 0-20": sp.attacks.Burst(sp.SaddleAttack(), 0, 20),
    "push, every other": sp.attacks.Burst(sp.SaddleAttack(), 0, 1, period=2),
    "drive": sp.attacks.ConstantPull(),
    "vote no": sp.attacks.Vote("no"),
    "vote yes": sp.attacks.Vote("yes"),
    "vote no, quiet": sp.attacks.Vote("no", size=None),
    "vote yes, quiet": sp.attacks.Vote("yes", size=None),
    "within .1: cancel": sp.attacks.InexactOracle(0.1, "cancel"),
    "within .1: radial": sp.attacks.InexactOracle(0.1, "radial"),
    "within .1: stall": sp.attacks.InexactOracle(0.1, "stall", epsilon=0.01),
    "ALIE, best scale": sp.attacks.OptimisedScale(),
    "delayed": sp.attacks.Delayed(5),
    "mimic, learned": sp.attacks.LearnedMimic(10),
    "push, window edges": sp.attacks.Burst(sp.SaddleAttack(), 0, 5, period=20),
    "plan: pin, vote no": sp.attacks.Playbook("hold", "honest", "pin", "vote_no"),
    "plan: pin, edge no": sp.attacks.Playbook("push", "inflate", "pin", "edge_no", 10.0),
    "plan: hide": sp.attacks.Playbook("hold", "hide", "hide", "edge_no", 1.0),
    "plan: flat": sp.attacks.Playbook("push", "flat", "flat", "edge_no", 1.0),
    "plan: test only": sp.attacks.Playbook("honest", "honest", "honest", "vote_no"),
    "plan: fake saddle": sp.attacks.Playbook("push", "honest", "invent", "vote_yes"),
    "plan: inflate": sp.attacks.Playbook("inflate", "inflate", "honest", "vote_no"),
    "plan: stall": sp.attacks.Playbook("sway", "inflate", "random", "vote_no"),
    "plan: random": sp.attacks.Playbook("random", "random", "random", "random", 1e3),
    "plan: huge curvature": sp.attacks.Playbook("push", "grow", "pull", "vote_no", 1e3),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The default under every attack")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--problems", nargs="*", default=["example2", "pca_digits", "tensor"])
    parser.add_argument("--attacks", nargs="*", default=[""])
    parser.add_argument("--ledger", type=Path)
    options = parser.parse_args()
    chosen = [name for name in ATTACKS if any(text in name for text in options.attacks)]
    head = ("problem", "attack", "left", "rounds", "most", "jumps up", "worst F", "status")
    rows: list[tuple[object, ...]] = [head]
    ledger = Ledger(options.ledger, Outcome, ("problem", "attack", "seed"))
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in options.problems:
            for attack in chosen:
                keys = [(name, attack, seed) for seed in range(options.seeds)]
                runs = ledger.runs(one, keys, pool.map)
                rows.append((name, attack, *summary(runs)))
    print(table(rows))


@dataclass(frozen=True)
class Outcome:
    """One run: which, and what became of it.

    Attributes:
        jumps, up: jumps proved about the honest mean, and those of them that did not lower it.
    """

    problem: str
    attack: str
    seed: int
    left: bool
    rounds: int
    jumps: int
    up: int
    excess: float
    status: str


def one(name: str, attack: str, seed: int) -> Outcome:
    """One run under one attack."""
    problem = PROBLEMS[name](seed=seed)
    jumps = Jumps(problem)
    fleet = sp.Coalition(sp.LocalFleet(problem), ATTACKS[attack], members=range(BYZANTINE))
    result = sp.minimize(
        fleet, b=BYZANTINE, seed=seed, max_rounds=150, callback=jumps, certify=False
    )
    rises = jumps.rises["proved"]
    return Outcome(
        problem=name,
        attack=attack,
        seed=seed,
        left=problem.left_saddle(result.w),
        rounds=result.rounds,
        jumps=len(rises),
        up=sum(rise >= 0 for rise in rises),
        excess=problem.excess(result.w),
        status=result.status,
    )


def summary(runs: list[Outcome]) -> tuple[object, ...]:
    """The cells of one line."""
    counted = Counter(run.status for run in runs).most_common()
    return (
        share([run.left for run in runs]),
        f"{median(run.rounds for run in runs):.0f}",
        max(run.rounds for run in runs),
        f"{sum(run.up for run in runs)} of {sum(run.jumps for run in runs)}",
        f"{max(run.excess for run in runs):.3f}",
        ", ".join(f"{count} {status}" for status, count in counted),
    )
