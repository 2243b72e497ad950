"""`saddleproof reproduce`: the statements of the paper, measured."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saddleproof.cli.terminal import INTERRUPTED, console, jobs_option, say

if TYPE_CHECKING:
    from rich.console import Console

    from saddleproof.paper.experiments.base import Assessment, Row
    from saddleproof.paper.experiments.run import Task


@click.command("reproduce")
@click.argument("statements", nargs=-1, metavar="[STATEMENT]...")
@click.option("--quick", is_flag=True, help="Fewer and smaller cells.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="saddleproof-paper",
    show_default=True,
    help="Folder of tables, figures and filed measurements.",
)
@click.option(
    "--falsified", is_flag=True, help="Falsified statements, which must get another status."
)
@click.option(
    "--write",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DOCS",
    help="Write paper.md and its figures into this folder, from all that OUT holds.",
)
@jobs_option
def command(
    statements: tuple[str, ...],
    *,
    quick: bool,
    out: Path,
    falsified: bool,
    write: Path | None,
    jobs: int | None,
) -> None:
    """Measure what the paper states, STATEMENT by STATEMENT or all of it; Ctrl-C loses nothing.

    Exits with 1 when a status is not the one that the manual reports.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: the processes are the parallelism
    from saddleproof.paper.experiments import base, run
    from saddleproof.paper.table import chosen

    experiments = [base.falsified(one) if falsified else one for one in chosen(statements)]
    if write is not None and falsified:
        raise click.UsageError("--write is for the paper's own statements: leave out --falsified")
    terminal, todo = console(), run.tasks(experiments, quick=quick)
    jobs = min(2, os.cpu_count() or 1) if jobs is None else jobs
    found: dict[str, list[Row]] = {}
    try:
        _collect(terminal, todo, out, jobs, found)
    except KeyboardInterrupt:
        say(terminal, f"\ninterrupted after {len(found)} of {len(todo)} cells; they are on file:")
        say(terminal, "give the same command again to go on")
        sys.exit(INTERRUPTED)
    assessments = {
        one.name: run.write(one, run.rows_of(one, todo, found), out) for one in experiments
    }
    if not falsified:
        run.file_assessments(assessments, out, quick=quick)
    _tell(terminal, experiments, assessments, out)
    if write is not None:
        from saddleproof.paper.experiments.page import publish

        say(terminal, f"page: {publish(out, write)}")
    differs = any(assessments[one.name].status != one.reported for one in experiments)
    sys.exit(1 if differs and not falsified else 0)


def _collect(
    terminal: Console, todo: Sequence[Task], out: Path, jobs: int, found: dict[str, list[Row]]
) -> None:
    """Measure all tasks into `found`, with a line of progress."""
    from saddleproof.lab.report.progress import Steps
    from saddleproof.paper.experiments.run import measured

    with (
        closing(measured(todo, out, jobs)) as running,
        Steps(terminal, "cells", len(todo)) as steps,
    ):
        for task, rows in running:
            found[task.key] = rows
            steps.advance(task.experiment.title)


def _tell(
    terminal: Console, experiments: Sequence[Any], assessments: dict[str, Assessment], out: Path
) -> None:
    """Status and reason of each statement, with formulas as plain text."""
    from saddleproof.paper.experiments.page import plain

    for one in experiments:
        found = assessments[one.name]
        note = "" if found.status == one.reported else f"  (reported: {one.reported})"
        say(terminal, f"{one.title}: {found.status}{note}\n    {plain(found.why)}")
    say(terminal, f"\ntables and figures: {out}")
