"""A benchmark as tables: in a terminal, as comma-separated values, and in LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from saddleproof.benchmark.plans import where
from saddleproof.benchmark.results import LEVEL, CellResult, Results
from saddleproof.lab.plain import columns
from saddleproof.printed import cell, one_line

#: Marks of the rule that is best and told apart, and of those that are not told apart from it.
BEST, LEVELED = "*", "~"


def legend(results: Results) -> str:
    """What the numbers of the tables are."""
    n, plan = len(results.plan.seeds), results.plan
    share = f"{plan.test:.0%} of the rows, which no worker has"
    runs = "one seed: no intervals and no tests" if n == 1 else (
        f"mean over {n} seeds, +- half of the 95 % interval by Student's t (none where all seeds "
        f"gave the same number). {BEST} has the highest mean of its row, and every other "
        f"rule with a number was found to be lower; {LEVELED} is the highest mean and all that "
        f"were not found to be lower: tests are paired by seed, p <= {LEVEL:g} after Holm over all "
        "pairs of a table"
    )  # fmt: skip
    return f"Test accuracy at the end, on {share}; {runs}."


def attacks_of(cells: Sequence[CellResult]) -> list[str]:
    """The rows of a table."""
    return list(dict.fromkeys(one.cell.labels["attack"] for one in cells))


def rules_of(cells: Sequence[CellResult]) -> list[str]:
    """The columns of a table."""
    return list(dict.fromkeys(one.cell.labels["rule"] for one in cells))


def mark(results: Results, one: CellResult) -> str:
    """What stands behind the number of a cell."""
    best = results.best(one.cell.world)
    if one.cell.labels["rule"] not in best:
        return ""
    return BEST if len(best) == 1 else LEVELED


def said(results: Results, one: CellResult) -> str:
    """A cell of the table: number, mark, failures, certificates."""
    parts = [f"{one.accuracy} {mark(results, one)}".rstrip()] if one.accuracy else []
    parts += missing(results, one)
    parts += [f"{count} {level}" for level, count in one.certificates.items()]
    return ", ".join(parts)


def missing(results: Results, one: CellResult) -> list[str]:
    """What must stand beside a number that has not all seeds: failures, and how many it has."""
    n, parts = len(one.outcomes), []
    if one.failures:
        parts.append(f"{len(one.failures)} failed")
    elif not n:
        parts.append("not run")
    if 0 < n < len(results.plan.seeds):
        parts.append(_seeds(n))
    return parts


def _seeds(n: int) -> str:
    return f"{n} seed{'s' * (n > 1)}"


def tables(results: Results) -> Iterable[tuple[str, list[list[str]]]]:
    """A heading and its rows for each block, the names of the columns first."""
    for block, cells in results.blocks.items():
        by = {(one.cell.labels["attack"], one.cell.labels["rule"]): one for one in cells}
        rules = rules_of(cells)
        rows = [["attack", *rules]]
        rows += [
            [attack, *(said(results, by[attack, rule]) for rule in rules)]
            for attack in attacks_of(cells)
        ]
        yield where(block), rows


def pooled(results: Results) -> list[list[str]]:
    """Accuracy over all worlds of a data set, the names of the columns first; no row is marked."""
    found = results.pooled()
    rules = list(dict.fromkeys(rule for _, rule in found))
    rows = [["data", *rules]]
    for data in dict.fromkeys(data for data, _ in found):
        numbers = [found.get((data, rule)) for rule in rules]
        rows.append([data, *("-" if x is None else f"{x} ({_seeds(x.n)})" for x in numbers)])
    return rows


def summary(results: Results) -> str:
    """All tables as plain text."""
    lines = [legend(results)]
    every = [*tables(results)]
    if results.pooled():
        every.append(("Pooled over all worlds", pooled(results)))
    for heading, rows in every:
        lines += ["", one_line(heading), *columns(rows)]
    lines += [f"note, {line}" for line in notes(results)]
    return "\n".join([*lines, *(f"failed, {line}" for line in failed(results))])


def notes(results: Results) -> list[str]:
    """What the first run of a cell noted, a line each; once where several cells say the same."""
    found: dict[str, list[str]] = {}
    for one in results.cells:
        for note in one.outcomes[0].notes if one.outcomes else ():
            found.setdefault(note, []).append(one.cell.name)
    return [
        one_line(f"{names[0]}{f' and {len(names) - 1} more cells' * (len(names) > 1)}: {note}")
        for note, names in found.items()
    ]


def failed(results: Results) -> list[str]:
    """Why runs failed: cell, seeds and reason, a line each."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in results.cells:
        for failure in one.failures:
            found.setdefault((one.cell.name, failure.reason), []).append(str(failure.seed))
    return [
        one_line(f"{name}, seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}: {reason}")
        for (name, reason), seeds in found.items()
    ]


_CELL = ("data", "model", "split", "b", "attack", "rule")
_RUN = (
    "seed", "status", "accuracy", "loss", "rounds", "certificate", "gradient_bound", "tolerance",
    "claim", "parameters", "train_rows", "test_rows", "data_sha256", "reason",
)  # fmt: skip


def runs_csv(results: Results) -> str:
    """Every run as a line. Equal runs give equal bytes: wall times are not among the values."""
    lines: list[Sequence[Any]] = [(*_CELL, *_RUN)]
    for one in results.cells:
        own = _own(one)
        lines += [
            (*own, x.seed, x.status, x.accuracy, x.loss, x.rounds, x.certificate, x.gradient_bound,
             x.tolerance, x.claim, x.parameters, *x.rows, x.digest, "")
            for x in one.outcomes
        ]  # fmt: skip
        for failure in one.failures:
            nothing = [""] * (len(_RUN) - 3)
            lines.append((*own, failure.seed, "failed", *nothing, failure.reason))
    return _csv(lines)


def cells_csv(results: Results) -> str:
    """Every cell as a line: means with the ends of their 95 % intervals."""
    ends = [f"{what}{end}" for what in ("accuracy", "loss") for end in ("", "_low", "_high")]
    lines: list[Sequence[Any]] = [(*_CELL, "seeds", "failed", *ends, "mark")]
    for one in results.cells:
        means = [
            number
            for x in (one.accuracy, one.loss)
            for number in (("", "", "") if x is None else (x.value, x.low, x.high))
        ]
        count = (len(one.outcomes), len(one.failures))
        lines.append((*_own(one), *count, *means, mark(results, one)))
    return _csv(lines)


def pairs_csv(results: Results) -> str:
    """Any two rules of a world: difference of accuracies, paired by seed, and Holm's p-value."""
    head = ("data", "model", "split", "b", "attack", "rule", "less", "seeds", "difference",
            "low", "high", "p", "holm")  # fmt: skip
    lines: list[Sequence[Any]] = [head]
    lines += [
        (*x.world, x.one, x.other, x.gap.n, x.gap.value, x.gap.low, x.gap.high, x.gap.p, x.p)
        for x in results.pairs
    ]
    return _csv(lines)


def curves_csv(results: Results) -> str:
    """Every evaluation of every run as a line."""
    lines: list[Sequence[Any]] = [(*_CELL, "seed", "round", "accuracy", "loss")]
    for one in results.cells:
        for x in one.outcomes:
            points = zip(x.at, x.accuracies, x.losses, strict=True)
            lines += [(*_own(one), x.seed, k, float(a), float(c)) for k, a, c in points]
    return _csv(lines)


def _own(one: CellResult) -> tuple[Any, ...]:
    return (*one.cell.world, one.cell.labels["rule"])


def _csv(lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for line in lines:
        writer.writerow([cell(value) for value in line])
    return text.getvalue()
