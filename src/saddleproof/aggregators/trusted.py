"""Rules that trust one worker: the server with data of its own, or a peer that trusts itself.

Whom to trust is the caller's knowledge, so it has no default. Rows are known by their workers'
names, for a position among the rows that were heard moves when somebody is late: these are rules
with a memory, the roster, in which nothing is learned.
"""

from __future__ import annotations

from dataclasses import dataclass

from saddleproof import arguments
from saddleproof.aggregators.base import Estimate, Rule
from saddleproof.aggregators.draco import Seats
from saddleproof.aggregators.memory import Recalled, Remembering, positions
from saddleproof.arrays import Array, Vector
from saddleproof.errors import BreakdownError, OptionError


@dataclass(frozen=True)
class TrustedRule(Remembering):
    """What the rules of this kind share; each adds `at`.

    Args:
        trusted: position on the roster, from 0, or name of the worker.
    """

    trusted: int | str

    def __post_init__(self) -> None:
        arguments.check_options(self)
        if not isinstance(self.trusted, str):
            arguments.whole("trusted", self.trusted)

    def at(self, row: int) -> Rule:
        """The rule that trusts a row."""
        raise NotImplementedError

    def breakdown(self, m: int) -> int:
        """(m - 1)//2, fewer than half, and the trusted worker is not one of them."""
        return (m - 1) // 2

    def begin(self, workers: tuple[str, ...], d: int) -> Seats:
        """The roster.

        Raises:
            OptionError: the trusted worker is not on it.
        """
        self._position(workers)
        return Seats(workers)

    def recall(
        self, memory: Seats, stack: Vector, b: int, *, workers: tuple[str, ...], points: Vector
    ) -> Recalled:
        """The rule that trusts the trusted worker's row of this round.

        Raises:
            BreakdownError: the trusted worker was not heard; the loop then stops with status
                "too_few_workers".
        """
        heard = positions(memory.workers, workers).tolist()
        position = self._position(memory.workers)
        if position not in heard:
            raise BreakdownError(
                f"{type(self).__name__} trusts {memory.workers[position]!r}, which was not heard "
                "in this round. Bring it back and resume, or take a rule that trusts nobody"
            )
        return Recalled(self.at(heard.index(position)), memory)

    def _batch(self, stack: Array, b: int) -> Estimate:
        m = int(stack.shape[1])
        row = self._position(tuple(f"worker-{i}" for i in range(m)))
        return self.at(row).estimates(stack, b)

    def _position(self, workers: tuple[str, ...]) -> int:
        return arguments.roster_positions("trusted", [self.trusted], workers)[0]


def refuse_trusted(outer: object, rule: object) -> None:
    """Raise `OptionError` for a rule with a trusted worker inside a pre-aggregation.

    What reaches the inner rule are mixtures without names.
    """
    if isinstance(rule, TrustedRule):
        raise OptionError(
            f"{type(outer).__name__} hands mixtures of rows to its rule, and {type(rule).__name__} "
            f"needs the row of one worker. Take {type(rule).__name__} by itself"
        )
