"""What every attack and every fleet must do."""

from __future__ import annotations

from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.attacks.base import Attack, Coalition
from saddleproof.errors import FleetError
from saddleproof.fleets.base import DEAD, LATE, MALFORMED, OK, Announcement, Fleet
from saddleproof.testing.claims import Bowl, equal, holds, refuses


def check_attack(attack: Attack, problem: Any = None) -> None:
    """Assert that `attack` works in a `Coalition`, touches no honest row and can be replayed.

    Args:
        attack: the attack, with its options.
        problem: what the workers compute; a small saddle unless given.

    Raises:
        AssertionError: names the claim that does not hold.
    """
    from saddleproof.aggregators.median import Median
    from saddleproof.fleets.local import LocalFleet

    problem = Bowl() if problem is None else problem
    m = problem.m
    members = (0, m // 2, m - 1)
    d = len(problem.start)
    for q in (1, 7):
        points = np.random.default_rng(q).standard_normal((q, d))
        sent = points.copy()
        fleet = Coalition(LocalFleet(problem), attack, members)
        fleet.announce(Announcement(Median().estimates, b=len(members)))
        first, second = (fleet.round(points, round_id=5) for _ in range(2))
        truth = problem.gradients(points)
        holds(np.array_equal(points, sent), "the query points must not be changed")
        holds(len(first.answers) == m, "every worker answers once")
        for i, (one, other) in enumerate(zip(first.answers, second.answers, strict=True)):
            holds(equal(one, other), "the same round must meet the same lies when replayed")
            if i not in members:
                holds(np.array_equal(one, truth[:, i]), "honest rows must not be touched")


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
