"""A comparison as figures for a paper: one panel a world, on sheets of A4."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saddleproof.errors import OptionError
from saddleproof.lab.rows import Row
from saddleproof.lab.sheets import Panel, check_format, sheets, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figure(rows: Sequence[Row], path: str | os.PathLike[str]) -> list[Path]:
    """Draw who left the saddle, or whose loss is lowest where nobody knows a minimum.

    Args:
        rows: the comparison.
        path: ending in .svg, .pdf or .png. Of several sheets, a PDF has them as pages; of the
            others the second is `name-2.svg`, and so on.

    Returns:
        The files.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OptionError: another ending, or no rows.
    """
    check_format(path)
    if not rows:
        raise OptionError("there is nothing to draw: no run has ended")
    worlds: dict[str, list[Row]] = {}
    for row in rows:
        worlds.setdefault(row.world, []).append(row)
    panels = [Panel(_World(world, some), 0.9 + 0.3 * len(some)) for world, some in worlds.items()]
    return written(sheets(panels), path)


class _World:
    """Draws one world."""

    def __init__(self, world: str, rows: Sequence[Row]) -> None:
        self.world, self.rows = world, rows

    def __call__(self, ax: Axes) -> None:
        from saddleproof.lab.report.figures import shares

        shares(ax, self.rows, self.world)
