"""What the benchmarks share: the coalition, a count of jumps, the truth, shares and a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import saddleproof as sp
from saddleproof.certificate.hessian import difference_points
from saddleproof.runs.shares import wilson

#: Liars among the 20 workers of a benchmark, unless it says otherwise.
BYZANTINE = 6


def attacked(problem: Any, style: str = "push", liars: int = BYZANTINE) -> sp.Coalition:
    """The problem's workers, the first `liars` of which lie about the saddle."""
    attack = sp.SaddleAttack(problem.saddle, style=style)
    return sp.Coalition(sp.LocalFleet(problem), attack, members=range(liars))


def honest_lambda_min(problem: Any, w: np.ndarray, liars: int = BYZANTINE) -> float:
    """The lowest eigenvalue of the honest workers' pooled Hessian, by central differences.

    Beyond d = 256 that of all workers', which the problem knows.
    """
    if len(w) > 256:
        return float(np.linalg.eigvalsh(problem.hessian(w))[0])
    points = difference_points(w, float(np.cbrt(np.finfo(float).eps)) * (1 + np.abs(w).max()))
    d = len(w)
    gradients = problem.gradients(points)[:, liars:].mean(axis=1)
    spans = np.diagonal(points[1 : d + 1] - points[d + 1 :])
    hessian = (gradients[1 : d + 1] - gradients[d + 1 :]) / spans[:, None]
    return float(np.linalg.eigvalsh((hessian + hessian.T) / 2)[0])


class Jumps:
    """A callback that collects F(landing) - F(anchor) of every certified jump of the default.

    Attributes:
        rises: one number a jump; a jump is sound when it is negative.
        shadow: where plain descent was when the run compared itself with it, or None.
    """

    def __init__(self, problem: Any, liars: int = BYZANTINE) -> None:
        self.rises: list[float] = []
        self.shadow: Any = None
        self._problem, self._liars = problem, liars
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

    def beyond(self, result: sp.Result) -> bool:
        """Whether F(out) - F(own plain descent) exceeds the bound that the run printed.

        F is what the bound is about, the honest workers' pooled loss.
        """
        ending = result.state.ending
        if self.shadow is None or ending is None or ending.evidence is None:
            return False
        bound = ending.evidence.numbers.get("loss_above_plain_descent_at_most", float("inf"))
        difference = self._problem.values(result.w) - self._problem.values(self.shadow.w)
        return bool(difference[self._liars :].mean() > bound + 1e-12)


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
