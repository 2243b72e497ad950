"""Rounds that ask some of the workers, drawn anew each time: client sampling.

Of m workers b may lie, and a round asks s of them. All b may be among the s. Either the rule holds
b of s, and what it promises holds in every round; or the caller says that fewer are feared in a
sample. Then more come together in some rounds, in a share that the hypergeometric distribution
gives, and nothing is promised in those. One such round in a thousand is one in a run of a thousand
rounds, and in it the liars may move the model anywhere.

Who is drawn comes from the server's own random numbers. Tests, jumps and certificates ask everyone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saddleproof import arguments
from saddleproof.aggregators.base import Aggregator, check_breakdown
from saddleproof.aggregators.by_shares import InSample
from saddleproof.arrays import Array
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import OK, Messages
from saddleproof.fleets.local import LocalFleet
from saddleproof.torch.problem import TorchProblem

#: Status of a worker that a round did not ask.
NOT_ASKED = "not asked"
#: The place of the server's draws among the workers', which are counted from 0.
SERVER = 2**63


@dataclass(frozen=True)
class Sample:
    """How many workers a round of training asks, and how many of them may lie.

    Args:
        size: s, workers a round, at least 1.
        b: the most liars among those asked, where the rule cannot hold the b of all of them; None
            where it can.

    Raises:
        OptionError: no whole numbers, or b is not below the size.

    >>> round(Sample(10, b=4).risk(m=20, b=6), 3)
    0.07
    """

    size: int
    b: int | None = None

    def __post_init__(self) -> None:
        arguments.whole("size", self.size, least=1)
        if self.b is not None and arguments.liars(self.b, self.size) >= self.size:
            raise OptionError(f"Sample needs b < size; got size={self.size}, b={self.b}")

    def risk(self, m: int, b: int) -> float:
        """The probability that a round asks more liars than `b` of this sample.

        Args:
            m: workers.
            b: liars among all of them.
        """
        from scipy.stats import hypergeom  # slow to load

        return 0.0 if self.b is None else float(hypergeom.sf(self.b, m, b, self.size))

    def rule(self, rule: Aggregator, m: int, b: int) -> Aggregator:
        """The rule of such rounds.

        Raises:
            OptionError: the sample is larger than m.
            BreakdownError: all b may be among those asked, and the rule cannot hold them there.
        """
        if self.size > m:
            raise OptionError(f"sample={self.size} workers a round, of {m}")
        check_breakdown(rule, m, b)
        feared = min(b, self.size) if self.b is None else min(self.b, b)
        held = rule.breakdown(self.size)
        if feared > held:
            enough = [s for s in range(self.size, m + 1) if rule.breakdown(s) >= b]
            cure = f"Sample at least {enough[0]}" if enough else "Lower b"
            trial = Sample(self.size, held) if 0 < held < self.size else None
            told = (
                f", or pass sample=sp.torch.Sample({self.size}, b={held}): more than {held} of "
                f"the {b} then come together in {trial.risk(m, b):.2g} of the rounds, and nothing "
                "is promised in those"
                if trial and self.b is None
                else ""
            )
            raise BreakdownError(
                f"a round that asks {self.size} of {m} workers may meet {feared} liars, and "
                f"{type(rule).__name__} holds {held} of {self.size}. {cure}{told}"
            )
        return rule if feared >= min(b, self.size) else InSample(rule, self.size, feared)


class SampledFleet(LocalFleet):
    """The workers of a problem in this process, of whom a round of gradients asks some.

    Other questions go to all. Workers that were proved bad are not drawn again.

    Args:
        problem: whose workers answer.
        size: how many are asked.
    """

    def __init__(self, problem: TorchProblem, size: int) -> None:
        super().__init__(problem)
        self.source, self.size = problem, size
        self._excluded: frozenset[str] = frozenset()

    def exclude(self, excluded: Mapping[str, str]) -> None:
        """Draw from the others."""
        self._excluded = frozenset(excluded)

    def drawn(self, round_id: int) -> NDArray[np.intp]:
        """The positions of the workers that a round asks, in the roster's order."""
        names = self.workers
        there = np.flatnonzero([name not in self._excluded for name in names])
        stream = np.random.Philox(key=self.source.seed, counter=[0, 0, SERVER, round_id])
        count = min(self.size, len(there))
        who = np.random.Generator(stream).choice(len(there), count, replace=False)
        found: NDArray[np.intp] = np.sort(there[who])
        return found

    def round(self, points: Array, *, round_id: int, timeout: float | None = None) -> Messages:
        """The gradients of those that are drawn; the others have the status "not asked"."""
        self._check_open()
        who = self.drawn(round_id)
        rows = self.source.sampled(points, round_id, who).astype(points.dtype, copy=False)
        asked = set(who.tolist())
        answers = [rows[:, i] if i in asked else None for i in range(len(self.workers))]
        status = tuple(OK if i in asked else NOT_ASKED for i in range(len(self.workers)))
        return Messages(answers, status)

    def conditions(self) -> dict[str, str]:
        """What distinguishes the problem, and the size of a sample."""
        return self.source.conditions() | {"sample": str(self.size)}
