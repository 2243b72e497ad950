"""The oracle as an object: a fleet, a rule and b, and what they remember from round to round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from saddleproof.aggregators.base import Aggregator
from saddleproof.aggregators.memory import RememberingRule
from saddleproof.errors import OptionError
from saddleproof.fleets.base import Announcement, ExcludingFleet, Fleet
from saddleproof.oracle.admission import admit, read
from saddleproof.oracle.answers import AnswerReading
from saddleproof.oracle.gradients import MessageReading
from saddleproof.questions import Gradients, Question, answered_by


@dataclass(frozen=True)
class Oracle:
    """GradAGG (Definition 3), and its kin for the other questions.

    `ask` is the one place where a round happens: broadcast, admission, aggregation. It is pure but
    for the fleet: what moves is in the oracle that comes back, and that is what a checkpoint keeps.

    Args:
        fleet: who answers.
        aggregator: the rule over gradients.
        b: the most Byzantine workers of the roster, those in `excluded` included.
        timeout: seconds that a round may take; workers that are slower are late.
        excluded: worker to reason, for workers of the roster that were proved bad; they are not
            heard again. Names that are not on the roster do not count.
        memory: what a rule with memory remembers.
        round: number of the coming round.
    """

    fleet: Fleet
    aggregator: Aggregator
    b: int
    timeout: float | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)
    memory: Any = None
    round: int = 0

    @property
    def questions(self) -> tuple[type, ...]:
        """The kinds of question that the fleet answers."""
        return tuple(answered_by(self.fleet))

    @property
    def proved_bad(self) -> dict[str, str]:
        """Worker to reason, for those on the roster."""
        return {name: why for name, why in self.excluded.items() if name in self.fleet.workers}

    @property
    def left(self) -> int:
        """The most Byzantine workers among those that are still heard."""
        return self.b - len(self.proved_bad)

    def announce(self, optimizer: object = None) -> None:
        """Make the rule, b and the optimizer's options public, before the first round."""
        self.fleet.announce(Announcement(self.aggregator.estimates, self.b, optimizer))

    def remembering(self, d: int) -> Oracle:
        """The oracle before its first round of d-vectors: what a rule with memory begins with."""
        if not isinstance(self.aggregator, RememberingRule):
            return self
        return replace(self, memory=self.aggregator.begin(self.fleet.workers, d))

    def ask(self, question: Question) -> tuple[MessageReading | AnswerReading, Oracle]:
        """One round.

        Returns:
            What the server may know of it, and the oracle for the next round.

        Raises:
            OptionError: the fleet does not answer this kind of question.
            TooFewWorkers: more workers were proved bad than b allows for, or fewer rows are left
                than the rule needs.
        """
        known = self.proved_bad
        if known and isinstance(self.fleet, ExcludingFleet):
            self.fleet.exclude(known)
        if isinstance(question, Gradients):
            messages = self.fleet.round(question.points, round_id=self.round, timeout=self.timeout)
            reading: MessageReading | AnswerReading = read(
                messages,
                self.aggregator,
                self.b,
                points=question.points,
                workers=self.fleet.workers,
                excluded=known,
                memory=self.memory,
            )
            memory = getattr(reading, "memory", None)
        else:
            if type(question) not in self.questions:
                raise OptionError(
                    f"this fleet answers no {type(question).__name__}: "
                    f"{', '.join(kind.__name__ for kind in self.questions)} alone. Give the loss a "
                    "value, or take an optimizer that asks for gradients, such as GradientOnlyPGD"
                )
            messages = self.fleet.ask(  # type: ignore[attr-defined]
                question, round_id=self.round, timeout=self.timeout
            )
            reading = admit(
                messages,
                question,
                self.aggregator,
                self.b,
                workers=self.fleet.workers,
                excluded=known,
            )
            memory = self.memory
        charged = known | reading.verdicts.charged
        return reading, replace(self, excluded=charged, memory=memory, round=self.round + 1)
