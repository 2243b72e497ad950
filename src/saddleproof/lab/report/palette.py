"""Colours and marks that stay apart for every reader, on white and on black.

Okabe and Ito (2008), in an order in which neighbours differ in lightness as well; every series
also has its own line style and marker, so that nothing rests on colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle


@dataclass(frozen=True)
class Look:
    """How one series is drawn."""

    color: str
    line: str
    marker: str


_LOOKS = (
    Look("#7f7f7f", "--", "o"),
    Look("#E69F00", "-.", "s"),
    Look("#CC79A7", ":", "^"),
    Look("#56B4E9", (0, (5, 1, 1, 1, 1, 1)), "D"),  # type: ignore[arg-type]
    Look("#D55E00", (0, (3, 2)), "v"),  # type: ignore[arg-type]
    Look("#0072B2", (0, (1, 1)), "P"),  # type: ignore[arg-type]
)
#: The last entry of a comparison is the one that the others are compared with.
_HERO = Look("#009E73", "-", "*")


def looks(labels: Iterable[str]) -> dict[str, Look]:
    """Label to look; the last label gets the solid green."""
    names = list(labels)
    chosen = dict(zip(names, cycle(_LOOKS), strict=False))
    if names:
        chosen[names[-1]] = _HERO
    return chosen
