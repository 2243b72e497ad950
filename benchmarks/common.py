"""What the benchmarks share: the coalition, a count of jumps, the truth, shares and a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import saddleproof as sp
from saddleproof.lab.shares import wilson

#: Liars among the 20 workers of a benchmark, unless it says otherwise.
BYZANTINE = 6
#: What stands in the column of answers for the old default, which asks for gradients only.
OLD = "(old default)"


def attacked(problem: Any, style: str = "push", liars: int = BYZANTINE) -> sp.Coalition:
    """The problem's workers, the first `liars` of which lie about the saddle."""
    attack = sp.SaddleAttack(problem.saddle, style=style)
    return sp.Coalition(sp.LocalFleet(problem), attack, members=range(liars))


def lying(problem: Any, style: str, answers: str, liars: int) -> sp.Coalition:
    """The problem's workers, the first `liars` of which lie."""
    gradients = sp.SaddleAttack(problem.saddle, style=style)
    attack = gradients if answers == OLD else sp.attacks.LyingAnswers(gradients, says=answers)
    return sp.Coalition(sp.LocalFleet(problem), attack, members=range(liars))


def honest_lambda_min(problem: Any, w: np.ndarray, liars: int = BYZANTINE) -> float:
    """The lowest eigenvalue of the honest workers' mean Hessian, from the problem's closed form.

    Up to d = 256 of the whole matrix; beyond by ARPACK, to its own tolerance.
    """
    d, m = len(w), problem.m

    def product(v: np.ndarray) -> np.ndarray:
        vectors = np.broadcast_to(np.reshape(v, (1, 1, d)), (m, 1, d)).copy()
        mean: np.ndarray = problem.products(w, vectors)[liars:, 0].mean(axis=0)
        return mean

    if d <= 256:
        columns = np.stack([product(e) for e in np.eye(d)])
        return float(np.linalg.eigvalsh((columns + columns.T) / 2)[0])
    from scipy.sparse.linalg import LinearOperator, eigsh

    operator = LinearOperator((d, d), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(d)
    lowest = eigsh(operator, k=1, which="SA", tol=1e-6, v0=start, return_eigenvectors=False)
    return float(lowest[0])


#: How the trace names a jump, and what the benchmarks call it.
KINDS = {
    "jump: the loss of the honest mean": "proved",
    "jump: the loss of more than half": "most",
    "jump: of two opposite ends": "drawn",
}


class Jumps:
    """A callback that collects F(after) - F(before) of every jump, F the honest workers' mean.

    Attributes:
        rises: by kind, "proved", "most" or "drawn", one number a jump.
    """

    def __init__(self, problem: Any, liars: int = BYZANTINE) -> None:
        self.rises: dict[str, list[float]] = {kind: [] for kind in KINDS.values()}
        self._problem, self._liars = problem, liars
        self._before: np.ndarray | None = None

    def __call__(self, progress: Any) -> None:
        """Look at the point after a round, beside the one before it."""
        for words, kind in KINDS.items():
            if progress.record.event.startswith(words) and self._before is not None:
                rise = self._value(progress.w) - self._value(self._before)
                self.rises[kind].append(rise)
        self._before = np.array(progress.w, dtype=float)

    def _value(self, w: np.ndarray) -> float:
        values = self._problem.values(np.asarray(w, dtype=float))
        return float(values[self._liars :].mean())


def share(outcomes: Sequence[bool]) -> str:
    """A share with its Wilson interval: "0.95 [0.76, 0.99]"."""
    return str(wilson(sum(outcomes), len(outcomes)))


def quartiles(ratios: np.ndarray) -> str:
    """The median, and the quartiles in brackets."""
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def table(rows: Sequence[Sequence[object]]) -> str:
    """Rows of cells, the first of them the heading, as a Markdown table with even columns."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
