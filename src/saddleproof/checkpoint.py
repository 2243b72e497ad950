"""The loop's own state as data, and where it is kept between two processes."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, Protocol, runtime_checkable

from saddleproof import snapshot


@dataclass(frozen=True)
class RoundRecord:
    """One parallel iteration, as the trace keeps it.

    Attributes:
        round: 0-based number of the round.
        queries: q, the points whose gradients were asked for; 0 in a round of another question.
        gradient_norm: 2-norm of the last aggregate at the point where the run stands.
        inexactness: Delta_hat of that aggregate.
        charged: worker to reason, for workers proved bad in this round.
        absent: worker to "late" or "dead".
        strangers: sender to reason, for answers from outside the roster.
        left_out: workers that were heard, but whose rows did not enter the aggregate at the point
            where the run stands, in any coordinate (`Estimate.kept`). No proof of anything; a
            worker that is left out round after round, where others take turns, is suspicious.
        refused: sender, a worker perhaps, to how many of its answers and connections were turned
            away since the round before: late, foreign, replaced, or nothing that was asked.
        question: the kind of question that was asked.
        event: what the optimizer made of the round, in a sentence; a jump says what is proved.
    """

    round: int
    queries: int
    gradient_norm: float
    inexactness: float
    charged: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    strangers: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    refused: dict[str, int] = field(default_factory=dict)
    question: str = "Gradients"
    event: str = ""


@dataclass(frozen=True)
class Progressed:
    """Everything that moves in a run.

    Attributes:
        round: the next round's number.
        excluded: worker to reason, for every worker proved bad so far.
        trace: one record a round.
        state: the optimizer's.
        memory: the rule's; None where it has none.
    """

    round: int
    excluded: dict[str, str]
    trace: tuple[RoundRecord, ...]
    state: Any
    memory: Any = None


@runtime_checkable
class Checkpoint(Protocol):
    """A place that keeps the last `Progressed` of one run."""

    def save(self, loop: Progressed) -> None:
        """Keep `loop`; a crash at any instant leaves the one before or this one."""

    def load(self, state_type: type, memory_type: type = NoneType) -> Progressed | None:
        """What was kept, its state and memory read as these types; None when nothing was."""


@dataclass(frozen=True)
class FileCheckpoint:
    """One snapshot file, replaced atomically."""

    path: str | os.PathLike[str]

    def save(self, loop: Progressed) -> None:
        """Replace the file."""
        snapshot.save(self.path, loop)

    def load(self, state_type: type, memory_type: type = NoneType) -> Progressed | None:
        """Read the file, if there is one."""
        if not Path(self.path).exists():
            return None
        return snapshot.load(self.path, holding(state_type, memory_type))


def holding(state_type: type, memory_type: type) -> type[Progressed]:
    """`Progressed` with the types of `state` and `memory` declared: `snapshot.loads` needs them."""
    return dataclasses.make_dataclass(
        "Progressed",
        [("state", state_type), ("memory", memory_type | None, field(default=None))],
        bases=(Progressed,),
        frozen=True,
        namespace={"__module__": __name__},
    )
