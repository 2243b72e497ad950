"""What the figures share: lines with marks in the colours of the report, saved as SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saddleproof.lab.report.figures import stacked, svg
from saddleproof.lab.report.palette import looks
from saddleproof.lab.report.strokes import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (6.4, 3.9)
_NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'

Points = tuple[Sequence[float], Sequence[float]]


def lines(
    series: Mapping[str, Points],
    *,
    x: str,
    y: str,
    title: str,
    log: str = "xy",
    theory: Mapping[str, Points] | None = None,
    more: Callable[[Axes], object] | None = None,
) -> Figure:
    """One marked line a label, and what the statement says as thin lines without marks.

    Args:
        series: label to x and y values.
        x: label of the horizontal axis.
        y: label of the vertical axis.
        title: above it all.
        log: which axes are logarithmic: "", "x", "y" or "xy".
        theory: label to x and y values of what the statement says.
        more: draws more on the axes.
    """
    style = looks(series, next(reversed([*series]), None))

    def fill(ax: Axes) -> None:
        for label, (xs, ys) in series.items():
            look = style[label]
            ax.plot(xs, ys, color=look.color, ls=look.line, marker=look.marker, ms=6, label=label)
        for k, (label, (xs, ys)) in enumerate((theory or {}).items()):
            ax.plot(xs, ys, color=INK, lw=1.2, ls=("-", "--", ":")[k % 3], label=label)
        if "x" in log:
            ax.set_xscale("log")
        if "y" in log:
            ax.set_yscale("log")
        ax.grid(color=INK, alpha=0.12, lw=0.6)
        ax.set(xlabel=x, ylabel=y, title=title)
        if more is not None:
            more(ax)

    return stacked(SIZE, fill)


def save(figure: Figure, path: Path) -> None:
    """Save an SVG file with a white background of its own."""
    text = svg(figure).replace("<svg", f'<svg {_NAMESPACES} style="background:#fff"', 1)
    path.write_text(text, encoding="utf-8")


def errorbars(ax: Any, xs: Sequence[float], ys: Sequence[float], by: Sequence[float]) -> None:
    """Bars of three standard errors."""
    ax.errorbar(xs, ys, yerr=[3 * e for e in by], fmt="none", ecolor=INK, elinewidth=1, capsize=2)
