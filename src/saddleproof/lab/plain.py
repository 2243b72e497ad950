"""Tables as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from saddleproof.printed import one_line


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Cells under each other, a line a row, without a line break or an escape in any of them.

    Args:
        rows: of one length, at least one.

    >>> columns([("a", "b"), ("long", "c")])
    ['a     b', 'long  c']
    """
    shown = [[one_line(text) for text in row] for row in rows]
    widths = [max(len(row[k]) for row in shown) for k in range(len(shown[0]))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]
