"""What the questions tell of every worker: whose answers fit no function, or stand far from all.

    evidence, said = weigh(question, stack, heard, roster, b, said)     one round, m numbers a kind
    found = judge([evidence of every round], roster)                    who stands out, and why

Nothing here proves anything. A worker whose answers contradict each other beyond rounding did not
answer from one fixed smooth function; neither does an honest one that samples, drops units out or
stands at a kink. So nobody is charged, and every number is relative to what the other workers show.
"""

from saddleproof.suspicion.evidence import CONTRADICTION, COPIES, DISTANCE, MOST, weigh
from saddleproof.suspicion.judging import LIMIT, Suspicion, judge
from saddleproof.suspicion.said import KEPT, Said

__all__ = [
    "CONTRADICTION",
    "COPIES",
    "DISTANCE",
    "KEPT",
    "LIMIT",
    "MOST",
    "Said",
    "Suspicion",
    "judge",
    "weigh",
]
