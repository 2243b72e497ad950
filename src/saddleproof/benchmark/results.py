"""What a benchmark found: numbers for every cell, and which differences can be told apart."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

from saddleproof.benchmark.plans import Cell, Plan
from saddleproof.benchmark.running import Run
from saddleproof.benchmark.training import Trained
from saddleproof.lab.statistics import Difference, MeanInterval, difference, holm, mean
from saddleproof.lab.trials import Failure

#: Differences count as found where Holm's p-value is at most this.
LEVEL = 0.05


@dataclass(frozen=True)
class CellResult:
    """All runs of one cell.

    Attributes:
        cell: which.
        outcomes: by seed.
        failures: runs that raised an error; they are in no number here.
    """

    cell: Cell
    outcomes: tuple[Trained, ...]
    failures: tuple[Failure, ...]

    @property
    def accuracy(self) -> MeanInterval | None:
        """Mean test accuracy at the end; None where no run was made."""
        return mean([one.accuracy for one in self.outcomes]) if self.outcomes else None

    @property
    def loss(self) -> MeanInterval | None:
        """Mean test loss at the end; None where no run was made."""
        return mean([one.loss for one in self.outcomes]) if self.outcomes else None

    @property
    def by_seed(self) -> dict[int, float]:
        """Seed to test accuracy at the end."""
        return {one.seed: one.accuracy for one in self.outcomes}

    @property
    def certificates(self) -> dict[str, int]:
        """Level to number of runs; empty where none was asked for."""
        levels = [one.certificate for one in self.outcomes]
        return {} if set(levels) <= {"-"} else {level: levels.count(level) for level in levels}


@dataclass(frozen=True)
class RulePair:
    """Two rules in one world, paired by seed.

    Attributes:
        world: data, model, split, b and attack.
        one, other: the rules.
        gap: the accuracy of `one` less that of `other`.
        p: Holm's p-value over all pairs of the table.
    """

    world: tuple[str, str, str, int, str]
    one: str
    other: str
    gap: Difference
    p: float

    @property
    def apart(self) -> bool:
        """Whether the difference was found."""
        return self.p <= LEVEL


class Results:
    """The runs of a benchmark, cell by cell.

    Args:
        plan: what was to be run.
        runs: what came of it so far, in any order.

    Attributes:
        plan: what was to be run.
        cells: one `CellResult` a cell, in the order of the plan.
    """

    def __init__(self, plan: Plan, runs: Iterable[Run]) -> None:
        self.plan = plan
        by: dict[int, list[Trained | Failure]] = {i: [] for i in range(len(plan.cells))}
        for i, ended in runs:
            by[i].append(ended)
        self.cells = tuple(_found(plan.cells[i], ended) for i, ended in by.items())

    @property
    def done(self) -> int:
        """How many runs ended, the failures too."""
        return sum(len(one.outcomes) + len(one.failures) for one in self.cells)

    @property
    def total(self) -> int:
        """How many runs there are."""
        return len(self.plan.cells) * len(self.plan.seeds)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The runs that raised an error."""
        return tuple(failure for one in self.cells for failure in one.failures)

    @cached_property
    def blocks(self) -> dict[tuple[str, str, str, int], tuple[CellResult, ...]]:
        """Data, model, split and b to the cells of that table."""
        found: dict[tuple[str, str, str, int], list[CellResult]] = {}
        for one in self.cells:
            found.setdefault(one.cell.block, []).append(one)
        return {block: tuple(cells) for block, cells in found.items()}

    @cached_property
    def digests(self) -> dict[str, str]:
        """Data to the SHA-256 of its rows, as far as runs have ended."""
        return {
            one.cell.labels["data"]: one.outcomes[0].digest for one in self.cells if one.outcomes
        }

    @cached_property
    def pairs(self) -> tuple[RulePair, ...]:
        """Any two rules in every world, with Holm's p-values over each table by itself."""
        return tuple(pair for cells in self.blocks.values() for pair in _pairs(cells))

    def best(self, world: tuple[str, str, str, int, str]) -> tuple[str, ...]:
        """The rule with the highest mean, and after it all that were not found to be lower.

        Pairs have the seeds that both rules have; where runs failed, a rule can be above the
        highest mean there.

        Empty where nothing can be said: fewer than two runs a rule, or a single rule.
        """
        here = [one for one in self.cells if one.cell.world == world and one.outcomes]
        if len(here) < 2 or min(len(one.outcomes) for one in here) < 2:
            return ()
        top = max(here, key=lambda one: one.accuracy.value if one.accuracy else 0.0)
        first = top.cell.labels["rule"]
        below = {
            pair.other if pair.gap.value > 0 else pair.one
            for pair in self.pairs
            if pair.world == world and pair.apart and first in (pair.one, pair.other)
        }
        names = [one.cell.labels["rule"] for one in here]
        return (first, *(name for name in names if name not in below and name != first))

    def pooled(self) -> dict[tuple[str, str], MeanInterval]:
        """(Data, rule) to the accuracy over all worlds of that data.

        Every seed counts once, by its mean over the worlds; seeds in which a run of the rule
        failed, or is still to come, are left out.
        """
        found: dict[tuple[str, str], MeanInterval] = {}
        by: dict[tuple[str, str], list[CellResult]] = {}
        for one in self.cells:
            by.setdefault((one.cell.labels["data"], one.cell.labels["rule"]), []).append(one)
        for key, cells in by.items():
            whole = set.intersection(*(set(one.by_seed) for one in cells))
            if whole:
                of_seed = [
                    sum(one.by_seed[seed] for one in cells) / len(cells) for seed in sorted(whole)
                ]
                found[key] = mean(of_seed)
        return found

    def write(
        self,
        folder: str | os.PathLike[str],
        *,
        formats: Sequence[str] = ("svg",),
        command: str = "",
    ) -> list[Path]:
        """Write tables and pictures: see `saddleproof.benchmark.files`.

        Raises:
            MissingExtraError: matplotlib is not installed, and the tables are written.
            OptionError: a format that is none.
        """
        from saddleproof.benchmark import files

        return [
            *files.tables(self, Path(folder), command), *files.pictures(self, Path(folder), formats)
        ]  # fmt: skip

    def __repr__(self) -> str:
        from saddleproof.benchmark.text import summary

        return summary(self)


def _found(cell: Cell, ended: Sequence[Trained | Failure]) -> CellResult:
    ordered = sorted(ended, key=lambda one: one.seed)
    return CellResult(
        cell,
        tuple(one for one in ordered if isinstance(one, Trained)),
        tuple(one for one in ordered if isinstance(one, Failure)),
    )


def _pairs(cells: Sequence[CellResult]) -> list[RulePair]:
    """The pairs of one table."""
    found = []
    for one, other in combinations(cells, 2):
        if one.cell.world == other.cell.world:
            gap = difference(one.by_seed, other.by_seed)
            if gap is not None:
                found.append((one, other, gap))
    adjusted = holm([gap.p for _, _, gap in found])
    return [
        RulePair(one.cell.world, one.cell.labels["rule"], other.cell.labels["rule"], gap, p)
        for (one, other, gap), p in zip(found, adjusted, strict=True)
    ]
