"""Colours and marks that stay apart for every reader, on white and on black.

Okabe and Ito (2008), in an order in which neighbours differ in lightness as well; every series
also has its own line style and marker, so that nothing rests on colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Look:
    """How one series is drawn."""

    color: str
    line: str
    marker: str


_COLORS = ("#7f7f7f", "#E69F00", "#CC79A7", "#56B4E9", "#D55E00", "#0072B2", "#8c6d00")
_LINES: tuple[Any, ...] = (
    "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 2)), (0, (1, 1)), (0, (8, 2)),
)  # fmt: skip
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: The trainer that the runs tell from all others; the only solid line, and the only star.
_BEST = Look("#009E73", "-", "*")


def looks(labels: Iterable[str], best: str | None = None) -> dict[str, Look]:
    """Label to look.

    Args:
        labels: of all series. No two of the first 49 have colour, line and marker in common.
        best: the one that gets the solid green line and the star; None for none.
    """
    names = [name for name in dict.fromkeys(labels) if name != best]
    n = len(_COLORS)
    chosen = {
        name: Look(_COLORS[i % n], _LINES[(i + i // n) % n], _MARKERS[(i + 2 * (i // n)) % n])
        for i, name in enumerate(names)
    }
    return chosen if best is None else {**chosen, best: _BEST}
