"""A comparison from the command line: run, written down, shown, and drawn, in this order."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saddleproof.cli.terminal import INTERRUPTED, say
from saddleproof.errors import MissingExtraError, StoreError
from saddleproof.printed import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from saddleproof.config.records import Config
    from saddleproof.lab.ledger import Ledger
    from saddleproof.lab.rows import Row
    from saddleproof.lab.trials import Failure, Trial


@dataclass(frozen=True)
class Kept:
    """Where the runs of a comparison are kept, and how it is gone on with.

    Attributes:
        ledger: of the runs; None where they are not kept.
        resume: whether the runs in it are taken from there.
        again: the command that goes on, or "".
        figures: files for a paper, which are drawn at the end.
        command: that makes the comparison again, for the report.
    """

    ledger: Ledger | None = None
    resume: bool = False
    again: str = ""
    figures: tuple[Path, ...] = ()
    command: str = ""


def compared(
    terminal: Console,
    config: Config,
    seeds: int,
    out: Path,
    jobs: int | None,
    title: str,
    kept: Kept,
) -> tuple[Row, ...]:
    """Run, write every run down, print the tables, draw the report; the rows of the tables.

    Ctrl-C, and a ledger that cannot be written any more, show what was finished by then. The
    process ends by `SystemExit` after Ctrl-C, where a run failed, and where nothing can be drawn.

    Args:
        terminal: where tables go.
        config: the comparison.
        seeds: how many, from 0 on.
        out: folder of what is written.
        jobs: worker processes; two, or one on one core, where it is None.
        title: headline of the report.
        kept: where the runs are kept.

    Raises:
        StoreError: the ledger cannot be read or written.
    """
    from saddleproof.lab.comparison import rows

    ended: list[Trial | Failure] = []
    interrupted, broken = False, None
    try:
        _collect(terminal, config, seeds, jobs, ended, kept)
    except KeyboardInterrupt:
        interrupted = True
    except StoreError as error:
        broken = error
    shown, drawn = rows(config, ended), True
    try:
        _write(out, shown)
        _show(terminal, out, shown)
        if not interrupted and broken is None:
            drawn = _report(terminal, out, title, config, shown, kept.command)
            _figures(terminal, kept.figures, shown)
    except KeyboardInterrupt:  # the runs are over; what is missing are words and pictures
        interrupted = True
    if broken is not None:
        raise broken
    if interrupted:
        total = seeds * len(config.compare)
        say(terminal, f"\ninterrupted after {len(ended)} of {total} runs")
        if kept.again:
            say(terminal, f"go on with: {kept.again}")
        sys.exit(INTERRUPTED)
    if not drawn or any(row.failures for row in shown):
        sys.exit(1)
    return shown


def _collect(
    terminal: Console,
    config: Config,
    seeds: int,
    jobs: int | None,
    ended: list[Trial | Failure],
    kept: Kept,
) -> None:
    """Append the runs as they finish, so that Ctrl-C loses none of them."""
    from saddleproof.lab.comparison import run_trials
    from saddleproof.lab.report.progress import Steps
    from saddleproof.lab.trials import Trial

    jobs = min(2, os.cpu_count() or 1) if jobs is None else jobs
    trials = run_trials(config, range(seeds), jobs, ledger=kept.ledger, resume=kept.resume)
    with (
        closing(trials) as running,
        Steps(terminal, "runs", seeds * len(config.compare)) as steps,
    ):
        for one in running:
            ended.append(one)
            where = f"{one.world}: " if one.world else ""
            word = _word(one) if isinstance(one, Trial) else "failed"
            steps.advance(f"{where}{one.label}: {word}")


def _word(one: Trial) -> str:
    """What came of a run."""
    if one.left is None:
        return f"loss {one.judgement.loss:.3g}"
    return "left" if one.left else "held"


def _write(out: Path, shown: Sequence[Row]) -> None:
    """Every run as a line of trials.csv, before anything is shown or drawn."""
    from saddleproof.lab import pairs
    from saddleproof.lab.report.text import comma_separated

    if shown:
        out.mkdir(parents=True, exist_ok=True)
        for old in ("report.html", "report.png"):  # of other runs, beside those of today
            (out / old).unlink(missing_ok=True)
        (out / "trials.csv").write_text(comma_separated(shown), encoding="utf-8")
        (out / "pairs.csv").write_text(pairs.comma_separated(shown), encoding="utf-8")


def _show(terminal: Console, out: Path, shown: Sequence[Row]) -> None:
    """The verdict, a table a world, the warnings, why runs failed, and where every run is."""
    from saddleproof.lab.pairs import lines
    from saddleproof.lab.report.text import NARROW, cards, failed, table, warned, worlds
    from saddleproof.lab.report.verdict import headline, verdicts

    if not shown:
        return
    say(terminal, f"verdict: {headline(shown)}")
    for one in verdicts(shown):
        if one.world:
            say(terminal, f"  {one_line(one.world)}: {one.sentence}")
    terminal.print()
    for i, (world, group) in enumerate(worlds(shown)):
        if i:
            terminal.print()
        if terminal.width < NARROW:
            say(terminal, cards(group, world))
        else:
            terminal.print(table(group, world))
    for i, line in enumerate(lines(shown)):
        say(terminal, line if i else f"\n{line}")
    for note in warned(shown):
        say(terminal, f"warning, {note}")
    for line in failed(shown):
        say(terminal, f"failed, {line}")
    say(terminal, f"\nevery run: {out / 'trials.csv'}")


def _figures(terminal: Console, files: Sequence[Path], shown: Sequence[Row]) -> None:
    """Draw what a paper takes in."""
    if not files or not shown:
        return
    from saddleproof.lab.pictures import figure

    try:
        for file in files:
            for made in figure(shown, file):
                say(terminal, f"figure: {made}")
    except MissingExtraError as error:
        say(terminal, f"\nno figure: {error}")


def _report(
    terminal: Console, out: Path, title: str, config: Config, shown: Sequence[Row], command: str
) -> bool:
    """Draw the report; whether there was no error."""
    from saddleproof.config.setup import build
    from saddleproof.printed import reason

    first = next((row.trials[0] for row in shown if row.trials), None)
    if first is None:
        say(terminal, "\nno report: every run failed")
        return True
    try:
        from saddleproof.lab.report.page import write

        problem = build(config, config.compare[0], first.seed).problem
        page = write(out, title, config.text, shown, problem, command)
    except MissingExtraError as error:
        say(terminal, f"\nno report: {error}")
        return True
    except Exception as error:  # noqa: BLE001 - a drawing asks the problem, perhaps the user's own
        say(terminal, f"\nno report: {reason(error)}")
        return False
    say(terminal, f"report: {page}\npicture: {page.with_suffix('.png')}")
    return True
