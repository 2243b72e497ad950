"""The comparison as words and numbers, the same in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from saddleproof.runs.compare import Row


def headings() -> tuple[str, ...]:
    """What the columns of `cells` mean."""
    return ("optimizer + rule", "left", "95 % interval", "rounds (median)", "excess loss")


def cells(row: Row) -> tuple[str, ...]:
    """One entry of the comparison, a string a column."""
    share = row.left
    return (
        row.label,
        f"{share.successes} of {share.trials}",
        f"[{share.low:.2f}, {share.high:.2f}]",
        f"{row.rounds:g}",
        f"{row.excess:.3g}",
    )


def table(rows: Sequence[Row]) -> Table:
    """The comparison for a terminal; the last entry in bold."""
    made = Table(title_justify="left", box=None, pad_edge=False, header_style="dim")
    for i, name in enumerate(headings()):
        made.add_column(name, justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        made.add_row(*cells(row), style="bold" if row is rows[-1] else None)
    return made
