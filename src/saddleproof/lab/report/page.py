"""One self-contained HTML file: no script, no style sheet, no picture from anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saddleproof.errors import MissingExtraError
from saddleproof.lab.report import figures
from saddleproof.lab.report.plane import Plane
from saddleproof.lab.report.text import COLUMNS, cells, failed, warned, worlds
from saddleproof.lab.report.workers import workers
from saddleproof.lab.rows import Row
from saddleproof.lab.trials import Trial
from saddleproof.printed import printable


@dataclass(frozen=True)
class Picture:
    """A drawing with the words that stand for it."""

    svg: str
    alt: str
    caption: str

    @property
    def inked(self) -> str:
        """The drawing in the reader's own text colour; the wrapper carries its meaning."""
        svg = self.svg.replace(figures.INK, "currentColor")
        return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def write(folder: Path, title: str, config: str, rows: Sequence[Row], problem: object) -> Path:
    """Write report.html and report.png into `folder`; returns the path of the page.

    Args:
        folder: made when missing.
        title: headline.
        config: text of the configuration, printed at the end of the page.
        rows: the comparison, with one trial at least; the first trial of the last entry that has
            any is shown in full.
        problem: the first entry's, of the first seed, for the plane of the saddle. Rounds and
            paths are drawn for a comparison in one world only.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plane = Plane.of(problem)
    every = list(worlds(rows))
    if len(every) == 1:
        sheet, shown = figures.overview(rows, plane), [_left("", rows), *_way(rows, plane)]
    else:
        sheet, shown = figures.by_world(every), [_left(world, some) for world, some in every]
    (folder / "report.png").write_bytes(figures.png(sheet))
    page = folder / "report.html"
    page.write_text(html(title, config, rows, shown), encoding="utf-8")
    return page


def _left(world: str, rows: Sequence[Row]) -> Picture:
    """Who leaves the saddle in this world."""
    said = "; ".join(f"{row.label}: {row.left if row.trials else 'failed'}" for row in rows)
    where = f" {world}." if world else ""
    return Picture(
        _drawn((8.2, 0.9 + 0.48 * len(rows)), lambda ax: figures.shares(ax, rows, world)),
        f"Bar chart of the share of runs that left the saddle.{where} {said}.",
        f"Share of runs that left the saddle, with 95 % Wilson intervals.{where}",
    )


def _way(rows: Sequence[Row], plane: Plane | None) -> list[Picture]:
    """How the first seed's runs went, round by round, and over the contours."""
    last, seed = _last(rows), next(row.trials[0].seed for row in rows if row.trials)
    found = [
        Picture(
            _drawn(
                (8.2, 5.8),
                lambda ax: figures.gradient_norms(ax, rows),
                lambda ax: figures.inexactnesses(ax, rows),
            ),
            f"Two line charts over the rounds of seed {seed}: the norm of the aggregated gradient "
            f"and its inexactness. {last.label} ends after {last.rounds} rounds with status "
            f"{last.status}.",
            "Above, the gradient that the server sees; below, how far it may be from the truth, "
            "by the messages alone. Where the first falls under the second, a saddle and a "
            "minimum look alike. A round that asks for numbers leaves both as they were.",
        ),
    ]
    if plane is not None:
        found.append(
            Picture(
                _drawn((8.2, 6.0), lambda ax: figures.paths(ax, rows, plane)),
                "Paths of all optimizers over contours of the loss, in the plane of the saddle's "
                f"escape direction; {last.label} "
                + ("reaches another valley." if last.left else "stays at the saddle."),
                "The first seed's paths, projected onto the plane of the saddle's escape direction "
                "in which a minimum lies too. The stronger the shade, the lower the pooled loss.",
            )
        )
    return found


def html(title: str, config: str, rows: Sequence[Row], shown: Sequence[Picture]) -> str:
    """The page as text: page.html.jinja, filled in.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader
    except ModuleNotFoundError as error:
        raise MissingExtraError("jinja2", "plot") from error
    last = _last(rows)
    # Markup is escaped, and so is what would act on who reads the page's text in a terminal.
    pages = Environment(
        loader=PackageLoader(__package__, "."), autoescape=True, finalize=_finalized
    )
    return pages.get_template("page.html.jinja").render(
        title=title,
        runs=_count(rows),
        columns=COLUMNS,
        worlds=[(world, [cells(row) for row in group]) for world, group in worlds(rows)],
        notes=warned(rows),
        failures=failed(rows),
        pictures=shown,
        whose=", ".join(part for part in (last.world, last.label) if part),
        run=last,
        workers=workers(last.trace, [f"worker-{i}" for i in range(last.m)]),
        config=config.strip(),
    )


def _last(rows: Sequence[Row]) -> Trial:
    """The first trial of the last row that has any."""
    return next(row.trials[0] for row in reversed(rows) if row.trials)


def _finalized(value: Any) -> Any:
    """A value of the template, but for the drawings, which are markup already."""
    return printable(value, but="\n\t") if type(value) is str else value


def _count(rows: Sequence[Row]) -> str:
    """How many runs a row has; Ctrl-C may have left fewer in some."""
    least, most = (pick(len(row.trials) for row in rows) for pick in (min, max))
    return str(most) if least == most else f"{least} to {most}"


def _drawn(size: tuple[float, float], *draws: Callable[[Any], None]) -> str:
    return figures.svg(figures.stacked(size, *draws))
