"""What the workers have said of the point where the run stands, and sums over all rounds.

Later answers can contradict earlier ones only as long as these are remembered. The memory is data
and a part of every checkpoint: at most four (M, d) arrays, and none where M d exceeds `KEPT`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector

#: The most numbers of an (M, d) array that is kept: 8 MB.
KEPT = 2**20
#: Rounds after which the sums begin anew: the automatic T_0 of `SafeguardSGD`.
WINDOW = 100


@dataclass(frozen=True)
class Said:
    """Answers about one point, and sums over rounds.

    Rows stand in the order of the roster, M of them; NaN where a worker was not heard.

    Attributes:
        workers: the roster.
        w: (d,) the point; NaN before the first round.
        gradients: (M, d) grad F_i(w); (M, 0) when nobody was asked there.
        directions: (r, d) of the last `Curvatures` at w; (0, d) before it.
        ends: (M, 2, r) the answers.
        least: (M, 3 + d) the answers to the last `LeastCurvature` at w; (M, 0) before it.
        sums: (M, d) of g_i minus the median of all g_i in each coordinate, over the window.
        rounds: of gradients in this window so far.
    """

    workers: tuple[str, ...]
    w: Vector
    gradients: Vector
    directions: Vector
    ends: Vector
    least: Vector
    sums: Vector
    rounds: int = 0

    @classmethod
    def nothing(cls, workers: tuple[str, ...], d: int) -> Said:
        """Before the first round."""
        m = len(workers)
        return cls(
            workers=workers,
            w=np.full(d, np.nan),
            gradients=np.empty((m, 0)),
            directions=np.empty((0, d)),
            ends=np.empty((m, 2, 0)),
            least=np.empty((m, 0)),
            sums=np.zeros((m, d)),
        )

    def fits(self, workers: tuple[str, ...], d: int) -> bool:
        """Whether this is about these workers in d dimensions, in arrays of the right shapes."""
        m, r = len(workers), len(self.directions)
        return (
            self.workers == workers
            and self.w.shape == (d,)
            and self.gradients.shape in ((m, 0), (m, d))
            and self.directions.shape == (r, d)
            and self.ends.shape == (m, 2, r)
            and self.least.shape in ((m, 0), (m, 3 + d))
            and self.sums.shape == (m, d)
        )

    def at(self, w: Vector) -> Said:
        """This, if it is about w; else the sums alone, and nothing about w."""
        if np.array_equal(self.w, w):
            return self
        blank = Said.nothing(self.workers, len(w))
        return replace(blank, w=np.array(w, dtype=float), sums=self.sums, rounds=self.rounds)

    def with_gradients(self, rows: Vector, at: NDArray[np.int64]) -> Said:
        """This, with (m, d) gradients at w of the workers at these positions."""
        sums = np.zeros_like(self.sums) if self.rounds % WINDOW == 0 else self.sums.copy()
        sums[at] += rows - np.median(rows, axis=0)
        every = self.placed(rows, at)
        return replace(self, gradients=every, sums=sums, rounds=self.rounds % WINDOW + 1)

    def placed(self, rows: Vector, at: NDArray[np.int64]) -> Vector:
        """(M, ...) rows in the order of the roster, NaN where nobody was heard."""
        every = np.full((len(self.workers), *rows.shape[1:]), np.nan)
        every[at] = rows
        return every
