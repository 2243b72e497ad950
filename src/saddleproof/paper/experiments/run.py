"""Measure experiments cell by cell, file each cell, and write tables, figures and assessments.

Each cell has its own random numbers, and the seed comes from the cell's name. Interrupted and
uninterrupted runs therefore give the same tables, with any number of processes.

    OUT/ledger.sqlite           the rows of every cell; the same version does not measure a filed
                                cell again, so an edited measurement needs a new folder
    OUT/NAME.csv                the table
    OUT/NAME.svg                the figure
    OUT/assessments.json        status and reason of every statement, and whether --quick was given
"""

from __future__ import annotations

import csv
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saddleproof import __version__
from saddleproof.lab.ledger import Ledger, digest
from saddleproof.lab.pool import Pool
from saddleproof.paper.experiments.base import Assessment, Cell, Row


@dataclass(frozen=True)
class Task:
    """One cell of one experiment."""

    experiment: Any
    cell: Cell

    def __str__(self) -> str:
        where = ", ".join(f"{key}={value}" for key, value in self.cell.items())
        return f"{self.experiment.name} at {where}"

    @property
    def key(self) -> str:
        """Names the cell, the options of its experiment and the version that measures it."""
        options = asdict(self.experiment)
        return digest(__version__, self.experiment.name, options, dict(self.cell))

    def measure(self) -> list[Row]:
        """The rows, with random numbers whose seed is the cell's name."""
        seed = int(digest(self.experiment.name, dict(self.cell)), 16)
        rows: list[Row] = self.experiment.measure(self.cell, np.random.default_rng(seed))
        return rows


def tasks(experiments: Iterable[Any], *, quick: bool) -> list[Task]:
    """The cells of all experiments."""
    return [Task(one, cell) for one in experiments for cell in one.cells(quick=quick)]


def measured(
    todo: Sequence[Task], out: Path, jobs: int = 1
) -> Generator[tuple[Task, list[Row]], None, None]:
    """Every task with its rows: first the filed ones, then the others in the order they finish.

    Each measured cell is filed before it is handed out.

    Args:
        todo: what to measure.
        out: folder of the results; made if it is not there.
        jobs: processes; with 1 the calling process measures. The processes end with this
            iterator, also when it is closed or interrupted half way.

    Raises:
        StoreError: the folder cannot be made, or the ledger not used.
        SaddleproofError: a process died; it names the cell.
    """
    with Ledger(out / "ledger.sqlite") as ledger, Pool(jobs) as pool:
        missing = []
        for task in todo:
            rows = ledger.get(task.key)
            if rows is None:
                missing.append((task,))
            else:
                yield task, rows
        for (task,), rows in pool.completed(Task.measure, missing, label=lambda one: str(one[0])):
            ledger.add(task.key, str(task), rows)
            yield task, rows


def rows_of(experiment: object, todo: Sequence[Task], found: Mapping[str, list[Row]]) -> list[Row]:
    """The rows of an experiment in the order of its cells.

    Args:
        experiment: one of those in `todo`.
        todo: tasks, in the order of `tasks`.
        found: rows by the key of their task.
    """
    return [row for task in todo if task.experiment is experiment for row in found[task.key]]


def write(experiment: Any, rows: Sequence[Row], out: Path) -> Assessment:
    """Write the table and the figure of an experiment, and return its assessment."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (out / f"{experiment.name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    from saddleproof.paper.experiments.draw import save

    save(experiment.draw(rows), out / f"{experiment.name}.svg")
    assessment: Assessment = experiment.assess(rows)
    return assessment


def file_assessments(assessments: Mapping[str, Assessment], out: Path, *, quick: bool) -> None:
    """Add to OUT/assessments.json, which keeps the statements that are not among these."""
    path = out / "assessments.json"
    filed = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    filed |= {name: {**asdict(one), "quick": quick} for name, one in assessments.items()}
    path.write_text(json.dumps(filed, indent=1) + "\n", encoding="utf-8")
