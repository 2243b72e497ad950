"""Measure items cell by cell, remember each cell, and write tables, pictures and verdicts.

A cell is measured with random numbers of its own, drawn from its name, so that a run that was
interrupted and one that was not give the same tables, with any number of processes.

    OUT/cells/ITEM-KEY.json     the rows of one cell; what is there is not measured again by the
                                same version (whoever edits a measurement takes a new folder)
    OUT/ITEM.csv                the table
    OUT/ITEM.svg                the picture
    OUT/verdicts.json           name and reason of every verdict, and whether it was the quick form
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
from saddleproof.reproduce.base import Cell, Row, Verdict

#: Ctrl-C is for the process that collects.
_IGNORED = (signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True)
class Task:
    """One cell of one item."""

    item: Any
    cell: Cell

    @property
    def key(self) -> str:
        """Names the cell, the item's options and the version that measures it."""
        return _digest([__version__, self.item.name, asdict(self.item), dict(self.cell)])[:16]

    def measure(self) -> list[Row]:
        """The rows, with random numbers that only the cell's name decides."""
        seed = int(_digest([self.item.name, dict(self.cell)]), 16)
        rows: list[Row] = self.item.measure(self.cell, np.random.default_rng(seed))
        return rows


def tasks(items: Iterable[Any], *, quick: bool) -> list[Task]:
    """The cells of all items."""
    return [Task(item, cell) for item in items for cell in item.cells(quick=quick)]


def measured(
    todo: Sequence[Task], out: Path, jobs: int = 1
) -> Generator[tuple[Task, list[Row]], None, None]:
    """Every task with its rows, those on file first, the others as they finish and are filed.

    Args:
        todo: what to measure.
        out: folder of the results; made if it is not there.
        jobs: processes; 1 measures in this one. They end with this iterator, also when it is
            closed or interrupted half way.

    Raises:
        StoreError: the folder cannot be written.
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
    measure = _here(missing) if jobs == 1 or len(missing) < 2 else _beside(missing, jobs)
    for task, rows in measure:
        _save(_file(out, task), rows)
        yield task, rows


def conclude(item: Any, rows: Sequence[Row], out: Path, *, pictures: bool = True) -> Verdict:
    """Write the item's table and picture, and answer with its verdict."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (out / f"{item.name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    if pictures:
        from saddleproof.reproduce.draw import save

        save(item.draw(rows), out / f"{item.name}.svg")
    verdict: Verdict = item.verdict(rows)
    return verdict


def in_order(todo: Sequence[Task], found: dict[str, list[Row]], item: Any) -> list[Row]:
    """An item's rows in the order of its cells, whatever finished first."""
    return [row for task in todo if task.item is item for row in found[task.key]]


def file_verdicts(verdicts: Mapping[str, Verdict], out: Path, *, quick: bool) -> None:
    """Add to OUT/verdicts.json, which keeps those of the items that are not among these."""
    path = out / "verdicts.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known |= {name: {**asdict(verdict), "quick": quick} for name, verdict in verdicts.items()}
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def _here(todo: Sequence[Task]) -> Generator[tuple[Task, list[Row]], None, None]:
    for task in todo:
        yield task, task.measure()


def _beside(todo: Sequence[Task], jobs: int) -> Generator[tuple[Task, list[Row]], None, None]:
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
    return out / "cells" / f"{task.item.name}-{task.key}.json"


def _load(path: Path) -> list[Row] | None:
    """The rows on file, or None; half a file cannot be there, since `_save` renames."""
    if not path.exists():
        return None
    rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def _save(path: Path, rows: list[Row]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(rows), encoding="utf-8")
    part.replace(path)


def _digest(what: Any) -> str:
    text = json.dumps(what, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
