"""`saddleproof run`: one configuration, once; every round is committed to a store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saddleproof import __version__
from saddleproof.cli.terminal import INTERRUPTED, config_argument, console, say

if TYPE_CHECKING:
    from rich.console import Console

    from saddleproof.result import Progress, Result


@click.command("run")
@config_argument
@click.option("--resume", is_flag=True, help="Go on with the last run of CONFIG that did not end.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="saddleproof-runs",
    show_default=True,
    help="Folder of the run store, runs.sqlite.",
)
def command(config: Path, *, resume: bool, out: Path) -> None:
    """Run CONFIG once; every round is committed to the store."""
    from saddleproof.report.workers import workers
    from saddleproof.runs.config import load
    from saddleproof.runs.setup import build, first_warnings
    from saddleproof.runs.store import Store

    terminal, chosen = console(), load(config)
    setup = build(chosen)
    with Store(out / "runs.sqlite") as store:
        checkpoint = store.unfinished(chosen.text) if resume else None
        if resume and checkpoint is None:
            raise click.ClickException(
                f"{store.path} holds no unfinished run of exactly this configuration; "
                "start one without --resume"
            )
        if checkpoint is None:
            checkpoint = store.begin(chosen.text, __version__)
        with first_warnings() as notes:
            result = with_progress(terminal, setup, checkpoint)
        store.finish(checkpoint.run, result)
    for note in notes:
        say(terminal, f"warning: {note}")
    say(terminal, str(result))
    say(terminal, f"\n{workers(result, setup.fleet.workers)}")
    say(terminal, f"\nrun {checkpoint.run} in {out / 'runs.sqlite'}")
    if result.status == "interrupted":
        say(terminal, f"go on with: saddleproof run {config} --resume --out {out}")
        sys.exit(INTERRUPTED)


def with_progress(terminal: Console, setup: Any, checkpoint: Any) -> Result:
    """Run the parts of `runs.setup`, one step of the bar a round."""
    from saddleproof.report.progress import Steps

    with Steps(terminal, "rounds", setup.options.max_rounds, bounded=False) as steps:

        def show(progress: Progress) -> None:
            record = progress.record
            steps.advance(f"|g| {record.gradient_norm:.3g}, off by {record.inexactness:.3g}")

        result: Result = setup.minimize(callback=show, checkpoint=checkpoint, resume=True)
    return result
