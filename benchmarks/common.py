"""What the benchmarks share: the coalition, a count of jumps, shares and a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import saddleproof as sp
from saddleproof.runs.shares import wilson

#: Liars among the 20 workers of a benchmark, unless it says otherwise.
BYZANTINE = 6


def attacked(problem: Any, style: str = "push") -> sp.Coalition:
    """The problem's workers, the first six of which lie about the saddle."""
    attack = sp.SaddleAttack(problem.saddle, style=style)
    return sp.Coalition(sp.LocalFleet(problem), attack, members=range(BYZANTINE))


class Jumps:
    """A callback that collects F(landing) - F(anchor) of every certified jump of the default.

    Attributes:
        rises: one number a jump; a jump is sound when it is negative.
        shadow: where plain descent was when the run compared itself with it, or None.
    """

    def __init__(self, problem: Any) -> None:
        self.rises: list[float] = []
        self.shadow: Any = None
        self._problem = problem
        self._before: Any = None

    def __call__(self, progress: Any) -> None:
        """Look at the state after a round, beside the one before it."""
        before, state, F = self._before, progress.state, self._problem.value
        if before is not None:
            jumped = before.phase == "escape" and state.phase == "descend"
            certified = jumped and state.escape.best is not None
            if certified and state.soft_jumps == before.soft_jumps:
                self.rises.append(F(state.main.w) - F(state.escape.anchor))
            if before.phase == "compare":
                self.shadow = before.shadow
        self._before = state


def share(outcomes: Sequence[bool]) -> str:
    """A share with its Wilson interval: "0.95 [0.76, 0.99]"."""
    return str(wilson(sum(outcomes), len(outcomes)))


def table(rows: Sequence[Sequence[object]]) -> str:
    """Rows of cells, the first of them the heading, as a Markdown table with even columns."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
