"""Everything that moves in a run of `GradientOnlyPGD`, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from saddleproof.arrays import Vector
from saddleproof.optimizers.base import Evidence, Status
from saddleproof.optimizers.gradient_only.escape import EscapeSearch
from saddleproof.optimizers.gradient_only.trajectory import Trajectory
from saddleproof.optimizers.randomness import RandomKey

#: First look at w0; search for the step; descend; survey the anchor; escape from the anchor;
#: descend because the noise hid the answer; compare with plain descent; the same as the last round.
FIRST, PROBE, DESCEND, SURVEY, ESCAPE, WAITING, COMPARE, LAST = (
    "first", "probe", "descend", "survey", "escape", "waiting", "compare", "last",
)  # fmt: skip


@dataclass(frozen=True)
class End:
    """What the run returns, and why it ended."""

    w: Vector
    status: Status
    evidence: Evidence | None


@dataclass(frozen=True)
class MachineState:
    """The state of `GradientOnlyPGD`.

    Attributes:
        phase: what the coming round is for.
        round: rounds done; `max_rounds` of them are granted.
        random: the server's secret random.
        main: the trajectory whose point is returned.
        landed: (d,) where the last jump went; None before a jump.
        plain: robust gradient descent as if no jump had ever been made; None before a jump.
        directions: (n, d) unit directions of the coming probe or survey.
        escape: the escape in motion, or the one that failed last.
        probes, soft_jumps: how often each was done.
        extra_rounds: rounds of this descent that a candidate was given to descend further.
        waits, waiting: unresolved escapes so far; rounds of waiting that are left.
        ending: set when the run has ended by itself.
    """

    phase: str
    round: int
    max_rounds: int
    random: RandomKey
    main: Trajectory
    plain: Trajectory | None
    landed: Vector | None
    directions: Vector
    escape: EscapeSearch | None = None
    probes: int = 0
    extra_rounds: int = 0
    soft_jumps: int = 0
    waits: int = 0
    waiting: int = 0
    ending: End | None = None

    def extended(self, max_rounds: int) -> MachineState:
        """The state with a budget of `max_rounds`; if the old one ended the run, it goes on.

        What the comparison of the last round broke off, an escape or a wait, begins anew.
        """
        if max_rounds <= self.round:
            return self
        after = replace(self, max_rounds=max_rounds)
        if self.ending is None or self.ending.evidence is not None:  # it runs, or has its verdict
            return after
        return replace(after, phase=DESCEND if self.phase == LAST else self.phase, ending=None)
