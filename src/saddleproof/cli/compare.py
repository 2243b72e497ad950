"""`saddleproof compare` and `saddleproof demo`: many runs side by side, one table, one report."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from saddleproof.cli.again import again
from saddleproof.cli.comparing import Kept, compared
from saddleproof.cli.terminal import (
    config_argument,
    console,
    exits,
    import_option,
    jobs_option,
    say,
)

#: Exit codes of a comparison.
_ENDS = {
    0: "all runs were made, whatever came of them",
    1: "an error, or a run that failed, or a report that could not be drawn",
    130: "Ctrl-C; what was finished is kept",
}


@click.command("demo", epilog=exits(_ENDS))
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
    title = "Held at a saddle point, or not?"
    kept = Kept(command=f"saddleproof demo --seeds {seeds}")
    shown = compared(terminal, parse(text), seeds, out, jobs, title, kept)
    last = shown[-1].trials[0]
    say(terminal, f"\n{last.label}, seed {last.seed}, in full:\n\n{last.summary}")


@click.command("compare", epilog=exits(_ENDS))
@config_argument
@click.option(
    "--seeds", type=click.IntRange(1), default=10, show_default=True, help="Seeds 0 to N - 1."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="saddleproof-compare",
    show_default=True,
    help="Folder of the report, the picture, trials.csv and the ledger.",
)
@jobs_option
@click.option(
    "--resume", is_flag=True, help="Take the runs from OUT that are there, and make the others."
)
@click.option(
    "--figure",
    "figures",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file for a paper, .svg, .pdf or .png: one panel a world. May be given again.",
)
@import_option
@click.pass_context
def compare(
    context: click.Context,
    config: Path,
    seeds: int,
    out: Path,
    jobs: int | None,
    figures: tuple[Path, ...],
    imports: tuple[str, ...],
    *,
    resume: bool,
) -> None:
    """Run the [[compare]] entries of CONFIG, or its [grid], side by side, over seeds.

    Every run is in OUT/ledger.sqlite as soon as it has ended. A run that fails is a cell of the
    table; the command then exits with 1.
    """
    from saddleproof.config.parse import load
    from saddleproof.lab.ledger import Ledger
    from saddleproof.lab.sheets import check_format

    for file in figures:
        check_format(file)
    chosen = load(config, imports)
    with Ledger(out / "ledger.sqlite") as ledger:
        words = ["saddleproof", "compare", str(config), "--seeds", str(seeds)]
        words += [f"--allow-import={module}" for module in imports]
        made = shlex.join(words)
        kept = Kept(ledger, resume, again(context), figures, made)
        title = f"Comparison of {config.name}"
        compared(console(), chosen, seeds, out, jobs, title, kept)
