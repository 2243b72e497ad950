"""The loop's own state as data, and where it is kept between two processes."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from saddleproof import snapshot


@dataclass(frozen=True)
class RoundRecord:
    """One parallel iteration, as the trace keeps it.

    Attributes:
        round: 0-based number of the round.
        queries: q, the points sent.
        gradient_norm: 2-norm of the aggregate at the point where the run stands.
        inexactness: how far that aggregate may be from the truth.
        charged: worker to reason, for workers proved bad in this round.
        absent: worker to "late" or "dead".
        strangers: sender to reason, for answers from outside the roster.
    """

    round: int
    queries: int
    gradient_norm: float
    inexactness: float
    charged: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    strangers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Progressed:
    """Everything that moves in a run: the loop's books and the optimizer's state."""

    round: int
    excluded: dict[str, str]
    trace: tuple[RoundRecord, ...]
    state: Any


@runtime_checkable
class Checkpoint(Protocol):
    """A place that keeps the last `Progressed` of one run."""

    def save(self, loop: Progressed) -> None:
        """Keep `loop`; a crash at any instant leaves the one before or this one."""

    def load(self, state_type: type) -> Progressed | None:
        """What was kept, its `state` read as a `state_type`; None when nothing was."""


@dataclass(frozen=True)
class FileCheckpoint:
    """One snapshot file, replaced atomically."""

    path: str | os.PathLike[str]

    def save(self, loop: Progressed) -> None:
        """Replace the file."""
        snapshot.save(self.path, loop)

    def load(self, state_type: type) -> Progressed | None:
        """Read the file, if there is one."""
        if not Path(self.path).exists():
            return None
        saved: Any = snapshot.load(self.path, holding(state_type))
        return Progressed(saved.round, saved.excluded, saved.trace, saved.state)


def holding(state_type: type) -> type:
    """`Progressed` with `state` declared as `state_type`: what `snapshot.loads` goes by."""
    fields = {f.name: f.type for f in dataclasses.fields(Progressed)} | {"state": state_type}
    return dataclasses.make_dataclass(
        "Progressed", list(fields.items()), namespace={"__module__": __name__}
    )
