"""The comparison as words and numbers, the same in a terminal, on a page and in a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from itertools import groupby
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from saddleproof.lab.report.verdict import verdicts
from saddleproof.lab.rows import Row
from saddleproof.lab.trials import Judgement
from saddleproof.printed import cell, one_line

#: What stands beside the trainer that the runs tell from all others of its world.
BEST = "(best)"
#: Columns of a terminal below which a table has no room.
NARROW = 100
#: What the columns of `cells` mean, in a word and in a sentence.
COLUMNS = {
    "optimizer + rule": "",
    "left": "runs that left the saddle, or without one lost half of the loss; 95 % Wilson "
    "interval; - where nobody knows a minimum. Runs that failed with an error are in no number",
    "rounds": "parallel iterations, until the run ended by itself or by its budget",
    "messages": "vectors that the workers sent: gradients at query points, and directions of least "
    "curvature",
    "|grad F|": "norm of the true gradient of the pooled loss at the point that was returned",
    "lambda_min": "lowest eigenvalue of its true Hessian there",
    "excess": "what is left of the loss: 1 at the saddle (or the start), 0 at the minimum; - where "
    "nobody knows a minimum",
    "loss": "the true pooled loss there",
    "certificate": "how many runs ended at which level; VACUOUS: the tolerance asks for nothing; "
    "REFUTED: the honest workers' mean contradicts it. The judge uses none of it",
}


def worlds(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each world after its name, which is "" when there is one only."""
    for world, group in groupby(rows, key=lambda row: row.world):
        yield world, list(group)


def cells(row: Row) -> tuple[str, ...]:
    """One entry of the comparison, a string a column; numbers are medians over the runs."""
    failed = f"{len(row.failures)} failed" if row.failures else ""
    if not row.trials:
        return (one_line(row.label), failed, *["-"] * (len(COLUMNS) - 2))
    share = row.left
    levels = [f"{count} {level}" for level, count in row.certificates.items() if level != "-"]
    if row.vacuous:
        levels.append(f"{row.vacuous} VACUOUS")
    if row.refuted:
        levels.append(f"{row.refuted} REFUTED")
    left = f"{share.successes} of {share.trials} [{share.low:.2f}, {share.high:.2f}]"
    left = left if row.known else "-"
    return (
        one_line(row.label),
        ", ".join(filter(None, (left, failed))),
        f"{row.rounds:.0f}",
        f"{row.median(lambda verdict: verdict.messages):.0f}",
        f"{row.median(lambda verdict: verdict.gradient_norm):.2g}",
        f"{row.lambda_min:.2g}",
        f"{row.excess:.2g}" if row.known else "-",
        "-" if np.isnan(row.loss) else f"{row.loss:.3g}",
        ", ".join(levels) or "-",
    )


def table(rows: Sequence[Row], title: str = "") -> Table:
    """One world for a terminal; the best trainer, where one is told, in bold and by word."""
    best = next(iter(verdicts(rows))).best
    made = Table(
        title=Text(one_line(title)) if title else None,
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    for i, name in enumerate(COLUMNS):
        made.add_column(name, justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        first, *rest = cells(row)
        name = f"{first} {BEST}" if row.label == best else first
        said = (Text(one) for one in (name, *rest))  # a label is no markup
        made.add_row(*said, style="bold" if row.label == best else None)
    return made


def cards(rows: Sequence[Row], title: str = "") -> str:
    """One world where a table has no room: a trainer a paragraph, a column a line."""
    best = next(iter(verdicts(rows))).best
    lines = [one_line(title)] if title else []
    for row in rows:
        first, *rest = cells(row)
        lines.append(f"{first} {BEST}" if row.label == best else first)
        names = list(COLUMNS)[1:]
        lines += [f"  {name:<12}{said}" for name, said in zip(names, rest, strict=True)]
    return "\n".join(lines)


def warned(rows: Sequence[Row]) -> list[str]:
    """The warnings of the runs, a line each, once for every trainer that gave it."""
    lines = (one_line(f"{row.label}: {note}") for row in rows for note in row.notes)
    return list(dict.fromkeys(lines))


def failed(rows: Sequence[Row]) -> list[str]:
    """Why runs failed: entry, seeds and reason, a line each."""
    lines = []
    for row in rows:
        where = ", ".join(part for part in (row.world, row.label) if part)
        for reason in dict.fromkeys(one.reason for one in row.failures):
            seeds = [str(one.seed) for one in row.failures if one.reason == reason]
            plural = "s" if len(seeds) > 1 else ""
            lines.append(one_line(f"{where}, seed{plural} {', '.join(seeds)}: {reason}"))
    return lines


def comma_separated(rows: Sequence[Row]) -> str:
    """Every run as one line of comma-separated values, under a line of names.

    Runs that failed stand after the others of their entry, with status "failed" and the reason.
    Equal runs give equal bytes: wall times are not among the values. No cell is a formula.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    judgements = [field.name for field in fields(Judgement)]

    def line(*values: Any) -> None:
        writer.writerow([cell(value) for value in values])

    parts = ("problem", "attack", "optimizer", "aggregator")
    line("world", "label", *parts, "seed", "status", "rounds", *judgements, "reason")
    for row in rows:
        entry = row.entry
        attack = "none" if entry.liars is None else entry.liars.attack.spelled
        spelled = (entry.problem.spelled, attack, entry.optimizer.spelled, entry.aggregator.spelled)
        own = (row.world, row.label, *spelled)
        for trial in row.trials:
            judgement = asdict(trial.judgement)
            line(*own, trial.seed, trial.status, trial.rounds, *judgement.values(), "")
        for failure in row.failures:
            nothing = [""] * (1 + len(judgements))
            line(*own, failure.seed, "failed", *nothing, failure.reason)
    return text.getvalue()
