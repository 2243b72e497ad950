"""The pictures of a comparison: who left the saddle, how the rounds went, and which way.

Every drawing function fills an `Axes` that it is given. Text and axes are drawn in `INK`, a
colour that nothing else uses, so that the HTML report can exchange it for the reader's own. Axes
hold all that was measured, and are logarithmic where the numbers span a power of ten.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import MissingExtraError
from saddleproof.lab.report.plane import Plane, bottoms
from saddleproof.lab.report.strokes import (
    INK,
    edge,
    high,
    mark_of,
    size_of,
    styled,
    whole,
    wider_by,
)
from saddleproof.lab.rows import Row
from saddleproof.lab.trials import Trial

try:
    import matplotlib as mpl
    from matplotlib.colors import LinearSegmentedColormap, to_rgb
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter
except ImportError as error:
    raise MissingExtraError("matplotlib", "plot") from error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Numbers, or rounds, of which the largest is this many times the smallest get a logarithmic axis.
DECADES = 10.0
STYLE: Any = {
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
    """The share of runs that left the saddle, one bar an entry, with 95 % Wilson intervals.

    Where nobody knows a minimum: the losses at the ends of the runs.
    """
    if not all(row.known for row in rows):
        losses(ax, rows, world)
        return
    style = styled(rows)
    for y, row in enumerate(rows):
        look, said = style[row.label], [f"{len(row.failures)} failed"] * bool(row.failures)
        if row.trials:
            share = row.left
            said.insert(0, f"{share.successes} of {share.trials}")
            ax.barh(y, share.value, height=0.6, color=look.color, alpha=0.85, ec=INK, lw=0.8)
            ax.plot([share.low, share.high], [y, y], color=INK, lw=1.4, solid_capstyle="butt")
            for end in (share.low, share.high):
                ax.plot([end, end], [y - 0.14, y + 0.14], color=INK, lw=1.4, clip_on=False)
        ax.plot(
            -0.012, y, look.marker, **mark_of(look), clip_on=False,
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
    ax.set_yticks(range(len(rows)), [whole(row.label) for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.tick_params(axis="y", length=0, pad=14)
    ax.set_xmargin(0)
    ax.set_xlabel("runs that left the saddle (line: 95 % Wilson interval)")
    ax.set_title(whole(world, 70) or "Who leaves the saddle?")


def losses(ax: Axes, rows: Sequence[Row], world: str = "") -> None:
    """The true loss at the end of every run, a mark each, and a line at the median."""
    style = styled(rows)
    for y, row in enumerate(rows):
        look = style[row.label]
        found = [trial.judgement.loss for trial in row.trials]
        ax.plot(found, [y] * len(found), look.marker, **mark_of(look, 5.0), alpha=0.6, ls="")
        if found and np.isfinite(row.loss):
            ax.plot([row.loss] * 2, [y - 0.3, y + 0.3], color=INK, lw=1.4)
    ax.set_yticks(range(len(rows)), [whole(row.label) for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel("true loss at the end (a mark a seed; line: median)")
    ax.set_title(whole(world, 70) or "Whose loss is lowest?")


def gradient_norms(ax: Axes, rows: Sequence[Row]) -> None:
    """The norm of the aggregated gradient per round, the first seed of every entry."""
    _per_round(ax, rows, lambda trial: [record.gradient_norm for record in trial.trace])
    ax.set_ylabel(r"gradient norm  $\|\hat g\|$")
    ax.set_title(f"What the server sees, seed {_seed(rows)}")


def inexactnesses(ax: Axes, rows: Sequence[Row]) -> None:
    """How wrong that gradient may be, by the messages themselves; the first seed of every entry."""
    _per_round(ax, rows, lambda trial: [record.inexactness for record in trial.trace])
    ax.set_ylabel(r"inexactness  $\hat\Delta$")


def paths(ax: Axes, rows: Sequence[Row], plane: Plane) -> None:
    """The first seed's paths in the saddle's plane, over the contours of the pooled loss.

    Those that are drawn first are wider, so that each can be seen where several lie together.
    """
    style = styled(rows)
    tracks = [(row.label, plane.project(row.trials[0].path)) for row in rows if row.trials]
    x, y, loss = plane.grid(np.vstack([track for _, track in tracks]))
    levels = _levels(loss)
    ax.contourf(x, y, loss, levels=levels, cmap=_depth(), antialiased=True)
    ax.contour(x, y, loss, levels=levels, colors=INK, linewidths=0.5, alpha=0.3, linestyles="-")
    for k, (label, track) in enumerate(tracks):
        look, wider = style[label], wider_by(k, len(tracks))
        ax.plot(*track.T, color=look.color, ls=look.line, lw=2.0 + wider, path_effects=edge(wider))
        mark = mark_of(look, size_of(look) + 3 * wider)
        ax.plot(*track[-1], look.marker, **mark, label=whole(label))
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
    with mpl.rc_context(STYLE):
        height = high(rows, 0.36)
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
        norms.label_outer()
        return figure


def by_world(groups: Sequence[tuple[str, Sequence[Row]]]) -> Figure:
    """Who leaves the saddle, world under world."""
    heights = [high(rows, 0.36) for _, rows in groups]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, sum(heights)))
        sheets: Any = figure.subfigures(len(groups), 1, squeeze=False, height_ratios=heights)
        for sheet, (world, rows) in zip(sheets[:, 0], groups, strict=True):
            shares(sheet.subplots(), rows, world)
        return figure


def stacked(size: tuple[float, float], *draws: Callable[[Axes], None]) -> Figure:
    """Drawings over each other with one common horizontal axis, and a legend if they need one."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size)
        axes = figure.subplots(len(draws), 1, sharex=True, squeeze=False)[:, 0]
        for draw, ax in zip(draws, axes, strict=True):
            draw(ax)
            ax.label_outer()
        handles, labels = axes[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return figure


def svg(figure: Figure) -> str:
    """The <svg> element alone, for the inside of a page: nothing in it points outside."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # HTML knows these namespaces without an address; groups are numbered alike in every figure.
    return re.sub(r' xmlns(:xlink)?="[^"]*"|(?<=<g) id="[^"]*"', "", text)


def png(figure: Figure) -> bytes:
    """The figure on white, 160 dots an inch."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=160, facecolor="white")
    return buffer.getvalue()


def _per_round(ax: Axes, rows: Sequence[Row], series: Callable[[Trial], Sequence[float]]) -> None:
    style, drawable = styled(rows), [row for row in rows if row.trials]
    shown = [np.array(series(row.trials[0]), dtype=float) for row in drawable]
    log = _spans_decades(np.concatenate([np.zeros(0), *shown]))
    for k, (row, values) in enumerate(zip(drawable, shown, strict=True)):
        look, wider = style[row.label], wider_by(k, len(drawable))
        seen = np.isfinite(values) & ((values > 0) | (not log))  # what the axis has no place for
        values[~seen] = np.nan
        line: dict[str, Any] = {"color": look.color, "ls": look.line, "lw": 1.7 + wider}
        ax.plot(values, **line, path_effects=edge(wider))
        if seen.any():
            at, mark = np.flatnonzero(seen)[-1], mark_of(look, size_of(look) + 2 * wider)
            ax.plot(at, values[at], look.marker, **mark, label=whole(row.label), clip_on=False)
    if log:
        ax.set_yscale("log")
        low, top = ax.get_ylim()
        if top < 100 * low:  # too few powers of ten to read it by
            ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    _rounds(ax, [row.trials[0].rounds for row in drawable])
    ax.grid(axis="y", color=INK, alpha=0.12, lw=0.6)


def _spans_decades(values: Vector) -> bool:
    """Whether the positive numbers span a power of ten, and none is negative."""
    positive = values[np.isfinite(values) & (values > 0)]
    negative = (values < 0).any()
    return bool(len(positive) and not negative and positive.max() >= DECADES * positive.min())


def _rounds(ax: Axes, lengths: Sequence[int]) -> None:
    """The horizontal axis, all rounds of all runs; a short run stays readable beside a long one."""
    last = max(lengths, default=1) or 1
    least = min((one for one in lengths if one > 0), default=last)
    if last >= DECADES * least:
        ax.set_xscale("symlog", linthresh=least)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlabel(f"round (logarithmic beyond {least})")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("round")
    ax.set_xlim(0, last)


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
