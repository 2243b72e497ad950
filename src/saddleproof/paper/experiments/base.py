"""What a statement of the paper needs to become an experiment.

An experiment is a frozen dataclass. Its options are the numbers that the statement fixes, such as
the budget of the adversary over Delta, and their defaults are the paper's. `falsified` holds other
values of these options: they make a false statement of a true one, or a true statement of a false
one. A test measures every experiment with both sets of options and requires two different
statuses, so that no status is certain before the measurement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: A piece of work, and a line of its table: names to JSON scalars.
Cell = Mapping[str, Any]
Row = dict[str, Any]

Status = Literal["reproduced", "loose", "not reproduced"]
REPRODUCED: Status = "reproduced"
LOOSE: Status = "loose"
NOT_REPRODUCED: Status = "not reproduced"


@dataclass(frozen=True)
class Assessment:
    """What the measurements say of a statement.

    Attributes:
        status: "reproduced"; "loose" where the statement holds and the measurements are far from
            its bound; or "not reproduced".
        why: one sentence with the numbers.
    """

    status: Status
    why: str

    @classmethod
    def of(cls, *, holds: bool, tight: bool, why: str) -> Assessment:
        """Reproduced where the statement holds and is tight, loose where it only holds."""
        if not holds:
            return cls(NOT_REPRODUCED, why)
        return cls(REPRODUCED if tight else LOOSE, why)

    def __str__(self) -> str:
        return f"{self.status}: {self.why}"


class Experiment(Protocol):
    """One statement of the paper, measured.

    Attributes:
        name: what the command line and the files call it.
        title: its number in the paper.
        statement: what it says, in Markdown with formulas.
        reported: the status that docs/paper.md reports; the command exits with 1 on another one.
        falsified: options for which the status must be another one.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    statement: ClassVar[str]
    reported: ClassVar[str]
    falsified: ClassVar[Mapping[str, Any]]

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """Independent pieces of work; fewer and smaller ones where `quick`."""

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The lines of the table that one cell gives."""

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """What all lines together say."""

    def draw(self, rows: Sequence[Row]) -> Figure:
        """The figure."""


def falsified(experiment: Any) -> Any:
    """The experiment with the options of its falsified statement."""
    return replace(experiment, **experiment.falsified)


def pick(rows: Iterable[Row], **wanted: object) -> list[Row]:
    """The rows that have these values."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def column(rows: Iterable[Row], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """One column as numbers."""
    return np.array([row[name] for row in rows], dtype=np.float64)


def values(rows: Iterable[Row], name: str) -> list[Any]:
    """The different values of a column, in the order in which they come."""
    return list(dict.fromkeys(row[name] for row in rows))
