"""`saddleproof benchmark`: models x splits x rules x attacks x b x seeds, and tables to cite."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from saddleproof.cli.again import again, given
from saddleproof.cli.terminal import (
    INTERRUPTED,
    config_argument,
    console,
    import_option,
    jobs_option,
    say,
)
from saddleproof.errors import MissingExtraError, StoreError

if TYPE_CHECKING:
    from rich.console import Console

    from saddleproof.benchmark.plans import Plan
    from saddleproof.benchmark.results import Results
    from saddleproof.benchmark.running import Run


@click.command("benchmark")
@config_argument
@click.option("--seeds", type=click.IntRange(1), help="Seeds 0 to N - 1, in CONFIG's place.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="saddleproof-benchmark",
    show_default=True,
    help="Folder of the tables, the pictures and the ledger.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(["svg", "pdf", "png"]),
    multiple=True,
    default=("svg",),
    show_default=True,
    help="Of the pictures. May be given again.",
)
@jobs_option
@click.option(
    "--resume", is_flag=True, help="Take the runs from OUT that are there, and make the others."
)
@import_option
@click.pass_context
def command(
    context: click.Context,
    config: Path,
    seeds: int | None,
    out: Path,
    formats: tuple[str, ...],
    jobs: int | None,
    imports: tuple[str, ...],
    *,
    resume: bool,
) -> None:
    """Train every cell of CONFIG's [benchmark] with every seed, and write tables and pictures.

    Every run is in OUT/ledger.sqlite as soon as it has ended. A run that fails is a cell of the
    table; the command then exits with 1.
    """
    from saddleproof import benchmark

    _ = benchmark.run  # without PyTorch it says so in one line, before CONFIG is read
    from saddleproof.benchmark.parse import load
    from saddleproof.benchmark.results import Results

    plan = load(config, imports)
    if seeds is not None:
        plan = replace(plan, seeds=tuple(range(seeds)))
    ended: list[Run] = []
    broken: StoreError | None = None
    interrupted = False
    terminal = console()
    try:
        _collect(terminal, plan, out, jobs, ended, resume=resume)
    except KeyboardInterrupt:
        interrupted = True
    except StoreError as error:
        broken = error
    found = Results(plan, ended)
    if ended:
        _tell(terminal, found, out, formats, given(context))
    if broken is not None:
        raise broken
    if interrupted:
        say(terminal, f"\ninterrupted after {found.done} of {found.total} runs")
        say(terminal, f"go on with: {again(context)}")
        sys.exit(INTERRUPTED)
    if found.failures:
        sys.exit(1)


def _collect(
    terminal: Console, plan: Plan, out: Path, jobs: int | None, ended: list[Run], *, resume: bool
) -> None:
    """Append the runs as they finish, so that Ctrl-C loses none of them."""
    from saddleproof.benchmark.running import runs
    from saddleproof.lab.ledger import Ledger
    from saddleproof.lab.report.progress import Steps
    from saddleproof.lab.trials import Failure

    jobs = min(2, os.cpu_count() or 1) if jobs is None else jobs
    with (
        Ledger(out / "ledger.sqlite") as ledger,
        closing(runs(plan, jobs=jobs, ledger=ledger, resume=resume)) as running,
        Steps(terminal, "runs", len(plan.cells) * len(plan.seeds)) as steps,
    ):
        for i, one in running:
            ended.append((i, one))
            word = "failed" if isinstance(one, Failure) else f"{one.accuracy:.3f}"
            steps.advance(f"{plan.cells[i].name}: {word}")


def _tell(
    terminal: Console, found: Results, out: Path, formats: tuple[str, ...], command: str
) -> None:
    """Tables into files, then on the terminal, then the pictures."""
    from saddleproof.benchmark import files
    from saddleproof.benchmark.text import summary

    files.tables(found, out, command)
    say(terminal, summary(found))
    try:
        drawn = files.pictures(found, out, formats)
    except MissingExtraError as error:
        drawn = []
        say(terminal, f"\nno pictures: {error}")
    say(terminal, f"\ntables: {out}\ncite: {out / 'cite.txt'}")
    for file in drawn:
        say(terminal, f"picture: {file}")
