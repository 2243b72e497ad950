"""`saddleproof list`: what each family has, and the options of its members with their meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from saddleproof.cli.terminal import console

if TYPE_CHECKING:
    from rich.table import Table

FAMILIES = ("problems", "attacks", "aggregators", "optimizers", "schedules")


@click.command("list")
@click.argument("family", type=click.Choice(FAMILIES), required=False)
@click.argument("names", nargs=-1, metavar="[NAME]...")
def command(family: str | None, names: tuple[str, ...]) -> None:
    """Name the members of FAMILY, or of all, each with its options.

    With a FAMILY every option is told with its type, its default and its meaning; with NAMEs those
    members alone.
    """
    from saddleproof.arguments import suggest
    from saddleproof.config.members import table

    terminal = console()
    for one in FAMILIES if family is None else [family]:
        members = table(one.removesuffix("s"))
        if unknown := [name for name in names if name not in members]:
            said = f"no member of {one} is called {unknown[0]!r}; {suggest(unknown[0], members)}"
            raise click.UsageError(said)
        if family is None:
            terminal.print(f"\n[bold]{one}[/bold]\n")
        chosen = {name: members[name] for name in (names or members)}
        terminal.print(_table(chosen, in_full=family is not None))
    if family is None:
        terminal.print("\nsaddleproof list FAMILY tells types, defaults and meaning of the options")


def _table(members: dict[str, object], *, in_full: bool) -> Table:
    """A member on each line, and its options below it."""
    from rich.table import Table
    from rich.text import Text

    from saddleproof.config.options import headline, options

    rows = Table(box=None, pad_edge=False, show_header=False)
    rows.add_column(style="bold", overflow="fold")
    rows.add_column(overflow="fold")
    for name, make in members.items():
        rows.add_row(name, Text(headline(make)))  # brackets in it are no markup
        found = options(make)
        if not in_full:
            told = ", ".join(option.name for option in found) or "none"
            rows.add_row("", Text(f"options: {told}"), style="dim")
            continue
        for option in found:
            meaning = f": {option.meaning}" if option.meaning else ""
            rows.add_row("", Text(f"{option.name} ({option.kind}; {option.default}){meaning}"))
        rows.add_row("", "" if found else "no options")
    return rows
