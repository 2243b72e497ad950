"""The command line. Everything heavy is imported inside the commands: `--help` is quick."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saddleproof import __version__
from saddleproof.cli.theory import command as _theory
from saddleproof.errors import MissingExtraError, SaddleproofError

if TYPE_CHECKING:
    from rich.console import Console

    from saddleproof.minimize import Progress, Result
    from saddleproof.runs.compare import Row
    from saddleproof.runs.config import Config

FAMILIES = ("problems", "attacks", "aggregators", "optimizers", "schedules")
#: What a shell reports for a command that Ctrl-C ended.
INTERRUPTED = 130

_config = click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
_jobs = click.option(
    "--jobs", type=click.IntRange(1), help="Worker processes; 2 unless there is one core only."
)


class _Group(click.Group):
    """Errors that the library raises on purpose end in one line, not in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SaddleproofError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="saddleproof")
def main() -> None:
    """Train over workers of which some lie, leave saddle points, and know where you ended."""


@main.command()
@click.option("--seeds", type=click.IntRange(1), default=20, show_default=True, help="Runs a row.")
@click.option(
    "--out", type=click.Path(path_type=Path), default="saddleproof-demo", show_default=True
)
@_jobs
def demo(seeds: int, out: Path, jobs: int | None) -> None:
    """Real digits, 20 workers, 6 liars: who is held at the saddle point, and who is not?"""
    from saddleproof.runs.config import parse

    text = (Path(__file__).parents[1] / "runs" / "demo.toml").read_text(encoding="utf-8")
    out.mkdir(parents=True, exist_ok=True)
    (out / "demo.toml").write_text(text, encoding="utf-8")
    console = _console()
    _say(console, "Principal component of 1797 images over 20 workers, 6 of which push back to")
    _say(console, "the saddle point where the run starts. Four trainers of today, and ours.\n")
    shown = _compare(console, parse(text), seeds, out, jobs, "Held at a saddle point, or not?")
    last = shown[-1].trials[0]
    _say(console, f"\n{last.label}, seed {last.seed}, in full:\n\n{last.summary}")


@main.command()
@_config
@click.option(
    "--seeds", type=click.IntRange(1), default=10, show_default=True, help="Seeds 0 to N - 1."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default="saddleproof-compare", show_default=True
)
@_jobs
def compare(config: Path, seeds: int, out: Path, jobs: int | None) -> None:
    """Run the [[compare]] entries of CONFIG side by side, over seeds."""
    from saddleproof.runs.config import load

    _compare(_console(), load(config), seeds, out, jobs, f"Comparison of {config.name}")


@main.command()
@_config
@click.option("--resume", is_flag=True, help="Go on with the last run of CONFIG that did not end.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="saddleproof-runs",
    show_default=True,
    help="Folder of the run store, runs.sqlite.",
)
def run(config: Path, *, resume: bool, out: Path) -> None:
    """Run CONFIG once; every round is committed to the store."""
    from saddleproof.runs.config import load
    from saddleproof.runs.setup import build, first_warnings
    from saddleproof.runs.store import Store

    console, chosen = _console(), load(config)
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
            result = _with_progress(console, setup, checkpoint)
        store.finish(checkpoint.run, result)
    for note in notes:
        _say(console, f"warning: {note}")
    _say(console, str(result))
    _say(console, f"\nrun {checkpoint.run} in {out / 'runs.sqlite'}")
    if result.status == "interrupted":
        _say(console, f"go on with: saddleproof run {config} --resume --out {out}")
        sys.exit(INTERRUPTED)


@main.command(name="list")
@click.argument("family", type=click.Choice(FAMILIES))
def list_(family: str) -> None:
    """Name the members of FAMILY, with a line on each."""
    import inspect

    from rich.table import Table

    from saddleproof.runs.members import parameters, table

    rows = Table(box=None, pad_edge=False, show_header=False)
    rows.add_column(style="bold", no_wrap=True)
    rows.add_column()
    for name, make in table(family.removesuffix("s")).items():
        line = (inspect.getdoc(make) or "").partition("\n\n")[0].replace("\n", " ")
        rows.add_row(name, line)
        rows.add_row("", f"options: {', '.join(parameters(make)) or 'none'}", style="dim")
    _console().print(rows)


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default="saddleproof-runs")
def doctor(out: Path) -> None:
    """Check this installation: versions, extras, threads, the run store, and a short run."""
    from saddleproof.cli.doctor import checks

    healthy = True
    for check in checks(out):
        click.echo(f"{'ok ' if check.good else 'BAD'}  {check.name:<14} {check.found}")
        healthy &= check.good
    sys.exit(0 if healthy else 1)


main.add_command(_theory)


def _compare(
    console: Console, config: Config, seeds: int, out: Path, jobs: int | None, title: str
) -> tuple[Row, ...]:
    """Run, print the table, write the report; Ctrl-C shows what was finished by then."""
    from saddleproof.report.progress import Steps
    from saddleproof.report.text import table
    from saddleproof.runs.compare import rows, run_trials

    trials, total = [], seeds * len(config.compare)
    jobs = min(2, os.cpu_count() or 1) if jobs is None else jobs
    interrupted = False
    try:
        with (
            closing(run_trials(config, range(seeds), jobs)) as running,
            Steps(console, "runs", total) as steps,
        ):
            for trial in running:
                trials.append(trial)
                steps.advance(f"{trial.label}: {'left' if trial.left else 'held'}")
    except KeyboardInterrupt:
        interrupted = True
    shown = rows(config, trials)
    if shown:
        console.print(table(shown))
        for row in shown:
            for note in row.notes:
                _say(console, f"warning, {row.label}: {note}")
    if interrupted:
        _say(console, f"\ninterrupted after {len(trials)} of {total} runs")
        sys.exit(INTERRUPTED)
    _report(console, out, title, config, shown)
    return shown


def _report(console: Console, out: Path, title: str, config: Config, shown: Any) -> None:
    from saddleproof.runs.setup import build

    try:
        from saddleproof.report.page import write
    except MissingExtraError as error:
        _say(console, f"\nno report: {error}")
        return
    problem = build(config, config.compare[0], shown[0].trials[0].seed).problem
    page = write(out, title, config.text, shown, problem)
    _say(console, f"\nreport: {page}\npicture: {page.with_suffix('.png')}")


def _with_progress(console: Console, setup: Any, checkpoint: Any) -> Result:
    from saddleproof.report.progress import Steps

    with Steps(console, "rounds", setup.options.max_rounds, bounded=False) as steps:

        def show(progress: Progress) -> None:
            record = progress.record
            steps.advance(f"|g| {record.gradient_norm:.3g}, off by {record.inexactness:.3g}")

        result: Result = setup.minimize(callback=show, checkpoint=checkpoint, resume=True)
    return result


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _say(console: Console, text: str) -> None:
    """Plain text: no markup, and long lines stay whole in a file."""
    console.print(text, markup=False, soft_wrap=True)
