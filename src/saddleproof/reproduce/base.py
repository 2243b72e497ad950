"""What a statement of the paper needs to become an experiment.

An item is a frozen dataclass. Its options are the numbers that the statement fixes, such as how
large the adversary's budget is over Delta; their defaults are the paper's. `turned` is another
choice of them: a false statement for a true one, a mended one for a false one. A test runs every
item both ways, so that no verdict is one that could not have turned out otherwise.
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

REPRODUCED: Literal["reproduced"] = "reproduced"
LOOSE: Literal["loose"] = "loose"
REFUTED: Literal["not reproduced"] = "not reproduced"


@dataclass(frozen=True)
class Verdict:
    """What a measurement says of a statement.

    Attributes:
        name: "reproduced"; "loose" where it holds, and what was measured is far from its bound;
            or "not reproduced".
        why: one sentence with the numbers.
    """

    name: Literal["reproduced", "loose", "not reproduced"]
    why: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


class Item(Protocol):
    """One statement of the paper.

    Attributes:
        name: what the command line and the files call it.
        title: its number in the paper.
        statement: what it says, in Markdown with formulas.
        known: the verdict that docs/paper.md reports; another one is news.
        turned: options of another statement, whose verdict must be another one.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    statement: ClassVar[str]
    known: ClassVar[str]
    turned: ClassVar[Mapping[str, Any]]

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """Independent pieces of work; the fewer and smaller, the quicker."""

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The lines of the table that one cell gives."""

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """What all lines together say."""

    def draw(self, rows: Sequence[Row]) -> Figure:
        """The picture."""


def turned(item: Any) -> Any:
    """The same item with another statement, for which the verdict must be another one."""
    return replace(item, **item.turned)


def judge(*, holds: bool, tight: bool, why: str) -> Verdict:
    """Reproduced where it holds tightly, loose where it holds, else not reproduced."""
    if not holds:
        return Verdict(REFUTED, why)
    return Verdict(REPRODUCED if tight else LOOSE, why)


def pick(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    """The rows that have these values."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def column(rows: Iterable[Row], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """One column as numbers."""
    return np.array([row[name] for row in rows], dtype=np.float64)


def values(rows: Iterable[Row], name: str) -> list[Any]:
    """The different values of a column, in the order in which they come."""
    return list(dict.fromkeys(row[name] for row in rows))
