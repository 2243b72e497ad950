"""Measure experiments cell by cell, file each cell, and write tables, figures and assessments.

Each cell has its own random numbers, and the seed comes from the cell's name. Interrupted and
uninterrupted runs therefore give the same tables, with any number of processes.

    OUT/cells/NAME-KEY.json     the rows of one cell; the same version does not measure a filed
                                cell again, so an edited measurement needs a new folder
    OUT/NAME.csv                the table
    OUT/NAME.svg                the figure
    OUT/assessments.json        status and reason of every statement, and whether --quick was given
"""

from __future__ import annotations

import csv
import hashlib
import json
import signal
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import numpy as np

from saddleproof import __version__
from saddleproof.errors import SaddleproofError, StoreError
from saddleproof.paper.experiments.base import Assessment, Cell, Row

#: Worker processes ignore Ctrl-C: the collecting process ends them.
_IGNORED = (signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True)
class Task:
    """One cell of one experiment."""

    experiment: Any
    cell: Cell

    @property
    def key(self) -> str:
        """Names the cell, the options of its experiment and the version that measures it."""
        options = asdict(self.experiment)
        return _digest([__version__, self.experiment.name, options, dict(self.cell)])[:16]

    def measure(self) -> list[Row]:
        """The rows, with random numbers whose seed is the cell's name."""
        seed = int(_digest([self.experiment.name, dict(self.cell)]), 16)
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
        StoreError: the folder cannot be made.
        SaddleproofError: a process died.
    """
    try:
        (out / "cells").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{out} cannot be made: {error}") from error
    missing = []
    for task in todo:
        rows = _load(_file(out, task))
        if rows is None:
            missing.append(task)
        else:
            yield task, rows
    alone = jobs == 1 or len(missing) < 2
    for task, rows in _in_this_process(missing) if alone else _in_processes(missing, jobs):
        _save(_file(out, task), rows)
        yield task, rows


def rows_of(experiment: Any, todo: Sequence[Task], found: Mapping[str, list[Row]]) -> list[Row]:
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


def _in_this_process(todo: Sequence[Task]) -> Generator[tuple[Task, list[Row]], None, None]:
    for task in todo:
        yield task, task.measure()


def _in_processes(todo: Sequence[Task], jobs: int) -> Generator[tuple[Task, list[Row]], None, None]:
    others = set(active_children())
    pool = ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=signal.signal, initargs=_IGNORED
    )
    try:
        futures = {pool.submit(task.measure): task for task in todo}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise SaddleproofError(
            "a worker process died (killed, or out of memory); run with --jobs 1 to see more"
        ) from error
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _file(out: Path, task: Task) -> Path:
    return out / "cells" / f"{task.experiment.name}-{task.key}.json"


def _load(path: Path) -> list[Row] | None:
    """The filed rows, or None. `_save` renames a complete file, so that none is half written."""
    if not path.exists():
        return None
    rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def _save(path: Path, rows: list[Row]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(rows), encoding="utf-8")
    part.replace(path)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
