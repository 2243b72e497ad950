"""What every optimizer must do."""

from __future__ import annotations

from typing import Any

import numpy as np

from saddleproof import oracle, snapshot
from saddleproof.fleets.base import Announcement
from saddleproof.optimizers.base import Optimizer
from saddleproof.testing.claims import Bowl, holds


def check_optimizer(
    optimizer: Optimizer[Any], problem: Any = None, *, max_rounds: int = 60, b: int = 3
) -> None:
    """Assert that `optimizer` is a pure state machine whose state survives being saved.

    The state goes through a snapshot before every single round, so that a run that was killed
    anywhere ends in the same bytes.

    Args:
        optimizer: the optimizer, with its options.
        problem: what the workers compute; a small saddle unless given.
        max_rounds: rounds to run it for, unless it ends before.
        b: the Byzantine budget.

    Raises:
        AssertionError: names the claim that does not hold.
    """
    from saddleproof.aggregators.median import Median
    from saddleproof.fleets.local import LocalFleet

    problem = Bowl() if problem is None else problem
    fleet = LocalFleet(problem)
    fleet.announce(Announcement(Median().estimates, b, optimizer))
    d = len(problem.start)
    state = optimizer.init(problem.start.copy(), seed=3, max_rounds=max_rounds)
    again = optimizer.init(problem.start.copy(), seed=3, max_rounds=max_rounds)
    holds(snapshot.dumps(state) == snapshot.dumps(again), "one seed must give one run")
    for round_id in range(max_rounds):
        holds(optimizer.point(state).shape == (d,), "point must be one (d,) vector")
        if optimizer.status(state).done:
            break
        before = snapshot.dumps(state)
        restored = snapshot.loads(before, type(state))
        points = optimizer.ask(state)
        holds(points.ndim == 2, "ask must return a (q, d) array")
        holds(points.shape[1] == d, "ask must return a (q, d) array")
        holds(np.array_equal(points, optimizer.ask(restored)), "a saved state must ask the same")
        messages = fleet.round(points, round_id=round_id)
        reading = oracle.read(messages, Median(), b, points=points, workers=fleet.workers)
        following = optimizer.tell(state, reading)
        holds(snapshot.dumps(state) == before, "tell must leave the old state untouched")
        resumed = optimizer.tell(restored, reading)
        holds(
            snapshot.dumps(following) == snapshot.dumps(resumed),
            f"round {round_id}: a run resumed from a snapshot must go on in the same bytes",
        )
        state = resumed
    status = optimizer.status(state)
    holds(status.message, "a status says something to a person")
    holds(np.isfinite(optimizer.point(state)).all(), "the point must be finite")
