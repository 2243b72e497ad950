"""`saddleproof run`: one configuration, once; every round is committed to a store."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saddleproof import __version__
from saddleproof.cli.again import again
from saddleproof.cli.terminal import (
    INTERRUPTED,
    STUCK,
    allow_option,
    config_argument,
    console,
    exit_code,
    exits,
    import_option,
    resume_option,
    say,
)
from saddleproof.errors import StoreError

if TYPE_CHECKING:
    from rich.console import Console

    from saddleproof.config.records import Config
    from saddleproof.result import Progress, Result
    from saddleproof.runs.store import RunCheckpoint, Store


#: Exit codes of a run.
_ENDS = {
    0: "the run has ended, whatever its certificate says",
    1: "an error, told in one line",
    STUCK: "too few workers are left; the state is committed",
    INTERRUPTED: "Ctrl-C; the state is committed",
}


@click.command("run", epilog=exits(_ENDS))
@config_argument
@resume_option
@allow_option
@import_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="saddleproof-runs",
    show_default=True,
    help="Folder of the run store, runs.sqlite.",
)
@click.pass_context
def command(
    context: click.Context,
    config: Path,
    *,
    resume: bool,
    allow: tuple[str, ...],
    imports: tuple[str, ...],
    out: Path,
) -> None:
    """Run CONFIG once; every round is committed to the store."""
    from saddleproof.config.parse import load
    from saddleproof.config.setup import build, first_warnings
    from saddleproof.lab.report.workers import workers
    from saddleproof.runs.store import Store

    terminal, chosen = console(), load(config, imports)
    setup = build(chosen)
    with Store(out / "runs.sqlite") as store:
        if resume and (over := ended(store, chosen)) is not None:
            say(terminal, over)
            return
        checkpoint = begin(store, chosen, resume=resume)
        with first_warnings() as notes, result_told(terminal):
            result = with_progress(terminal, setup, checkpoint, allow)
            finish(store, checkpoint, result)
    for note in notes:
        say(terminal, f"warning: {note}")
    say(terminal, f"{verdict(result)}\n")
    say(terminal, str(result))
    say(terminal, f"\n{workers(result, setup.fleet.workers)}")
    say(terminal, f"\nrun {checkpoint.run} in {out / 'runs.sqlite'}")
    if result.status.resumable:
        say(terminal, f"go on with: {again(context)}")
    sys.exit(exit_code(result.status))


def verdict(result: Result) -> str:
    """How a run ended and what is known of its point, in a sentence that claims no more than both.

    The word is the level of the certificate, and without a certificate the ending alone.
    """
    rounds = f"after {result.rounds} rounds"
    found = result.certificate
    if found is None:
        return f"verdict: {result.status} {rounds}, without a certificate: {result.message}"
    if found.level.ending is result.status:  # the ending is the level, and the message its reason
        return f"verdict: {found.level} {rounds}: {found.reason}"
    return (
        f"verdict: {result.status} {rounds}: {result.message}; certificate: {found.level}: "
        f"{found.reason}"
    )


def ended(store: Store, chosen: Config) -> str | None:
    """How the last run of this configuration ended, in words; None when it did not, or is none.

    Such a run is not led again: who calls `--resume` in a loop wants one end, not many.
    """
    last = store.last(chosen.text)
    if last is None or last.ended is None:
        return None
    certificate = (last.certificate or "none").partition("\n")[0]
    return (
        f"run {last.id} in {store.path} has ended; without --resume a new one begins\n"
        f"status: {last.status} ({last.message})\ncertificate: {certificate}"
    )


def begin(store: Store, chosen: Config, *, resume: bool) -> RunCheckpoint:
    """Where the run is kept: with `resume` the last one, unless it has ended, or else a new one."""
    unfinished = store.unfinished(chosen.text) if resume else None
    return store.begin(chosen.text, __version__) if unfinished is None else unfinished


def finish(store: Store, checkpoint: RunCheckpoint, result: Result) -> None:
    """Write down how a run ended; an error carries the result."""
    try:
        store.finish(checkpoint.run, result)
    except StoreError as error:
        error.result = result
        raise


@contextmanager
def result_told(terminal: Console) -> Iterator[None]:
    """Print the result that an error of the store carries, before the error itself."""
    try:
        yield
    except StoreError as error:
        if error.result is not None:
            say(terminal, str(error.result))
        raise


def with_progress(
    terminal: Console, setup: Any, checkpoint: Any, allow: tuple[str, ...] = ()
) -> Result:
    """Run the parts of `runs.setup`, one step of the bar a round."""
    from saddleproof.lab.report.progress import Steps

    with Steps(terminal, "rounds", setup.options.max_rounds, bounded=False) as steps:

        def show(progress: Progress) -> None:
            record = progress.record
            norms = f"|g| {record.gradient_norm:.3g}, off by {record.inexactness:.3g}"
            steps.advance(norms if record.queries else record.event)

        loop = {"callback": show, "checkpoint": checkpoint, "resume": True, "allow": allow}
        result: Result = setup.minimize(**loop)
    return result
