"""`saddleproof redteam`: search for the attack that traps a trainer, and write it down."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from saddleproof.cli.terminal import (
    INTERRUPTED,
    config_argument,
    console,
    exits,
    import_option,
    jobs_option,
    say,
)
from saddleproof.printed import one_line

if TYPE_CHECKING:
    from rich.table import Table

    from saddleproof.lab.red_team import Findings
    from saddleproof.lab.red_team.search import SearchProgress

#: Rows of the table of what was tried.
SHOWN = 12


#: Exit codes of a search.
_ENDS = {
    0: "the search has ended, whether it found an attack or not",
    1: "an error, told in one line",
    INTERRUPTED: "Ctrl-C; what was run is kept, and the same command goes on",
}


@click.command("redteam", epilog=exits(_ENDS))
@config_argument
@click.option(
    "--budget", type=click.IntRange(30), default=300, show_default=True, help="Runs of the search."
)
@click.option(
    "--fresh", type=click.IntRange(1), default=40, show_default=True,
    help="Runs that measure the attack it chose, on seeds 0 to N - 1.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the search.")
@click.option(
    "--objective", type=click.Choice(["trap", "lie"]), default="trap", show_default=True,
    help="Held at the saddle; or wrong about where it ended.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), default="saddleproof-redteam", show_default=True,
    help="Folder of the log, and of the configuration that replays what was found.",
)  # fmt: skip
@jobs_option
@import_option
def command(
    config: Path,
    budget: int,
    fresh: int,
    seed: int,
    objective: Literal["trap", "lie"],
    out: Path,
    jobs: int | None,
    imports: tuple[str, ...],
) -> None:
    """Search for the attack under which the trainer of CONFIG fails most often.

    What was run before, with the same configuration, is not run again: after Ctrl-C the same
    command goes on where it was.
    """
    from saddleproof.config.parse import load
    from saddleproof.lab.red_team import redteam
    from saddleproof.lab.report.progress import Steps

    terminal = console()
    chosen = load(config, imports)  # a mistake in it is told before the folder is made
    log = out / "ledger.sqlite"
    with Steps(terminal, "runs", budget + fresh, bounded=False) as steps:

        def show(progress: SearchProgress) -> None:
            word = "left" if progress.left else "held"
            steps.advance(f"{progress.stage}: {word} by {progress.attack}")

        found = redteam(
            config,
            budget=budget,
            fresh=fresh,
            seed=seed,
            jobs=min(2, os.cpu_count() or 1) if jobs is None else jobs,
            objective=objective,
            log=log,
            callback=show,
            allow_import=imports,
        )
    say(terminal, f"verdict: {found.verdict}\n")
    terminal.print(_table(found))
    say(terminal, f"\n{found.details}")
    replay = out / f"{config.stem}-worst.toml"
    replay.write_text(found.replay, encoding="utf-8")
    if any(not chosen.imports.named(module) for module in chosen.main.outsiders):
        say(terminal, f"\nits classes are in the folder of {config}: copy {replay} there")
    allowed = "".join(f" --allow-import {module}" for module in imports)
    say(terminal, f"\nreplay with: saddleproof compare {replay} --seeds {fresh}{allowed}")
    if found.interrupted:
        say(terminal, f"interrupted after {found.runs} runs; the same command goes on")
        sys.exit(INTERRUPTED)


def _table(found: Findings) -> Table:
    from rich.table import Table
    from rich.text import Text

    title = f"The worst of {len(found.tried)} attacks, on the seeds that the search itself used"
    rows = Table(title=title, box=None, pad_edge=False)
    for heading in ("attack", "left", "deceived", "runs"):
        rows.add_column(heading, overflow="fold")
    for one in found.tried[:SHOWN]:
        said = (one.name, str(one.left), str(one.deceived), str(len(one.outcomes)))
        rows.add_row(*(Text(one_line(cell)) for cell in said))
    return rows
