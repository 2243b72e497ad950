"""One self-contained HTML file: no script, no style sheet, no picture from anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saddleproof import __version__
from saddleproof.errors import MissingExtraError
from saddleproof.lab.report import figures
from saddleproof.lab.report.plane import Plane
from saddleproof.lab.report.strokes import INK, high
from saddleproof.lab.report.text import COLUMNS, cells, failed, warned, worlds
from saddleproof.lab.report.verdict import headline, verdicts
from saddleproof.lab.report.workers import workers
from saddleproof.lab.rows import Row
from saddleproof.lab.trials import Trial
from saddleproof.printed import printable
from saddleproof.words import Ending


@dataclass(frozen=True)
class Picture:
    """A drawing with the words that stand for it."""

    svg: str
    alt: str
    caption: str

    @property
    def inked(self) -> str:
        """The drawing in the reader's own text colour; the wrapper carries its meaning."""
        svg = self.svg.replace(INK, "currentColor")
        return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def write(
    folder: Path,
    title: str,
    config: str,
    rows: Sequence[Row],
    problem: object,
    command: str = "",
) -> Path:
    """Write report.html and report.png into `folder`; returns the path of the page.

    Args:
        folder: made when missing.
        title: headline.
        config: text of the configuration, printed at the end of the page.
        rows: the comparison, with one trial at least. Shown in full is the first trial of the
            trainer with the best number, in the last world that has any.
        problem: the first entry's, of the first seed, for the plane of the saddle. Rounds and
            paths are drawn for a comparison in one world only.
        command: that makes this page again; "" where there is none.

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
    page.write_text(html(title, config, rows, shown, command), encoding="utf-8")
    return page


def _left(world: str, rows: Sequence[Row]) -> Picture:
    """Who leaves the saddle in this world."""
    known = all(row.known for row in rows)
    numbers = [f"{row.left if known else row.loss}" if row.trials else "failed" for row in rows]
    said = "; ".join(f"{row.label}: {x}" for row, x in zip(rows, numbers, strict=True))
    where = f" {world}." if world else ""
    return Picture(
        _drawn((8.2, high(rows, 0.48)), lambda ax: figures.shares(ax, rows, world)),
        f"Bar chart of the share of runs that left the saddle.{where} {said}."
        if known
        else f"The true loss at the end of every run; medians:{where} {said}.",
        f"Share of runs that left the saddle, with 95 % Wilson intervals.{where}"
        if known
        else f"True loss at the end, a mark a seed. Nobody knows a minimum of this problem.{where}",
    )


def _way(rows: Sequence[Row], plane: Plane | None) -> list[Picture]:
    """How the first seed's runs went, round by round, and over the contours."""
    best, seed = _in_full(rows), next(row.trials[0].seed for row in rows if row.trials)
    found = [
        Picture(
            _drawn(
                (8.2, 5.8),
                lambda ax: figures.gradient_norms(ax, rows),
                lambda ax: figures.inexactnesses(ax, rows),
            ),
            f"Two line charts over the rounds of seed {seed}: the norm of the aggregated gradient "
            f"and its inexactness. {best.label} ends after {best.rounds} rounds with status "
            f"{best.status}.",
            "Above, the gradient that the server sees; below, how far it may be from the truth, "
            "by the messages alone. Where the first falls under the second, a saddle and a "
            "minimum look alike. A round that asks for numbers leaves both as they were. "
            "A zero has no place on a logarithmic axis, and is a gap.",
        ),
    ]
    if plane is not None:
        found.append(
            Picture(
                _drawn((8.2, 6.0), lambda ax: figures.paths(ax, rows, plane)),
                "Paths of all optimizers over contours of the loss, in the plane of the saddle's "
                f"escape direction; {best.label} "
                + ("leaves the saddle." if best.left else "stays at the saddle."),
                "The first seed's paths, projected onto the plane of the saddle's escape direction "
                "in which a minimum lies too. The stronger the shade, the lower the pooled loss.",
            )
        )
    return found


def html(
    title: str, config: str, rows: Sequence[Row], shown: Sequence[Picture], command: str = ""
) -> str:
    """The page as text: page.html.jinja, filled in.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader
    except ModuleNotFoundError as error:
        raise MissingExtraError("jinja2", "plot") from error
    run = _in_full(rows)
    # Markup is escaped, and so is what would act on who reads the page's text in a terminal.
    pages = Environment(
        loader=PackageLoader(__package__, "."), autoescape=True, finalize=_finalized
    )
    return pages.get_template("page.html.jinja").render(
        title=title,
        runs=_count(rows),
        columns=COLUMNS,
        worlds=[_world(world, group) for world, group in worlds(rows)],
        headline=headline(rows),
        verdicts=[one for one in verdicts(rows) if one.world],
        seeds=_seeds(rows),
        version=__version__,
        command=command,
        notes=warned(rows),
        failures=failed(rows),
        pictures=shown,
        whose=", ".join(part for part in (run.world, run.label) if part),
        run=run,
        ending=Ending(run.status),
        workers=workers(run.trace, [f"worker-{i}" for i in range(run.m)]),
        config=config.strip(),
    )


def _world(world: str, rows: Sequence[Row]) -> tuple[str, list[tuple[bool, tuple[str, ...]]]]:
    """A world's name, and for each trainer whether it is marked as the best, and its cells."""
    best = next(iter(verdicts(rows))).best
    return world, [(row.label == best, cells(row)) for row in rows]


def _in_full(rows: Sequence[Row]) -> Trial:
    """The first trial of the trainer with the best number, in the last world that has any."""
    one = next(one for one in reversed(verdicts(rows)) if one.shown is not None)
    return next(
        r.trials[0] for r in rows if r.trials and (r.world, r.label) == (one.world, one.shown)
    )


def _seeds(rows: Sequence[Row]) -> str:
    """The seeds of the runs, failed ones too, in words."""
    found = sorted(
        {one.seed for row in rows for one in row.trials}
        | {one.seed for row in rows for one in row.failures}
    )
    if len(found) > 1 and found == list(range(found[0], found[-1] + 1)):
        return f"seeds {found[0]} to {found[-1]}"
    return f"seed{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}"


def _finalized(value: Any) -> Any:
    """A value of the template, but for the drawings, which are markup already."""
    return printable(value, but="\n\t") if type(value) is str else value


def _count(rows: Sequence[Row]) -> str:
    """How many runs a row has; Ctrl-C may have left fewer in some."""
    least, most = (pick(len(row.trials) for row in rows) for pick in (min, max))
    return str(most) if least == most else f"{least} to {most}"


def _drawn(size: tuple[float, float], *draws: Callable[[Any], None]) -> str:
    return figures.svg(figures.stacked(size, *draws))
