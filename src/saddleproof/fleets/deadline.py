"""How long a round waits for the last ones.

A fixed short deadline misfires on a loaded machine, where everybody is slow at once. Here the
others tell how slow the machine is: once m - b workers have answered, T seconds into the round
(at most b of the rest are liars, so nobody can stretch T), the rest is waited for until

    T + slack T + grace 2^(-misses)

`misses` of a worker grows by one with each round that ended without it and falls by `_PARDON` with
each that it made: who is always late soon costs no time, who was late once is waited for again.
Without that quorum a round goes on up to its limit: too few answers would end the run.

Workers that are silent in turns have few misses each. So grace that was waited out for nobody also
comes from one budget for all together: 2 grace (b + 1) seconds, which is what b workers cost that
fall silent for good, and one more. Each round gives back `_REFUND` of its T. In the long run
silence stretches rounds by that share and by slack T, whoever is silent.

Questions cost differently: a `LeastCurvature` is some hundred passes over the data, a `Gradients`
of one point is one pass. T is measured in the round itself, so it is always that of the question
that is open. The limit grows with the passes (`Deadline.allowing`), and misses are counted for each
kind of question by itself (`Patience`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from saddleproof.arguments import check_options
from saddleproof.errors import OptionError
from saddleproof.fleets.cost import cost_of
from saddleproof.questions import LeastCurvature, Question

#: Ten timely answers pardon one that was late; a liar that is late every tenth round costs one
#: grace in ten rounds, and one that is late more often soon costs nothing.
_PARDON = 0.1
#: The share of the time that rounds take which comes back to the budget for silence.
_REFUND = 0.1
#: Passes over the data for which the limit is meant; a question of more passes gets more time.
FEW = 20


@dataclass(frozen=True)
class Deadline:
    """When a round ends that not everybody has answered.

    Args:
        grace: seconds that a worker with a clean record gets after the others.
        slack: the same, as a multiple of the time that the others took.
        limit: seconds after which a round of up to `FEW` passes over the data ends in any case.

    Raises:
        OptionError: one of them cannot work.

    >>> Deadline(grace=2.0, slack=1.0).after_quorum(0.5, misses=[0.0])
    3.0
    >>> Deadline(grace=2.0, slack=1.0).after_quorum(0.5, misses=[3.0])
    1.25
    """

    grace: float = 2.0
    slack: float = 1.0
    limit: float = 60.0

    def __post_init__(self) -> None:
        check_options(self)
        if not (self.grace >= 0 and self.slack >= 0 and self.limit > 0):
            raise OptionError(
                f"grace and slack must be at least 0 and limit positive; got grace={self.grace}, "
                f"slack={self.slack}, limit={self.limit}"
            )

    def within(self, timeout: float | None) -> Deadline:
        """The same with a limit of at most `timeout` seconds; None leaves it."""
        if timeout is None or timeout >= self.limit:
            return self
        return replace(self, limit=timeout)

    def allowing(self, question: Question) -> Deadline:
        """The same with the limit that this question needs.

        The limit grows in proportion to the passes over the data. Where workers stop by themselves
        after `seconds`, it grows by no more than those.

        >>> import numpy as np
        >>> Deadline(limit=60.0).allowing(LeastCurvature(np.zeros(1000), steps=60)).limit
        720.0
        >>> question = LeastCurvature(np.zeros(1000), steps=60, seconds=30.0)
        >>> Deadline(limit=60.0).allowing(question).limit
        90.0
        """
        limit = self.limit * max(cost_of(question)[0] / FEW, 1.0)
        if isinstance(question, LeastCurvature):
            limit = min(limit, self.limit + question.seconds)
        return replace(self, limit=limit)

    def after_quorum(
        self, elapsed: float, misses: Iterable[float], budget: float = math.inf
    ) -> float:
        """Seconds into the round at which it ends, when m - b had answered at `elapsed`.

        Args:
            elapsed: when they had answered, in seconds.
            misses: of each worker that is waited for.
            budget: seconds of grace that are left for all workers together.
        """
        patience = max((self.grace * 2.0**-missed for missed in misses), default=0.0)
        return elapsed + self.slack * elapsed + min(patience, budget)

    def budget(self, b: int) -> float:
        """Seconds of grace that silent workers may cost, all together."""
        return 2.0 * self.grace * (b + 1)


def record(misses: float, *, heard: bool) -> float:
    """A worker's misses after one more round."""
    return max(misses - _PARDON, 0.0) if heard else misses + 1.0


