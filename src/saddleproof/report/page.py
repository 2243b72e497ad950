"""One self-contained HTML file: no script, no style sheet, no picture from anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from saddleproof.checkpoint import RoundRecord
from saddleproof.report import figures
from saddleproof.report.plane import Plane
from saddleproof.report.text import COLUMNS, cells, worlds
from saddleproof.report.workers import section
from saddleproof.runs.trials import Row


@dataclass(frozen=True)
class Picture:
    """A drawing with the words that stand for it."""

    svg: str
    alt: str
    caption: str


def write(folder: Path, title: str, config: str, rows: Sequence[Row], problem: object) -> Path:
    """Write report.html and report.png into `folder`; returns the path of the page.

    Args:
        folder: made when missing.
        title: headline.
        config: text of the configuration, printed at the end of the page.
        rows: the comparison; its last entry's first trial is shown in full.
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
    said = "; ".join(f"{row.label}: {row.left}" for row in rows)
    where = f" {world}." if world else ""
    return Picture(
        _drawn((8.2, 0.9 + 0.48 * len(rows)), lambda ax: figures.shares(ax, rows, world)),
        f"Bar chart of the share of runs that left the saddle.{where} {said}.",
        f"Share of runs that left the saddle, with 95 % Wilson intervals.{where}",
    )


def _way(rows: Sequence[Row], plane: Plane | None) -> list[Picture]:
    """How the first seed's runs went, round by round, and over the contours."""
    last, seed = rows[-1].trials[0], rows[0].trials[0].seed
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
    """The page as text."""
    head = "".join(
        f'<th scope="col" title="{escape(meaning)}">{escape(name)}</th>'
        for name, meaning in COLUMNS.items()
    )
    body = "".join(_body(world, group) for world, group in worlds(rows))
    legend = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(meaning)}</dd>"
        for name, meaning in COLUMNS.items()
        if meaning
    )
    notes = list(dict.fromkeys(f"{row.label}: {note}" for row in rows for note in row.notes))
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    figure = "".join(
        f'<figure><div role="img" aria-label="{escape(picture.alt)}">{_inked(picture.svg)}</div>'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
        for picture in shown
    )
    last = rows[-1].trials[0]
    whose = ", ".join(part for part in (last.world, last.label) if part)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{_CSS}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
<div class="wide"><table>
<caption>{_count(rows)} runs a row; numbers are medians over them.</caption>
<thead><tr>{head}</tr></thead>
{body}
</table></div>
<details><summary>What the columns mean</summary><dl>{legend}</dl></details>
{f'<section class="note"><h2>Warnings</h2><ul>{listed}</ul></section>' if notes else ""}
{figure}
<h2>One run in full: {escape(whose)}, seed {last.seed}</h2>
<pre>{escape(last.summary)}</pre>
{_rounds(last.trace)}
{section(last.trace, last.m)}
<h2>The configuration</h2>
<pre>{escape(config.strip())}</pre>
</main>
</body>
</html>
"""


def _rounds(trace: Sequence[RoundRecord]) -> str:
    """What was asked in every round and what came of it, where the optimizer says so."""
    if not any(record.event for record in trace):
        return ""
    lines = "".join(
        f'<tr><th scope="row">{record.round}</th><td>{escape(record.question)}</td>'
        f'<td class="said">{escape(record.event)}</td></tr>'
        for record in trace
    )
    return (
        '<details><summary>Its rounds, one by one</summary><div class="wide">'
        '<table class="workers"><thead><tr><th scope="col">round</th><th scope="col">question</th>'
        f'<th scope="col" class="said">what came of it</th></tr></thead><tbody>{lines}</tbody>'
        "</table></div></details>"
    )


def _body(world: str, rows: Sequence[Row]) -> str:
    """The rows of one world, under its name."""
    name = (
        f'<tr><th class="world" colspan="{len(COLUMNS)}" scope="rowgroup">{escape(world)}</th></tr>'
    )
    lines = "".join(
        f'<tr><th scope="row">{escape(row.label)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells(row)[1:])
        + "</tr>"
        for row in rows
    )
    return f"<tbody>{name if world else ''}{lines}</tbody>"


def _count(rows: Sequence[Row]) -> str:
    """How many runs a row has; Ctrl-C may have left fewer in some."""
    least, most = (pick(len(row.trials) for row in rows) for pick in (min, max))
    return str(most) if least == most else f"{least} to {most}"


def _drawn(size: tuple[float, float], *draws: Callable[[Any], None]) -> str:
    return figures.svg(figures.stacked(size, *draws))


def _inked(svg: str) -> str:
    """The drawing in the reader's own text colour; the wrapper carries its meaning."""
    svg = svg.replace(figures.INK, "currentColor")
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


_CSS = """
:root { --paper: #fdfdfb; --ink: #1b2b3a; --soft: #5b6b79; --rule: #d9dee2; --card: #f4f6f5; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14191e; --ink: #e6ebee; --soft: #a3b1bc; --rule: #36424c; --card: #1d242b; }
}
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 58rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 1.5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
.wide { overflow-x: auto; }
.world { text-align: left; padding: 1.4rem 0 .3rem; font-weight: 700; }
details { margin: .75rem 0 0; font-size: .92rem; } summary { cursor: pointer; color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { font-weight: 500; } dd { margin: 0; color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
caption { caption-side: bottom; text-align: left; color: var(--soft); font-size: .88rem;
  padding-top: .5rem; }
th, td { text-align: right; padding: .4rem .6rem; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
th[scope=row], thead th:first-child { position: sticky; left: 0; background: var(--paper);
  text-align: left; padding-left: 0; font-weight: 500; min-width: 8rem; max-width: 40vw;
  white-space: normal; overflow-wrap: anywhere; }
thead th { font-size: .88rem; color: var(--soft); font-weight: 500; vertical-align: bottom; }
tbody tr:last-child > * { font-weight: 700; }
.workers tbody tr:last-child > * { font-weight: inherit; }
.said { text-align: left; white-space: normal; }
figure { margin: 2.5rem 0; }
figure svg { width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .92rem; margin-top: .5rem; }
pre { background: var(--card); padding: 1rem; overflow-x: auto; border-radius: 6px;
  font: .84rem/1.5 ui-monospace, "Cascadia Code", Menlo, Consolas, monospace; }
.note { border-left: 4px solid #E69F00; padding: .1rem 0 .1rem 1rem; margin: 2rem 0; }
.note h2 { margin: 0 0 .25rem; font-size: 1rem; }
.note ul { margin: 0; padding-left: 1.1rem; font-size: .92rem; overflow-wrap: anywhere; }
"""
