"""`saddleproof list`: what each family has, and which options its members take."""

from __future__ import annotations

import click

from saddleproof.cli.terminal import console

FAMILIES = ("problems", "attacks", "aggregators", "optimizers", "schedules")


@click.command("list")
@click.argument("family", type=click.Choice(FAMILIES), required=False)
def command(family: str | None) -> None:
    """Name the members of FAMILY, or of all, with a line on each and the options it takes."""
    import inspect

    from rich.table import Table
    from rich.text import Text

    from saddleproof.config.members import parameters, table

    for one in FAMILIES if family is None else [family]:
        rows = Table(box=None, pad_edge=False, show_header=False)
        rows.add_column(style="bold", no_wrap=True)
        rows.add_column()
        for name, make in table(one.removesuffix("s")).items():
            line = (inspect.getdoc(make) or "").partition("\n\n")[0].replace("\n", " ")
            rows.add_row(name, Text(line))  # brackets in it are no markup
            rows.add_row("", f"options: {', '.join(parameters(make)) or 'none'}", style="dim")
        if family is None:
            console().print(f"\n[bold]{one}[/bold]\n")
        console().print(rows)
