"""What a run hands out: after each round to a callback, and in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.border import kept, only_reads, shown
from saddleproof.certificate import Certificate
from saddleproof.checkpoint import RoundRecord
from saddleproof.words import Ending


@dataclass(frozen=True)
class Progress:
    """What a callback sees after each round; return True from the callback to stop.

    The point is a read-only copy, and the arrays of the state are read-only views: a callback that
    writes into them is refused.
    """

    record: RoundRecord
    w: Vector
    state: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "w", kept(np.asarray(self.w)))
        object.__setattr__(self, "state", shown(self.state))


def stops_after(
    callback: Callable[[Progress], bool | None] | None,
    record: RoundRecord,
    w: Vector,
    state: object,
) -> bool:
    """Show a round to the callback, if there is one; whether it wants to stop.

    Raises:
        OptionError: it wrote into what it was shown, or returned neither True, False nor None.
    """
    if callback is None:
        return False
    with only_reads("the callback"):
        return arguments.stops(callback(Progress(record, w, state)))


@dataclass(frozen=True, repr=False)
class Result:
    """Where a run ended; `x`, `success` and `nit` are there for SciPy users.

    Attributes:
        w: (d,) the point, a copy.
        status: how the run ended, in a word that compares equal to its string.
        message: the verdict in a sentence.
        rounds: parallel iterations that the optimizer used; the certificate's own round is in
            `certificate.rounds`.
        certificate: what is known about `w`, or None when `certify=False`.
        trace: one `RoundRecord` a round.
        excluded: worker to reason, for every worker proved bad.
        state: the optimizer's last state.
    """

    w: Vector
    status: Ending
    message: str
    rounds: int
    certificate: Certificate | None
    trace: tuple[RoundRecord, ...]
    excluded: dict[str, str]
    state: Any

    @property
    def x(self) -> Vector:
        """The point, under SciPy's name."""
        return self.w

    @property
    def nit(self) -> int:
        """The rounds, under SciPy's name."""
        return self.rounds

    @property
    def success(self) -> bool:
        """Whether the run ended where it was meant to.

        "second_order" is proved. "stationary" is an optimizer's own word for a small gradient, and
        counts unless its certificate proves a saddle point.
        """
        if self.status == Ending.STATIONARY:
            return self.certificate is None or not self.certificate.refuted
        return self.status == Ending.SECOND_ORDER

    def __repr__(self) -> str:
        with np.printoptions(precision=4, threshold=8, edgeitems=3):
            rows = {
                "status": self.status,
                "success": self.success,
                "message": self.message,
                "rounds": self.rounds,
                "x": str(self.w).replace("\n", " "),
            }
        if self.excluded:
            rows["excluded"] = ", ".join(f"{k} ({v})" for k, v in self.excluded.items())
        text = "\n".join(f"{name:>12}: {value}" for name, value in rows.items())
        if self.certificate is not None:
            body = str(self.certificate).replace("\n", "\n" + " " * 14)
            text += f"\n{'certificate':>12}: {body}"
        return text
