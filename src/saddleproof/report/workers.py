"""Who answered, who did not, who was proved bad, and whom the rule leaves out more than others.

A rule aggregates gradients, so that only rounds of gradients keep a row or leave it out. Suspicion
of a worker is a moving average, over those of them in which it was heard, of

    [its row did not enter the aggregate] - (share of all heard rows that did not)

so it is 0 on average over the workers, whatever the rule: a rule that keeps one row of m leaves
everybody out most of the time. It is no proof, and costs nobody a vote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.checkpoint import RoundRecord
from saddleproof.questions import Gradients
from saddleproof.result import Result


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
        suspicion: after the last round, in [-1, 1].
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


@dataclass(frozen=True, repr=False)
class WorkerReport:
    """All workers over a run; printed, a table with the most suspicious first.

    Attributes:
        records: one a worker, in roster order.
        suspicion: (T, m) after each round.
        refused: sender to how many of its answers and connections were turned away, for those not
            on the roster or not who they said they were.
    """

    records: tuple[WorkerRecord, ...]
    suspicion: Vector
    refused: dict[str, int]

    def __getitem__(self, name: str) -> WorkerRecord:
        """The record of a worker, by its name."""
        return next(record for record in self.records if record.name == name)

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The table: the heading, then the workers, the most suspicious first."""
        heading = (
            *("worker", "answered", "late", "dead", "kept", "left out", "refused"),
            *("suspicion", "proved"),
        )
        ranked = sorted(self.records, key=lambda r: (not r.proved, -r.suspicion))
        rows = [
            (
                r.name,
                *map(str, (r.answered, r.late, r.dead, r.kept, r.left_out, r.refused)),
                f"{r.suspicion:+.2f}",
                r.proved,
            )
            for r in ranked
        ]
        return [heading, *rows]

    @property
    def caption(self) -> str:
        """What the columns of the table mean, in a sentence each."""
        return (
            "Rounds by what became of the worker's answer; only gradients are kept or left out. "
            "Suspicion: how much more often than the others it was left out, lately; no proof."
        )

    def __repr__(self) -> str:
        widths = [max(len(row[i]) for row in self.cells) for i in range(len(self.cells[0]))]
        lines = [
            "  ".join(
                cell.ljust(width) if i in {0, len(widths) - 1} else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in self.cells
        ]
        refused = [f"refused: {name}, {n} times" for name, n in sorted(self.refused.items())]
        return "\n".join([*lines, *refused])


def workers(
    result: Result | Sequence[RoundRecord], roster: Sequence[str], *, window: int = 20
) -> WorkerReport:
    """What the trace of a run says of every worker.

    Args:
        result: a `Result`, or its trace.
        roster: the names of all workers, `fleet.workers`.
        window: rounds of gradients that suspicion remembers, at least 1; a round weighs
            2 / (window + 1).

    Raises:
        OptionError: the window is not at least 1.

    >>> trace = [
    ...     RoundRecord(0, 1, 1.0, 0.1, absent={"c": "late"}, left_out=("b",)),
    ...     RoundRecord(1, 1, 0.9, 0.1, left_out=("b",), refused={"c": 1}),  # it came too late
    ... ]
    >>> workers(trace, ["a", "b", "c"], window=1)
    worker  answered  late  dead  kept  left out  refused  suspicion  proved
    b              2     0     0     0         2        0      +0.67
    a              2     0     0     2         0        0      -0.33
    c              1     1     0     1         0        1      -0.33
    """
    arguments.whole("window", window, least=1)
    trace = result.trace if isinstance(result, Result) else result
    weight = 2 / (window + 1)
    counts: dict[str, Counter[str]] = {name: Counter() for name in roster}
    proved: dict[str, str] = {}
    refused: Counter[str] = Counter()
    now = np.zeros(len(roster))
    history = np.zeros((len(trace), len(roster)))
    for t, record in enumerate(trace):
        refused.update(record.refused)
        for name, why in record.charged.items():
            proved.setdefault(name, f"{why} (round {record.round})")
        for name, status in record.absent.items():
            counts[name][status] += 1
        heard = [i for i, n in enumerate(roster) if n not in proved and n not in record.absent]
        for i in heard:
            counts[roster[i]].update(answered=1)
        if heard and record.question == Gradients.__name__:
            out = np.array([roster[i] in record.left_out for i in heard], dtype=float)
            for i, left_out in zip(heard, out, strict=True):
                counts[roster[i]].update(["left_out" if left_out else "kept"])
            now[heard] += weight * (out - out.mean() - now[heard])
        history[t] = now
    records = tuple(
        WorkerRecord(
            name,
            counts[name]["answered"],
            counts[name]["late"],
            counts[name]["dead"],
            counts[name]["kept"],
            counts[name]["left_out"],
            refused.pop(name, 0),
            proved.get(name, ""),
            float(now[i]),
        )
        for i, name in enumerate(roster)
    )
    return WorkerReport(records, history, dict(refused))
