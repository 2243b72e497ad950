"""The pictures of a comparison: who left the saddle, how the rounds went, and which way.

Every drawing function fills an `Axes` that it is given. Text and axes are drawn in `INK`, a
colour that nothing else uses, so that the HTML report can exchange it for the reader's own.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saddleproof.errors import MissingExtraError
from saddleproof.lab.report.palette import Look, looks
from saddleproof.lab.report.plane import Plane, bottoms
from saddleproof.lab.rows import Row
from saddleproof.lab.trials import Trial
from saddleproof.printed import drawn
from saddleproof.words import Ending

try:
    import matplotlib as mpl
    from matplotlib.colors import LinearSegmentedColormap, to_rgb
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter
except ImportError as error:
    raise MissingExtraError("matplotlib", "plot") from error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#1b2b3a"
#: Norms below this are drawn at it: what lies deeper is rounding.
FLOOR = 1e-6
#: Endings of runs that no test of their own ended.
_SPENT = (Ending.BUDGET, Ending.UNRESOLVED, Ending.INTERRUPTED, Ending.STOPPED)
_STYLE: Any = {
    "text.usetex": False,  # a label is no program
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.labelsize": 9.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "font.size": 9.5,
    "svg.hashsalt": "saddleproof",
    "figure.constrained_layout.use": True,
}


def shares(ax: Axes, rows: Sequence[Row], world: str = "") -> None:
    """The share of runs that left the saddle, one bar an entry, with 95 % Wilson intervals."""
    style = looks(row.label for row in rows)
    for y, row in enumerate(rows):
        look, said = style[row.label], [f"{len(row.failures)} failed"] * bool(row.failures)
        if row.trials:
            share = row.left
            said.insert(0, f"{share.successes} of {share.trials}")
            ax.barh(y, share.value, height=0.6, color=look.color, alpha=0.85)
            ax.plot([share.low, share.high], [y, y], color=INK, lw=1.4, solid_capstyle="butt")
            for end in (share.low, share.high):
                ax.plot([end, end], [y - 0.14, y + 0.14], color=INK, lw=1.4, clip_on=False)
        ax.plot(
            -0.012, y, look.marker, color=look.color, ms=_size(look), clip_on=False,
            transform=ax.get_yaxis_transform(),
        )  # fmt: skip
        ax.annotate(
            ", ".join(said),
            (1.0, y),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
        )
    ax.set_yticks(range(len(rows)), [drawn(row.label) for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.tick_params(axis="y", length=0, pad=14)
    ax.set_xmargin(0)
    ax.set_xlabel("runs that left the saddle (line: 95 % Wilson interval)")
    ax.set_title(drawn(world) or "Who leaves the saddle?")


def gradient_norms(ax: Axes, rows: Sequence[Row]) -> None:
    """The norm of the aggregated gradient per round, the first seed of every entry."""
    _per_round(ax, rows, lambda trial: [record.gradient_norm for record in trial.trace])
    ax.set_ylabel(r"gradient norm  $\|\hat g\|$")
    ax.set_title(f"What the server sees, seed {_seed(rows)}")


def inexactnesses(ax: Axes, rows: Sequence[Row]) -> None:
    """How wrong that gradient may be, by the messages themselves; the first seed of every entry."""
    _per_round(ax, rows, lambda trial: [record.inexactness for record in trial.trace])
    ax.set_ylabel(r"inexactness  $\hat\Delta$")
    ax.set_xlabel("round")


def paths(ax: Axes, rows: Sequence[Row], plane: Plane) -> None:
    """The first seed's paths in the saddle's plane, over the contours of the pooled loss."""
    style = looks(row.label for row in rows)
    tracks = [(row.label, plane.project(row.trials[0].path)) for row in rows if row.trials]
    x, y, loss = plane.grid(np.vstack([track for _, track in tracks]))
    levels = _levels(loss)
    ax.contourf(x, y, loss, levels=levels, cmap=_depth(), antialiased=True)
    ax.contour(x, y, loss, levels=levels, colors=INK, linewidths=0.5, alpha=0.3, linestyles="-")
    for label, track in tracks:
        look = style[label]
        ax.plot(*track.T, color=look.color, ls=look.line, lw=2.0)
        ax.plot(*track[-1], look.marker, color=look.color, ms=_size(look), label=drawn(label))
    ax.plot(0, 0, "x", color=INK, ms=8, mew=2.0)
    _name(ax, "saddle", (0.0, 0.0))
    for bottom in bottoms(x, y, loss):
        ax.plot(*bottom, "+", color=INK, ms=10, mew=2.0)
        _name(ax, "minimum", bottom)
    ax.set_aspect("equal")
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(y[0], y[-1])
    ax.set_xlabel("along the saddle's escape direction")
    ax.set_ylabel("across, towards the minimum")
    ax.set_title(f"The way, over the contours of the loss, seed {_seed(rows)}")


def overview(rows: Sequence[Row], plane: Plane | None) -> Figure:
    """All of it on one sheet."""
    with mpl.rc_context(_STYLE):
        height = 0.9 + 0.36 * len(rows)  # of the bars, in inches
        figure = Figure(figsize=(12.0, height + 4.9))
        sheets: Any = figure.subfigures(2, 1, height_ratios=(height, 4.9))
        top, bottom = sheets
        shares(top.subplots(), rows)
        right = bottom
        if plane is not None:
            left, right = bottom.subfigures(1, 2)
            paths(left.subplots(), rows, plane)
        norms, noise = right.subplots(2, 1, sharex=True)
        gradient_norms(norms, rows)
        inexactnesses(noise, rows)
        return figure


def by_world(groups: Sequence[tuple[str, Sequence[Row]]]) -> Figure:
    """Who leaves the saddle, world under world."""
    heights = [0.9 + 0.36 * len(rows) for _, rows in groups]  # inches
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.0, sum(heights)))
        sheets: Any = figure.subfigures(len(groups), 1, squeeze=False, height_ratios=heights)
        for sheet, (world, rows) in zip(sheets[:, 0], groups, strict=True):
            shares(sheet.subplots(), rows, world)
        return figure


def stacked(size: tuple[float, float], *draws: Callable[[Axes], None]) -> Figure:
    """Drawings over each other with one common horizontal axis, and a legend if they need one."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size)
        axes = figure.subplots(len(draws), 1, sharex=True, squeeze=False)[:, 0]
        for draw, ax in zip(draws, axes, strict=True):
            draw(ax)
        handles, labels = axes[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return figure


def svg(figure: Figure) -> str:
    """The <svg> element alone, for the inside of a page: nothing in it points outside."""
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # HTML knows these namespaces without an address; groups are numbered alike in every figure.
    return re.sub(r' xmlns(:xlink)?="[^"]*"|(?<=<g) id="[^"]*"', "", text)


def png(figure: Figure) -> bytes:
    """The figure on white, 160 dots an inch."""
    buffer = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(buffer, format="png", dpi=160, facecolor="white")
    return buffer.getvalue()


def _per_round(ax: Axes, rows: Sequence[Row], series: Callable[[Trial], Sequence[float]]) -> None:
    style = looks(row.label for row in rows)
    drawable = [row for row in rows if row.trials]
    for row in drawable:
        look, values = style[row.label], np.array(series(row.trials[0]))
        values[~np.isfinite(values)] = np.nan
        values = np.maximum(values, FLOOR)
        ax.plot(values, color=look.color, ls=look.line, lw=1.7)
        if len(values):
            ax.plot(
                len(values) - 1, values[-1], look.marker, color=look.color, ms=_size(look),
                label=drawn(row.label),
            )  # fmt: skip
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    if high < 100 * low:  # too few powers of ten to read it by
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    # What ended by itself is worth looking at; what merely spends its budget runs off the page.
    ended = [row.trials[0].rounds for row in drawable if row.trials[0].status not in _SPENT]
    ax.set_xlim(0, 1.15 * max(ended, default=0) or None)
    ax.grid(axis="y", color=INK, alpha=0.12, lw=0.6)


def _seed(rows: Sequence[Row]) -> int:
    """The seed whose runs are drawn: the first one's of the first row that has any."""
    return next(row.trials[0].seed for row in rows if row.trials)


def _levels(loss: Any) -> Any:
    low, high = float(loss.min()), float(np.quantile(loss, 0.97))
    # Closer together at the bottom, where the wells are.
    return low + (high - low) * np.linspace(0.0, 1.0, 15) ** 1.6


def _depth() -> LinearSegmentedColormap:
    """The deeper, the darker: ink that fades out, so that it suits any background."""
    red, green, blue = to_rgb(INK)
    return LinearSegmentedColormap.from_list(
        "depth", [(red, green, blue, 0.22), (red, green, blue, 0.0)]
    )


def _name(ax: Axes, word: str, at: tuple[float, float]) -> None:
    ax.annotate(
        word, at, xytext=(0, 9), textcoords="offset points", ha="center", weight="bold"
    )  # fmt: skip


def _size(look: Look) -> float:
    return 11.0 if look.marker == "*" else 6.5
