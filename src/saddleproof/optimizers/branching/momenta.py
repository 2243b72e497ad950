"""Every worker's momentum on every branch, kept by the server from the messages alone.

m_i <- beta m_i + (1 - beta) g_i, from m_i = 0 (Karimireddy, He, Jaggi, ICML 2021). The average is
linear in the messages, so it does not matter who keeps it; the server can start several branches
from one momentum, and go on with that of the winner, without a word to the workers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector


@dataclass(frozen=True)
class Momenta:
    """The momenta of the workers that were ever heard.

    Attributes:
        workers: (k,) names.
        rows: (q, k, d), one momentum a branch and worker.
    """

    workers: tuple[str, ...]
    rows: Vector

    @classmethod
    def none(cls, w: Vector) -> Momenta:
        """Nobody was heard yet, on one branch at (d,) w."""
        return cls((), np.empty((1, 0, len(w)), w.dtype))

    def after(self, stack: Vector, heard: tuple[str, ...], beta: float) -> Momenta:
        """With one more round of (q, m, d) messages; absent workers keep theirs."""
        workers = (*self.workers, *(name for name in heard if name not in self.workers))
        new = np.zeros((len(stack), len(workers), stack.shape[2]), stack.dtype)
        new[:, : len(self.workers)] = self.rows
        at = [workers.index(name) for name in heard]
        new[:, at] = beta * new[:, at] + (1 - beta) * stack
        return Momenta(workers, new)

    def of(self, heard: tuple[str, ...]) -> Vector:
        """(q, m, d): the momenta of these workers, in their order."""
        if heard == self.workers:
            return self.rows
        rows: Vector = self.rows[:, [self.workers.index(name) for name in heard]]
        return rows

    def branch(self, k: int) -> Momenta:
        """Those of one branch."""
        return Momenta(self.workers, self.rows[k : k + 1])

    def spread(self, q: int) -> Momenta:
        """Of q branches that begin where one is; of q branches, themselves."""
        if len(self.rows) == q:
            return self
        return Momenta(self.workers, np.repeat(self.rows, q, axis=0))
