"""How often the most suspicious workers were liars, as measured by `benchmarks/liars/suspicion.py`.

The counts are in `suspicion.csv` beside this file: one row an optimizer, attack and rule.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from saddleproof.lab.shares import Share, wilson

#: The attack of the rows without liars.
NONE = "none"


@dataclass(frozen=True)
class Attacked:
    """The runs under one attack, over all rules.

    Attributes:
        attack: its name.
        runs: in which a liar that was not proved bad lied.
        found: the mean share of liars among the b most suspicious workers.
        chance: the mean share of liars among all workers.
    """

    attack: str
    runs: int
    found: float
    chance: float


@dataclass(frozen=True)
class Precision:
    """What was measured with one optimizer.

    Attributes:
        optimizer: its name.
        attacks: one an attack.
        named, liars: workers that stood out in runs with liars, and how many of them were liars.
        honest: share of the runs without liars in which anybody stood out.
    """

    optimizer: str
    attacks: tuple[Attacked, ...]
    named: int
    liars: int
    honest: Share

    def __str__(self) -> str:
        runs = sum(each.runs for each in self.attacks)
        found = sum(each.runs * each.found for each in self.attacks)
        chance = sum(each.runs * each.chance for each in self.attacks) / runs
        around = wilson(int(found), runs)
        worst = min(self.attacks, key=lambda each: each.found)
        no_better = [each.attack for each in self.attacks if each.found <= each.chance]
        measured = (
            f"In {runs} measured runs of {self.optimizer} with b liars, {found / runs:.0%} "
            f"[{around.low:.0%}, {around.high:.0%}] of the b most suspicious were liars "
            f"(by chance {chance:.0%}); worst attack, {worst.attack}: {worst.found:.0%}."
        )
        lines = [measured]
        if no_better:
            lines.append(f"No better than chance under: {', '.join(no_better)}.")
        if self.named:
            lines.append(f"Of {self.named} workers that stood out there, {self.liars} were liars.")
        lines.append(
            f"In {self.honest.successes} of {self.honest.trials} runs without liars somebody stood "
            "out."
        )
        return " ".join(lines)


@cache
def precision(optimizer: str) -> Precision:
    """What was measured with an optimizer.

    Args:
        optimizer: "CertifiedPGD" for runs that ask about losses too, "GradientOnlyPGD" for others.
    """
    text = files(__package__).joinpath("suspicion.csv").read_text(encoding="utf-8")
    rows = [row for row in csv.DictReader(text.splitlines()) if row["optimizer"] == optimizer]
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        groups[row["attack"]].append(row)
    honest = groups.pop(NONE)
    lied = [row for some in groups.values() for row in some]
    return Precision(
        optimizer=optimizer,
        attacks=tuple(_attacked(attack, some) for attack, some in groups.items()),
        named=sum(int(row["named"]) for row in lied),
        liars=sum(int(row["liars"]) for row in lied),
        honest=wilson(
            sum(int(row["naming"]) for row in honest), sum(int(row["runs"]) for row in honest)
        ),
    )


def _attacked(attack: str, rows: list[dict[str, str]]) -> Attacked:
    runs = sum(int(row["runs"]) for row in rows)
    found, chance = (sum(float(row[name]) for row in rows) / runs for name in ("found", "chance"))
    return Attacked(attack, runs, found, chance)
