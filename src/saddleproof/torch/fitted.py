"""What `fit` hands out beside the trained model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.optimizers.plateaus import LossTest
from saddleproof.result import Result


@dataclass(frozen=True, repr=False)
class Fitted(Result):
    """A `Result` of `fit`.

    Attributes:
        tests: whether the loss fell, on all rows, every 25 rounds
            (`saddleproof.optimizers.plateaus`); empty where another optimizer trained.
    """

    tests: tuple[LossTest, ...] = ()

    @property
    def inexactness_ratio(self) -> float:
        """Delta_hat / ||g_hat||, the median over the last quarter of the rounds.

        Above 1 the liars could have turned every aggregate around; beyond about 3 it cannot be
        told from zero, and more rounds at this batch size will not help. inf where the rule knows
        no inexactness.
        """
        last = self.trace[-max(len(self.trace) // 4, 1) :]
        ratios = [x.inexactness / x.gradient_norm if x.gradient_norm else np.inf for x in last]
        return float(np.median(ratios)) if ratios else np.inf

    def __repr__(self) -> str:
        ratio = f"Delta_hat / ||g_hat|| was {self.inexactness_ratio:.2g} in the last rounds"
        text = f"{super().__repr__()}\n{'inexactness':>12}: {ratio}"
        if not self.tests:
            return text
        last = self.tests[-1]
        told = f"[{last.low:.2g}, {last.high:.2g}] from step {last.since} to {last.round}"
        return f"{text}\n{'loss':>12}: {'fell' if last.fell else 'not certain to fall'}, by {told}"
