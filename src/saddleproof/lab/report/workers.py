"""Who answered, who did not, who was proved bad, whom the rule left out, and who is suspicious.

A rule aggregates gradients, so that only rounds of gradients keep a row or leave it out. Being left
out says nothing by itself: under the saddle attack it is honest rows that the median leaves out.
Suspicion comes from what the questions tell (`saddleproof.suspicion`), and is printed with what was
measured about it. It is no proof, and costs nobody a vote.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from saddleproof.checkpoint import RoundRecord
from saddleproof.lab.report.precision import precision
from saddleproof.questions import Gradients
from saddleproof.result import Result
from saddleproof.suspicion import KEPT, LIMIT, MOST, Suspicion, judge

#: What the columns of counts are.
COUNTS = "Rounds by what became of the worker's answer; only gradients are kept or left out."
MEANING = (
    f"Suspicion, from 0 to {MOST:.0f}: above {LIMIT:.0f} a worker stands out, by answers that "
    "contradict each other or lie far out, more than those of the others explain, or that are "
    "another worker's. It is no proof."
)
#: Why there is none.
UNKNOWN = (
    "No suspicion: fewer than two rounds of this run had answers that can be held against others "
    "of the same worker. One gradient a round, few rounds, gradients of more than "
    f"{KEPT:,} numbers in all, or liars that may be half of all leave nothing to compare."
)


@dataclass(frozen=True)
class WorkerRecord:
    """One worker over a run.

    Attributes:
        name: of the worker.
        answered: rounds in which its answer was heard.
        late, dead: rounds in which it was missing.
        kept: rounds of gradients in which its row entered the aggregate.
        left_out: rounds of gradients in which it was heard, but its row did not enter.
        refused: answers and connections of its that were turned away.
        proved: why it was proved bad, with the round; "" when it was not.
        suspicion: in [0, 10]; NaN where nothing can be said.
        stands_out: why its suspicion is above 1; "" where it is not.
    """

    name: str
    answered: int
    late: int
    dead: int
    kept: int
    left_out: int
    refused: int
    proved: str
    suspicion: float
    stands_out: str


@dataclass(frozen=True, repr=False)
class WorkerReport:
    """All workers over a run; printed, a table with those that stand out first.

    Attributes:
        records: one a worker, in roster order.
        refused: sender to how many of its answers and connections were turned away, for those not
            on the roster or not who they said they were.
        measured: how often suspicion was right in runs of this kind; "" where there is none.
    """

    records: tuple[WorkerRecord, ...]
    refused: dict[str, int]
    measured: str

    def __getitem__(self, name: str) -> WorkerRecord:
        """The record of a worker, by its name."""
        return next(record for record in self.records if record.name == name)

    @property
    def stand_out(self) -> tuple[str, ...]:
        """Names of the workers that stand out, the most suspicious first."""
        ranked = sorted(self.records, key=lambda r: -r.suspicion)
        return tuple(r.name for r in ranked if r.stands_out)

    @property
    def caption(self) -> str:
        """What the table shows, who stands out, and how often that was right where it is known."""
        if not self.measured:
            return f"{COUNTS} {UNKNOWN}"
        named = ", ".join(self.stand_out)
        who = f"Stand out: {named}." if named else "Nobody stands out."
        return f"{COUNTS} {who} {MEANING} {self.measured}"

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The table: the heading, then the workers: proved bad, standing out, all others.

        Without a column of suspicion where there is none.
        """
        first = ("worker", "answered", "late", "dead", "kept", "left out", "refused")
        ranked = sorted(
            self.records, key=lambda r: (not r.proved, -r.suspicion if r.stands_out else 0.0)
        )
        rows = [
            (
                r.name,
                *map(str, (r.answered, r.late, r.dead, r.kept, r.left_out, r.refused)),
                *((f"{r.suspicion:.2f}", r.stands_out) if self.measured else ()),
                r.proved,
            )
            for r in ranked
        ]
        judged = ("suspicion", "stands out") if self.measured else ()
        return [(*first, *judged, "proved"), *rows]

    def __repr__(self) -> str:
        widths = [max(len(row[i]) for row in self.cells) for i in range(len(self.cells[0]))]
        words = {"worker", "stands out", "proved"}
        lines = [
            "  ".join(
                cell.ljust(width) if name in words else cell.rjust(width)
                for name, cell, width in zip(self.cells[0], row, widths, strict=True)
            ).rstrip()
            for row in self.cells
        ]
        refused = [f"refused: {name}, {n} times" for name, n in sorted(self.refused.items())]
        return "\n".join([*lines, *refused, self.caption])


def workers(result: Result | Sequence[RoundRecord], roster: Sequence[str]) -> WorkerReport:
    """What the trace of a run says of every worker.

    Args:
        result: a `Result`, or its trace.
        roster: the names of all workers, `fleet.workers`.

    >>> trace = [
    ...     RoundRecord(0, 1, 1.0, 0.1, absent={"c": "late"}, left_out=("b",)),
    ...     RoundRecord(1, 1, 0.9, 0.1, left_out=("b",), refused={"c": 1}),  # it came too late
    ... ]
    >>> workers(trace, ["a", "b", "c"])  # doctest: +ELLIPSIS
    worker  answered  late  dead  kept  left out  refused  proved
    a              2     0     0     2         0        0
    b              2     0     0     0         2        0
    c              1     1     0     1         0        1
    Rounds by what became of ... No suspicion: ...
    """
    trace = result.trace if isinstance(result, Result) else result
    counts: dict[str, Counter[str]] = {name: Counter() for name in roster}
    proved: dict[str, str] = {}
    refused: Counter[str] = Counter()
    for record in trace:
        refused.update(record.refused)
        for name, why in record.charged.items():
            proved.setdefault(name, f"{why} (round {record.round})")
        for name, status in record.absent.items():
            counts[name][status] += 1
        for name in roster:
            if name in proved or name in record.absent:
                continue
            counts[name]["answered"] += 1
            if record.question == Gradients.__name__:
                counts[name]["left_out" if name in record.left_out else "kept"] += 1
    found = judge([record.evidence for record in trace], roster)
    records = tuple(
        _record(name, counts[name], refused.pop(name, 0), proved.get(name, ""), found.get(name))
        for name in roster
    )
    return WorkerReport(records, dict(refused), _measured(trace) if found else "")


def _record(
    name: str, counted: Counter[str], refused: int, proved: str, found: Suspicion | None
) -> WorkerRecord:
    return WorkerRecord(
        name=name,
        answered=counted["answered"],
        late=counted["late"],
        dead=counted["dead"],
        kept=counted["kept"],
        left_out=counted["left_out"],
        refused=refused,
        proved=proved,
        suspicion=math.nan if found is None else found.size,
        stands_out="" if found is None else found.why,
    )


def _measured(trace: Sequence[RoundRecord]) -> str:
    """What is known of suspicion in runs that asked as this one did."""
    asked = {record.question for record in trace}
    return str(precision("GradientOnlyPGD" if asked == {Gradients.__name__} else "CertifiedPGD"))


def section(trace: Sequence[RoundRecord], m: int) -> str:
    """The report's section on the workers of one run, worker-0 to worker-(m - 1), as HTML."""
    report = workers(trace, [f"worker-{i}" for i in range(m)])
    heading, *rows = report.cells
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heading)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        '<h2>Its workers</h2><div class="wide"><table class="workers"><caption>'
        f"{escape(report.caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