def quorum(alive: int, b: int) -> int:
    """How many answers surely come from `alive` workers of which b keep silent; at least one."""
    return max(alive - b, 1)


class Watch:
    """The clock of one round, started when it is made.

    Args:
        deadline: the options.
        misses: (m,) every worker's misses before the round.
        b: the most Byzantine workers.
        clock: seconds, from anywhere.
        budget: seconds of grace that are left for all workers together.
    """

    def __init__(
        self,
        deadline: Deadline,
        misses: tuple[float, ...],
        *,
        b: int,
        clock: Callable[[], float] = time.monotonic,
        budget: float = math.inf,
    ) -> None:
        self._deadline, self._misses, self._b, self._budget = deadline, misses, b, budget
        self._clock, self._started = clock, clock()
        self._quorum_at: float | None = None
        self._in_vain = False

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started

    def missing(
        self, heard: Collection[int], gone: Collection[int], out: Collection[int] = ()
    ) -> int:
        """How many answers the quorum lacks; 0 or less when it is in."""
        alive = len(self._misses) - len(gone) - len(out)
        return quorum(alive, max(self._b - len(out), 0)) - len(heard)

    def left(
        self, heard: Collection[int], gone: Collection[int], out: Collection[int] = ()
    ) -> float:
        """How many more seconds to wait; ask anew after every answer.

        Args:
            heard: positions of the workers whose answer is in.
            gone: positions of those that cannot answer any more.
            out: positions of those that were proved bad. Nobody waits for them, and so many fewer
                may keep silent.
        """
        waiting = [
            missed
            for i, missed in enumerate(self._misses)
            if i not in heard and i not in gone and i not in out
        ]
        self._in_vain = bool(waiting)
        if not waiting:
            self._quorum_at = self.elapsed if self._quorum_at is None else self._quorum_at
            return 0.0
        elapsed, end = self.elapsed, self._deadline.limit
        if self.missing(heard, gone, out) <= 0:
            self._quorum_at = elapsed if self._quorum_at is None else self._quorum_at
            end = min(end, self._deadline.after_quorum(self._quorum_at, waiting, self._budget))
        return max(end - elapsed, 0.0)

    def learned(self, heard: Collection[int]) -> tuple[float, ...]:
        """(m,) everybody's misses after the round."""
        return tuple(record(missed, heard=i in heard) for i, missed in enumerate(self._misses))

    @property
    def spent(self) -> float:
        """Seconds that a round which is over took from the budget; negative where it gives some.

        Only a round that ended without somebody it had waited for takes some.
        """
        if self._quorum_at is None:
            return 0.0
        grace = self.elapsed - self._quorum_at * (1.0 + self._deadline.slack)
        return max(grace, 0.0) * self._in_vain - _REFUND * self._quorum_at


class Patience:
    """Every worker's misses, for each kind of question by itself, and the budget of all together.

    A worker may need longer than the others for sixty products, and be in time with a gradient.
    Its grace with one kind of question does not depend on its record with another.

    Args:
        m: how many workers there are.
    """

    def __init__(self, m: int) -> None:
        self._clean = (0.0,) * m
        self._misses: dict[type, tuple[float, ...]] = {}
        self._spent = 0.0

    def of(self, kind: type) -> tuple[float, ...]:
        """(m,) everybody's misses with this kind of question."""
        return self._misses.get(kind, self._clean)

    def watch(
        self,
        question: Question,
        deadline: Deadline,
        *,
        b: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> Watch:
        """The clock of a round that asks this question; see `Watch`."""
        budget = max(deadline.budget(b) - self._spent, 0.0)
        return Watch(deadline, self.of(type(question)), b=b, clock=clock, budget=budget)

    def learn(self, question: Question, watch: Watch, heard: Collection[int]) -> None:
        """Count the round, when it is over."""
        self._spent = max(self._spent + watch.spent, 0.0)
        self._misses[type(question)] = watch.learned(heard)
