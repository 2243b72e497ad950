"""`saddleproof compare` and `saddleproof demo`: many runs side by side, one table, one report."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from saddleproof.cli.terminal import INTERRUPTED, config_argument, console, jobs_option, say
from saddleproof.errors import MissingExtraError

if TYPE_CHECKING:
    from rich.console import Console

    from saddleproof.config.records import Config
    from saddleproof.lab.trials import Row, Trial


@click.command("demo")
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Seeds 0 to N - 1, a run of each in every row.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="saddleproof-demo",
    show_default=True,
    help="Folder of the report, the picture and trials.csv.",
)
@jobs_option
def demo(seeds: int, out: Path, jobs: int | None) -> None:
    """Real digits, 12 workers, 3 liars: who is held at the saddle point, and who is not?"""
    from saddleproof.config.parse import parse

    text = (Path(__file__).parents[1] / "config" / "demo.toml").read_text(encoding="utf-8")
    out.mkdir(parents=True, exist_ok=True)
    (out / "demo.toml").write_text(text, encoding="utf-8")
    terminal = console()
    say(terminal, "Principal component of 1797 images over 12 workers, 3 of which hold the run at")
    say(terminal, "the saddle point where it starts. Four trainers of today, and ours. Ours ends")
    say(terminal, '"proved" where the liars hide in its questions, and "conditional", with')
    say(terminal, "their names, where they shout.\n")
    shown = _compare(terminal, parse(text), seeds, out, jobs, "Held at a saddle point, or not?")
    last = shown[-1].trials[0]
    say(terminal, f"\n{last.label}, seed {last.seed}, in full:\n\n{last.summary}")


@click.command("compare")
@config_argument
@click.option(
    "--seeds", type=click.IntRange(1), default=10, show_default=True, help="Seeds 0 to N - 1."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="saddleproof-compare",
    show_default=True,
    help="Folder of the report, the picture and trials.csv.",
)
@jobs_option
def compare(config: Path, seeds: int, out: Path, jobs: int | None) -> None:
    """Run the [[compare]] entries of CONFIG, or its [grid], side by side, over seeds."""
    from saddleproof.config.parse import load

    _compare(console(), load(config), seeds, out, jobs, f"Comparison of {config.name}")


def _compare(
    terminal: Console, config: Config, seeds: int, out: Path, jobs: int | None, title: str
) -> tuple[Row, ...]:
    """Run, print the tables, write the report; Ctrl-C shows what was finished by then."""
    from saddleproof.lab.compare import rows

    trials: list[Trial] = []
    interrupted = False
    try:
        _collect(terminal, config, seeds, jobs, trials)
    except KeyboardInterrupt:
        interrupted = True
    shown = rows(config, trials)
    try:
        _show(terminal, out, shown)
        if not interrupted:
            _report(terminal, out, title, config, shown)
    except KeyboardInterrupt:  # the runs are over; what is missing are words and pictures
        interrupted = True
    if interrupted:
        total = seeds * len(config.compare)
        say(terminal, f"\ninterrupted after {len(trials)} of {total} runs")
        sys.exit(INTERRUPTED)
    return shown


def _collect(
    terminal: Console, config: Config, seeds: int, jobs: int | None, trials: list[Trial]
) -> None:
    """Append the trials as they finish, so that Ctrl-C loses none of them."""
    from saddleproof.lab.compare import run_trials
    from saddleproof.lab.report.progress import Steps

    jobs = min(2, os.cpu_count() or 1) if jobs is None else jobs
    with (
        closing(run_trials(config, range(seeds), jobs)) as running,
        Steps(terminal, "runs", seeds * len(config.compare)) as steps,
    ):
        for trial in running:
            trials.append(trial)
            where = f"{trial.world}: " if trial.world else ""
            steps.advance(f"{where}{trial.label}: {'left' if trial.left else 'held'}")


def _show(terminal: Console, out: Path, shown: Sequence[Row]) -> None:
    """A table a world, the warnings, and every trial as a line of trials.csv."""
    from saddleproof.lab.report.text import comma_separated, table, worlds

    if not shown:
        return
    for world, group in worlds(shown):
        if world:
            terminal.print()
        terminal.print(table(group, world))
    for note in dict.fromkeys(f"{row.label}: {note}" for row in shown for note in row.notes):
        say(terminal, f"warning, {note}")
    out.mkdir(parents=True, exist_ok=True)
    (out / "trials.csv").write_text(comma_separated(shown), encoding="utf-8")
    say(terminal, f"\nevery run: {out / 'trials.csv'}")


def _report(terminal: Console, out: Path, title: str, config: Config, shown: Sequence[Row]) -> None:
    from saddleproof.config.setup import build

    try:
        from saddleproof.lab.report.page import write
    except MissingExtraError as error:
        say(terminal, f"\nno report: {error}")
        return
    problem = build(config, config.compare[0], shown[0].trials[0].seed).problem
    page = write(out, title, config.text, shown, problem)
    say(terminal, f"report: {page}\npicture: {page.with_suffix('.png')}")
