"""The trials of a comparison by entry: one row of its table each."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saddleproof.config.records import Entry
from saddleproof.lab.shares import Share, wilson
from saddleproof.lab.trials import Failure, Judgement, Trial


@dataclass(frozen=True)
class Row:
    """All trials of one entry, and the runs of it that failed: they are in no number here.

    Numbers need at least one trial.
    """

    entry: Entry
    trials: tuple[Trial, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def label(self) -> str:
        """The trainer."""
        return self.entry.label

    @property
    def world(self) -> str:
        """Problem and attack, as far as the comparison varies them."""
        return self.entry.world

    @property
    def known(self) -> bool:
        """Whether the problem knows a minimum, so that `left` and `excess` say something."""
        return all(trial.left is not None for trial in self.trials)

    @property
    def left(self) -> Share:
        """The share of runs that left the saddle, with its Wilson interval; see `known`."""
        return wilson(sum(bool(trial.left) for trial in self.trials), len(self.trials))

    @property
    def rounds(self) -> float:
        """Median of the parallel iterations."""
        return statistics.median(trial.rounds for trial in self.trials)

    def median(self, of: Callable[[Judgement], float]) -> float:
        """Median of a number of the judgements; a run that diverged counts as infinitely bad."""
        numbers = [of(trial.judgement) for trial in self.trials]
        return statistics.median(np.inf if np.isnan(x) else x for x in numbers)

    @property
    def excess(self) -> float:
        """Median excess loss: 1 at the saddle, 0 at the minimum."""
        return self.median(lambda one: one.excess)

    @property
    def loss(self) -> float:
        """Median of the true pooled loss at the end; NaN where no run has one."""
        if all(np.isnan(trial.judgement.loss) for trial in self.trials):
            return float("nan")
        return self.median(lambda one: one.loss)

    @property
    def lambda_min(self) -> float:
        """Median of the true lowest eigenvalue; -inf for runs that diverged."""
        return -self.median(lambda one: -one.lambda_min)

    @property
    def certificates(self) -> dict[str, int]:
        """Level to number of runs, the most frequent first."""
        return dict(Counter(trial.judgement.certificate for trial in self.trials).most_common())

    @property
    def vacuous(self) -> int:
        """How many certificates had a tolerance that asks for nothing."""
        return sum(trial.judgement.vacuous for trial in self.trials)

    @property
    def refuted(self) -> int:
        """How many certificates the truth contradicts."""
        return sum(trial.judgement.refuted for trial in self.trials)

    @property
    def notes(self) -> tuple[str, ...]:
        """The warnings of the first trial that gave any: the others differ in numbers only."""
        return next((trial.notes for trial in self.trials if trial.notes), ())
