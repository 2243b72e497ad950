"""The run whose saving is disturbed, and its states."""

from __future__ import annotations

from saddleproof import optimizers, problems
from saddleproof.checkpoint import Progressed, RoundRecord

PROBLEM = problems.Example2(workers=9, seed=0)
OPTIMIZER = optimizers.GradientDescent(step=0.1)
KIND = type(OPTIMIZER.init(PROBLEM.start))
CONFIG = "the text of a configuration, which is long enough to be hit by some of the changes"


def state(rounds: int) -> Progressed:
    """A state after so many rounds, with a trace that has something to lose."""
    trace = tuple(
        RoundRecord(k, 3, 1 / (k + 1), 0.25, {"worker-1": "NaN or Inf"}, event=f"round {k}")
        for k in range(rounds)
    )
    inner = OPTIMIZER.init(PROBLEM.start + rounds)
    return Progressed(rounds, {"worker-1": "NaN or Inf"}, trace, inner)
