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

    from saddleproof.reproduce.base import Row, Verdict
    from saddleproof.reproduce.run import Task


@click.command("reproduce")
@click.argument("items", nargs=-1, metavar="[ITEM]...")
@click.option("--quick", is_flag=True, help="Fewer and smaller cells.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="saddleproof-paper",
    show_default=True,
    help="Folder of tables, pictures and what is already measured.",
)
@click.option("--turned", is_flag=True, help="Other statements, whose verdicts must be others.")
@click.option(
    "--write",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DOCS",
    help="Write paper.md and its pictures into this folder, from all that OUT holds.",
)
@jobs_option
def command(
    items: tuple[str, ...],
    *,
    quick: bool,
    out: Path,
    turned: bool,
    write: Path | None,
    jobs: int | None,
) -> None:
    """Measure what the paper states, ITEM by ITEM or all of it; Ctrl-C loses nothing.

    Exits with 1 when a verdict is not the one that the manual reports.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: the processes are the parallelism
    from saddleproof.reproduce import base, run
    from saddleproof.reproduce.table import chosen

    picked = [base.turned(item) if turned else item for item in chosen(items)]
    if write is not None and turned:
        raise click.UsageError("--write is for the paper's own statements: leave out --turned")
    terminal, todo = console(), run.tasks(picked, quick=quick)
    jobs = min(2, os.cpu_count() or 1) if jobs is None else jobs
    found: dict[str, list[Row]] = {}
    try:
        _collect(terminal, todo, out, jobs, found)
    except KeyboardInterrupt:
        say(terminal, f"\ninterrupted after {len(found)} of {len(todo)} cells; they are on file:")
        say(terminal, "give the same command again to go on")
        sys.exit(INTERRUPTED)
    verdicts = {
        item.name: run.conclude(item, run.in_order(todo, found, item), out) for item in picked
    }
    if not turned:
        run.file_verdicts(verdicts, out, quick=quick)
    _tell(terminal, picked, verdicts, out)
    if write is not None:
        from saddleproof.reproduce.page import publish

        say(terminal, f"page: {publish(out, write)}")
    news = [item.name for item in picked if verdicts[item.name].name != item.known]
    sys.exit(1 if news and not turned else 0)


def _collect(
    terminal: Console, todo: Sequence[Task], out: Path, jobs: int, found: dict[str, list[Row]]
) -> None:
    from saddleproof.report.progress import Steps
    from saddleproof.reproduce.run import measured

    with (
        closing(measured(todo, out, jobs)) as running,
        Steps(terminal, "cells", len(todo)) as steps,
    ):
        for task, rows in running:
            found[task.key] = rows
            steps.advance(task.item.title)


def _tell(
    terminal: Console, picked: Sequence[Any], verdicts: dict[str, Verdict], out: Path
) -> None:
    """A line a verdict, without the formulas' markup."""
    from saddleproof.reproduce.page import plain

    for item in picked:
        verdict = verdicts[item.name]
        news = "" if verdict.name == item.known else f"  (reported: {item.known})"
        say(terminal, f"{item.title}: {verdict.name}{news}\n    {plain(verdict.why)}")
    say(terminal, f"\ntables and pictures: {out}")
