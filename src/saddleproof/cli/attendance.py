"""The workers of a server, when it ends: what each of them did since this process started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from saddleproof.printed import printable

if TYPE_CHECKING:
    from rich.table import Table

#: Column to what `GrpcFleet.counters` calls it.
COLUMNS = {
    "answered": "answered",
    "late": "late",
    "lost": "dead",
    "stale": "stale",
    "refused": "refused",
    "replaced": "replaced",
    "bytes": "bytes",
}


def table(counters: Mapping[str, Mapping[str, int]], unseated: Mapping[str, str]) -> Table:
    """A row a worker: rounds that it answered, was late in, or had no connection in; and the rest.

    Args:
        counters: `GrpcFleet.counters()`, the roster's rows.
        unseated: worker to reason, for those that were proved bad.
    """
    from rich.table import Table
    from rich.text import Text

    made = Table(
        title="workers, since this server started",
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    made.add_column("worker", overflow="fold")
    for name in COLUMNS:
        made.add_column(name, justify="right")
    made.add_column("unseated", overflow="fold")
    for name, row in counters.items():
        counted = (f"{row[what]:,}" for what in COLUMNS.values())
        why = unseated.get(name, "no")
        made.add_row(Text(printable(name)), *counted, Text(printable(why)))
    return made


def others(
    counters: Mapping[str, Mapping[str, int]], roster: tuple[str, ...], handshakes: int
) -> Iterator[str]:
    """A line of each stranger, and one of the connections that never said who they are."""
    for name, row in counters.items():
        if name not in roster:
            yield f"refused: {printable(name) or 'without a name'}, {row['refused']} times"
    known = sum(row["connected"] + row["refused"] for row in counters.values())
    if handshakes > known:
        yield f"{handshakes} connections began a handshake, {known} said who they are"
