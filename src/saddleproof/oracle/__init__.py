"""Definition 3: what the server may know of a round, and the one place where a round happens.

    oracle = Oracle(fleet, aggregator, b)
    reading, oracle = oracle.ask(question)

`admission` says what happens to a message, `gradients` and `answers` are what is left to read.
"""

from saddleproof.oracle.admission import TooFewWorkers, read
from saddleproof.oracle.answers import AnswerReading
from saddleproof.oracle.gradients import MessageReading, Verdicts
from saddleproof.oracle.oracle import Oracle

__all__ = ["AnswerReading", "MessageReading", "Oracle", "TooFewWorkers", "Verdicts", "read"]
