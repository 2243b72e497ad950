"""The comparison as words and numbers, the same in a terminal, on a page and in a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby

from rich.table import Table

from saddleproof.lab.trials import Row

#: What the columns of `cells` mean, in a word and in a sentence.
COLUMNS = {
    "optimizer + rule": "",
    "left": "runs that left the saddle, or without one lost half of the loss; 95 % Wilson interval",
    "rounds": "parallel iterations, until the run ended by itself or by its budget",
    "messages": "vectors that the workers sent: gradients at query points, and directions of least "
    "curvature",
    "|grad F|": "norm of the true gradient of the pooled loss at the point that was returned",
    "lambda_min": "lowest eigenvalue of its true Hessian there",
    "excess": "what is left of the loss: 1 at the saddle (or the start), 0 at the minimum",
    "certificate": "how many runs ended at which level; VACUOUS: the tolerance asks for nothing; "
    "REFUTED: the honest workers' mean contradicts it. The judge uses none of it",
}


def worlds(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each world after its name, which is "" when there is one only."""
    for world, group in groupby(rows, key=lambda row: row.world):
        yield world, list(group)


def cells(row: Row) -> tuple[str, ...]:
    """One entry of the comparison, a string a column; numbers are medians over the runs."""
    share = row.left
    levels = [f"{count} {level}" for level, count in row.certificates.items() if level != "-"]
    if row.vacuous:
        levels.append(f"{row.vacuous} VACUOUS")
    if row.refuted:
        levels.append(f"{row.refuted} REFUTED")
    return (
        row.label,
        f"{share.successes} of {share.trials} [{share.low:.2f}, {share.high:.2f}]",
        f"{row.rounds:.0f}",
        f"{row.median(lambda verdict: verdict.messages):.0f}",
        f"{row.median(lambda verdict: verdict.gradient_norm):.2g}",
        f"{row.lambda_min:.2g}",
        f"{row.excess:.2g}",
        ", ".join(levels) or "-",
    )


def table(rows: Sequence[Row], title: str = "") -> Table:
    """The comparison for a terminal; the last entry in bold."""
    made = Table(
        title=title or None, title_justify="left", box=None, pad_edge=False, header_style="dim"
    )
    for i, name in enumerate(COLUMNS):
        made.add_column(name, justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        made.add_row(*cells(row), style="bold" if row is rows[-1] else None)
    return made


def comma_separated(rows: Sequence[Row]) -> str:
    """Every trial as one line of comma-separated values, under a line of names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    parts = ("problem", "attack", "optimizer", "aggregator")
    for row in rows:
        entry = row.entry
        attack = "none" if entry.liars is None else entry.liars.attack.spelled
        spelled = (entry.problem.spelled, attack, entry.optimizer.spelled, entry.aggregator.spelled)
        for trial in row.trials:
            judgement = asdict(trial.judgement)
            if text.tell() == 0:
                names = ("world", "label", *parts, "seed", "status", "rounds")
                writer.writerow((*names, *judgement, "seconds"))
            own = (trial.seed, trial.status, trial.rounds, *judgement.values())
            writer.writerow((row.world, row.label, *spelled, *own, round(trial.seconds, 3)))
    return text.getvalue()
