"""What every fleet must do."""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import FleetError
from saddleproof.fleets.base import DEAD, LATE, MALFORMED, OK, Announcement, Fleet
from saddleproof.testing.claims import holds, refuses


def check_fleet(fleet: Fleet, points: Vector) -> None:
    """Assert that `fleet` keeps its roster and answers one message a worker. Closes the fleet.

    Args:
        fleet: an open fleet.
        points: (q, d) query points that its workers can answer.

    Raises:
        AssertionError: names the claim that does not hold.
    """
    roster = fleet.workers
    holds(roster, "a fleet needs workers")
    holds(len(set(roster)) == len(roster), "workers need different names")
    fleet.announce(Announcement(lambda stack, b: stack, b=0))  # noqa: ARG005
    sent = points.copy()
    for round_id, asked in enumerate((points, points[:1])):
        messages = fleet.round(asked, round_id=round_id, timeout=60.0)
        holds(fleet.workers == roster, "the roster must not change")
        holds(len(messages.status) == len(roster), "every worker needs a status")
        holds(set(messages.status) <= {OK, LATE, DEAD, MALFORMED}, "an unknown status")
        for answer, status in zip(messages.answers, messages.status, strict=True):
            if status == OK and isinstance(answer, np.ndarray):
                holds(not np.shares_memory(answer, points), "answers must not alias the points")
    holds(np.array_equal(points, sent), "the query points must not be changed")
    fleet.close()
    fleet.close()
    refuses(lambda: fleet.round(points, round_id=2), FleetError, "a round after close")
