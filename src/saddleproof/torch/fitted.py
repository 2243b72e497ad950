"""What `fit` hands out beside the trained model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from saddleproof.optimizers.plateaus import LossTest
from saddleproof.result import Result
from saddleproof.torch.curves import History


@dataclass(frozen=True, repr=False)
class Fitted(Result):
    """A `Result` of `fit`.

    Attributes:
        tests: whether the loss fell, on all rows, every 25 steps
            (`saddleproof.optimizers.plateaus`); empty where another optimizer trained.
        history: the curves: metrics of the test set, and brackets of the training loss.
        guarantee: what the options of this training change in what is promised, a sentence each;
            empty for the default.
    """

    tests: tuple[LossTest, ...] = ()
    history: History = field(default_factory=History)
    guarantee: tuple[str, ...] = ()

    @property
    def inexactness_ratio(self) -> float:
        """Delta_hat / ||g_hat||, the median over the last quarter of the rounds.

        Above 1 the liars could have turned every aggregate around; beyond about 3 it cannot be
        told from zero, and more rounds at this batch size will not help. inf where the rule knows
        no inexactness. With local steps it is about the workers' messages, which are no gradients.
        """
        last = self.trace[-max(len(self.trace) // 4, 1) :]
        ratios = [x.inexactness / x.gradient_norm if x.gradient_norm else np.inf for x in last]
        return float(np.median(ratios)) if ratios else np.inf

    def __repr__(self) -> str:
        ratio = f"Delta_hat / ||g_hat|| was {self.inexactness_ratio:.2g} in the last rounds"
        rows = [("inexactness", ratio)]
        if self.tests:
            last = self.tests[-1]
            told = f"[{last.low:.2g}, {last.high:.2g}] from step {last.since} to {last.round}"
            rows.append(("loss", f"{'fell' if last.fell else 'not certain to fall'}, by {told}"))
        if len(self.history.rounds):
            rows.append(("evaluation", repr(self.history).partition(", ")[2]))
        rows += [("guarantee", sentence) for sentence in self.guarantee]
        return "\n".join([super().__repr__(), *(f"{name:>12}: {text}" for name, text in rows)])
