"""Whether minibatch training still gets anywhere: one number per worker, on all its rows.

    delta_i = F_i(w) - F_i(w_0)

Minibatch gradients cannot tell, as their noise is as large as they are. delta_i has no sampling
noise, both ends being judged on the same rows, and is a scalar: its rank interval
(`saddleproof.ranks`) is as narrow for a million parameters as for one, whatever b liars say. The
loss has certainly fallen where the whole interval is below zero. w_0 then moves up to w; until
then it stays, so that slow progress adds up.

Each test is one of two standard errors by itself, about the rows that are trained on. Workers whose
data differ in kind have a median that is not their mean; the interval knows nothing of that.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from saddleproof import oracle
from saddleproof.aggregators.base import Aggregator
from saddleproof.arrays import Vector
from saddleproof.fleets.base import Announcement, Fleet
from saddleproof.ranks import Interval, interval
from saddleproof.result import Progress

#: Rounds from one test to the next; a test costs a worker a round and a forward pass on its shard.
EVERY = 25


@dataclass(frozen=True)
class LossTest:
    """One test of whether the loss fell.

    Attributes:
        since: the round whose point was w_0.
        round: the round whose point was w.
        change: F(w) - F(w_0), where the rank interval puts it.
    """

    since: int
    round: int
    change: Interval

    @property
    def fell(self) -> bool:
        """Whether the loss has certainly fallen."""
        return bool(self.change.high < 0)


class Watch:
    """A callback that tests the run in its first round and in every 25th.

    Args:
        fleet: the workers, liars among them, without momentum.
        aggregator, b: the rule and the most Byzantine workers, as announced to them.
        patience: rounds after the last certain progress at which a test stops the run; None never.

    Attributes:
        tests: the tests so far.
        since: the round whose point the next test compares with.
    """

    needs_values: ClassVar[bool] = True

    def __init__(
        self, fleet: Fleet, aggregator: Aggregator, b: int, patience: int | None = None
    ) -> None:
        self.fleet, self.aggregator, self.b, self.patience = fleet, aggregator, b, patience
        self.tests: tuple[LossTest, ...] = ()
        self.since = 0
        self._losses: dict[str, float] = {}
        self._excluded: tuple[str, ...] = ()
        fleet.announce(Announcement(aggregator.estimates, b, self))

    @property
    def impatient(self) -> bool:
        """Whether the last test found that progress is overdue."""
        late = self.tests[-1].round - self.since if self.tests else 0
        return self.patience is not None and late >= self.patience

    def __call__(self, progress: Progress) -> bool:
        """Test, if it is time to; True to stop the run."""
        t = progress.record.round
        if t == 0 or (t + 1) % EVERY == 0:
            # Workers that cannot be read end the run itself; here they only mean no test.
            with contextlib.suppress(oracle.TooFewWorkers):
                self._test(t, progress.w)
        return self.impatient

    def _test(self, t: int, w: Vector) -> None:
        messages = self.fleet.round(w[None], round_id=t)
        reading = oracle.read(
            messages,
            self.aggregator,
            self.b,
            points=w[None],
            workers=self.fleet.workers,
            excluded=self._excluded,
        )
        self._excluded += tuple(reading.verdicts.charged)
        if reading.losses is None or reading.void[0]:
            return
        told = dict(zip(reading.verdicts.heard, reading.losses[0].astype(np.float64), strict=True))
        both = [name for name in told if name in self._losses]
        if both:
            with np.errstate(over="ignore"):  # a liar's
                change = np.array([told[name] - self._losses[name] for name in both])
            self.tests += (LossTest(self.since, t, interval(change, reading.b)),)
        if not both or self.tests[-1].fell:
            self.since, self._losses = t, told
