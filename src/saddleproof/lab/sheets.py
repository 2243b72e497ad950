"""Figures of many panels, on sheets of A4: one panel a world, and a file for a paper."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saddleproof.errors import MissingExtraError, OptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Inches of a sheet, and of the ink on it.
WIDTH, HEIGHT = 7.3, 10.4
#: What a figure may be written as.
FORMATS = ("svg", "pdf", "png")


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        draw: fills the axes.
        height: in inches, at most that of a sheet.
    """

    draw: Callable[[Axes], Any]
    height: float


def sheets(panels: Sequence[Panel], *, columns: int = 1) -> list[Figure]:
    """The panels on as many sheets as they need, none larger than A4 between its margins.

    Args:
        panels: in reading order. Those of one line get the height of the highest.
        columns: panels beside each other.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    lines = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [min(HEIGHT, max(panel.height for panel in line)) for line in lines]
    pages: list[list[int]] = []
    left = 0.0
    for i, height in enumerate(heights):
        if not pages or height > left:
            pages.append([])
            left = HEIGHT
        pages[-1].append(i)
        left -= height
    return [_sheet([lines[i] for i in page], [heights[i] for i in page], columns) for page in pages]


def _sheet(lines: Sequence[Sequence[Panel]], heights: Sequence[float], columns: int) -> Figure:
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot") from error
    from saddleproof.lab.report.figures import STYLE

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, sum(heights)))
        grid = figure.subplots(
            len(lines), columns, squeeze=False, gridspec_kw={"height_ratios": heights}
        )
        for row, line in zip(grid, lines, strict=True):
            for ax in row[len(line) :]:
                ax.set_axis_off()
            for ax, panel in zip(row, line, strict=False):
                panel.draw(ax)
        _legend(figure, list(grid.ravel()))
        return figure


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend for all panels of a sheet."""
    found: dict[str, Any] = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    if found:
        figure.legend(
            list(found.values()), list(found), loc="outside lower center", ncols=min(3, len(found))
        )


def check_format(path: str | os.PathLike[str]) -> str:
    """What a figure of this name is written as.

    Raises:
        OptionError: it does not end in .svg, .pdf or .png.
    """
    form = Path(path).suffix.lower().removeprefix(".")
    if form not in FORMATS:
        endings = ", ".join(f".{one}" for one in FORMATS)
        raise OptionError(f"a figure's file ends in one of {endings}; got {Path(path).name!r}")
    return form


def written(figures: Sequence[Figure], path: str | os.PathLike[str]) -> list[Path]:
    """Write sheets to a file: a PDF has them as pages; of the others each sheet is a file.

    Equal figures give equal bytes.

    Args:
        figures: at least one.
        path: ending in .svg, .pdf or .png. Of several sheets that are no PDF, the second is
            `name-2.svg`, and so on.

    Returns:
        The files.

    Raises:
        OptionError: another ending.
    """
    form, first = check_format(path), Path(path)
    import matplotlib as mpl

    from saddleproof.lab.report.figures import STYLE

    first.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        if form == "pdf":
            from matplotlib.backends.backend_pdf import PdfPages

            with PdfPages(first, metadata={"CreationDate": None}) as pages:
                for figure in figures:
                    pages.savefig(figure)
            return [first]
        options: dict[str, Any] = (
            {"dpi": 160, "facecolor": "white"} if form == "png" else {"metadata": {"Date": None}}
        )
        files = [first, *(first.with_stem(f"{first.stem}-{i}") for i in range(2, len(figures) + 1))]
        for figure, file in zip(figures, files, strict=True):
            figure.savefig(file, format=form, **options)
        return files
