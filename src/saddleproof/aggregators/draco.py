"""DRACO (Chen, Wang, Charles, Papailiopoulos, ICML 2018): undo a code, and drop who broke it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import Estimate, Rule
from saddleproof.aggregators.engine.gram import combine
from saddleproof.aggregators.memory import Recalled, Remembering, positions
from saddleproof.aggregators.weighted import like, points
from saddleproof.arguments import check_options
from saddleproof.arrays import Array, Vector, namespace
from saddleproof.codes import Code, Repetition


@dataclass(frozen=True)
class Seats:
    """Who sits where in the code; nothing is learned.

    Attributes:
        workers: M names.
    """

    workers: tuple[str, ...]


@dataclass(frozen=True)
class Draco(Remembering):
    """The exact mean of all pieces, from coded messages of which at most s are lies.

    It needs redundant work: the fleet must compute `Coded(problem, code)` with the same code. The
    messages of all points of a round are decoded together, since who lies at one of them lies.
    What the other rules estimate, this one recovers: with `Repetition` a run under any attack on
    at most s workers is equal, bit by bit, to the run without it; with `Cyclic` up to rounding. So
    its inexactness is 0: about F, the mean over these data, not about their population. Where s
    + 1 workers of one group of a `Repetition` agree on a lie the claim is false and nothing shows.

    A rule that must know who is who, hence one with a memory, the roster; absent workers are
    erasures. Without a memory all m rows must be there, in the order of the roster. It is in no
    table of rules: on messages that are not coded it can only refuse.

    Args:
        code: `Repetition(s)` or `Cyclic(s)`.

    Raises:
        BreakdownError: in use, if the messages fit no code word within s lies; the loop then stops
            with status "too_few_workers".

    Breakdown: s. Cost: r times the workers' own work; here see the code.

    >>> from saddleproof.codes import Repetition
    >>> x = np.array([[1.0], [1.0], [-9.0], [5.0], [5.0], [5.0]])
    >>> Draco(Repetition(s=1))(x, b=1)
    array([3.])
    """

    code: Code = field(default_factory=Repetition)

    def __post_init__(self) -> None:
        check_options(self)

    def breakdown(self, m: int) -> int:
        """s of the code."""
        return self.code.s

    def begin(self, workers: tuple[str, ...], d: int) -> Seats:
        """The roster."""
        self.code.matrix(len(workers))  # refuses a number of workers for which there is no code
        return Seats(workers)

    def recall(
        self,
        memory: Seats,
        stack: Vector,
        b: int,
        *,
        workers: tuple[str, ...],
        points: Vector,
    ) -> Recalled:
        """Weights that leave out whoever breaks the code at any of the points."""
        at = positions(memory.workers, workers)
        messages = stack.swapaxes(0, 1).reshape(len(at), -1)
        weights = self.code.weights(messages, at, len(memory.workers))
        return Recalled(Decoded(weights), memory)


@dataclass(frozen=True, eq=False)
class Decoded(Rule):
    """A weighted sum of rows, by weights that are known; what has weight 0 is not read.

    Args:
        weights: (m,), of any sign.
    """

    weights: NDArray[np.float64]

    def breakdown(self, m: int) -> int:
        """Whoever lied has weight 0."""
        return m

    def _batch(self, stack: Array, b: int) -> Estimate:
        xp = namespace(stack)
        vector = xp.stack([combine(x, self.weights) for x in points(stack)])
        kept = np.tile(self.weights != 0.0, (len(vector), 1))
        exact = xp.zeros_like(vector[:, 0])
        return Estimate(vector, exact, like(kept, stack))
