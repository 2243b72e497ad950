"""The pictures of a benchmark: a heatmap a table, and curves a world."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.benchmark.plans import where
from saddleproof.benchmark.results import CellResult, Results
from saddleproof.benchmark.text import attacks_of, mark, missing, rules_of
from saddleproof.lab.report.palette import looks
from saddleproof.lab.sheets import Panel, sheets
from saddleproof.lab.statistics import mean
from saddleproof.printed import drawn, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Most characters of a label on an axis.
_LABEL = 26
#: Most rules whose numbers stand on one line; and the size of these numbers, in points.
_WIDE, _SIZE = 6, 7
#: Accuracy below which a shade is dark, and numbers on it are white.
_DARK = 0.55


def heatmaps(results: Results) -> list[Figure]:
    """Mean accuracies, one panel a table, rows are attacks and columns are rules.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    panels = [
        Panel(partial(heatmap, results, cells), _height(cells)) for cells in results.blocks.values()
    ]
    return sheets(panels)


def _height(cells: tuple[CellResult, ...]) -> float:
    """Inches of a table's panel."""
    return 1.3 + 0.34 * len(attacks_of(cells))


def heatmap(results: Results, cells: tuple[CellResult, ...], ax: Axes) -> None:
    """One table; a cell in which every run failed is empty and says so."""
    attacks, rules = attacks_of(cells), rules_of(cells)
    grid = np.full((len(attacks), len(rules)), np.nan)
    texts = np.full(grid.shape, "", dtype=object)
    for one in cells:
        i, j = attacks.index(one.cell.labels["attack"]), rules.index(one.cell.labels["rule"])
        found = one.accuracy
        texts[i, j] = "\n".join(missing(results, one))
        if found is not None:
            grid[i, j] = found.value
            between = " ± " if len(rules) <= _WIDE else "\n± "
            text = str(found).replace(" +- ", between) + mark(results, one)
            texts[i, j] = "\n".join([text, ", ".join(missing(results, one))]).rstrip()
    shaded(ax, grid, texts, attacks, rules)
    ax.set_title(drawn(where(cells[0].cell.block)), fontsize=8)


def shaded(
    ax: Axes, grid: Vector, texts: NDArray[Any], rows: Sequence[str], columns: Sequence[str]
) -> None:
    """Accuracies as shades from 0 to 1, with a text in each; NaN has no shade.

    Args:
        ax: where to draw.
        grid: (rows, columns) accuracies.
        texts: (rows, columns) what stands in each cell.
        rows: their names.
        columns: their names.
    """
    for (i, j), text in np.ndenumerate(texts):
        color = "white" if grid[i, j] < _DARK else "black"
        ax.text(j, i, text, ha="center", va="center", fontsize=_SIZE, color=color)
    ax.imshow(grid, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    ax.set_xticks(range(len(columns)), [_short(name) for name in columns], rotation=20, ha="right")
    ax.set_yticks(range(len(rows)), [_short(name) for name in rows])


def curves(results: Results) -> list[Figure]:
    """Test accuracy over the rounds, one panel a world, with the 95 % interval of the mean.

    A mean stands at the rounds after which every run of its cell was evaluated.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    worlds: dict[Any, list[CellResult]] = {}
    for one in results.cells:
        worlds.setdefault(one.cell.world, []).append(one)
    style = looks(dict.fromkeys(one.cell.labels["rule"] for one in results.cells))
    panels = [Panel(partial(_curves, cells, style), 2.4) for cells in worlds.values()]
    return sheets(panels, columns=2)


def _curves(cells: list[CellResult], style: Any, ax: Axes) -> None:
    for one in cells:
        if not one.outcomes:
            continue
        at = common_rounds(one)
        means = [mean([x.accuracies[x.at.index(k)] for x in one.outcomes]) for k in at]
        look = style[one.cell.labels["rule"]]
        middle = np.array([x.value for x in means])
        half = np.nan_to_num(np.array([x.half for x in means]))
        ax.fill_between(at, middle - half, middle + half, color=look.color, alpha=0.15, lw=0)
        label = drawn(one.cell.labels["rule"])
        ax.plot(at, middle, color=look.color, ls=look.line, lw=1.4, label=label)
    data, model, split, b, attack = cells[0].cell.world
    title = f"{attack}, b={b}", f"{data}, {model}, {split}"
    ax.set_title("\n".join(_short(line, 50) for line in title), fontsize=7)
    ax.set_ylim(0, 1)
    ax.set_xlabel("rounds", fontsize=7)
    ax.tick_params(labelsize=7)


def common_rounds(one: CellResult) -> list[int]:
    """Rounds after which every run of a cell was evaluated.

    A run that diverged ended early, and rounds that are not gradients shift an evaluation.
    """
    return sorted(set.intersection(*(set(x.at) for x in one.outcomes)))


def _short(label: str, most: int = _LABEL) -> str:
    return drawn(one_line(label, most))
