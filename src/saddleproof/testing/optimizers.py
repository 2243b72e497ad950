"""What every optimizer must do."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from saddleproof import arguments
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import Evidence, Optimizer
from saddleproof.oracle import Oracle
from saddleproof.questions import Gradients, Question, as_question
from saddleproof.storage import snapshot
from saddleproof.testing.claims import QuarticSaddle, equal, holds


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
    arguments.member("optimizer", "optimizer", optimizer)
    from saddleproof.aggregators.median import Median
    from saddleproof.fleets.local import LocalFleet

    problem = QuarticSaddle() if problem is None else problem
    oracle = Oracle(LocalFleet(problem), Median(), b)
    oracle.announce(optimizer)
    if not hasattr(problem, "start"):
        raise OptionError("check_optimizer needs a problem with a start; give Problem(start=)")
    d = len(problem.start)
    allowed = tuple(getattr(optimizer, "questions", (Gradients,)))
    state = optimizer.init(problem.start.copy(), seed=3, max_rounds=max_rounds)
    again = optimizer.init(problem.start.copy(), seed=3, max_rounds=max_rounds)
    holds(snapshot.dumps(state) == snapshot.dumps(again), "one seed must give one run")
    for round_id in range(max_rounds):
        holds(optimizer.point(state).shape == (d,), "point must be one (d,) vector")
        if optimizer.status(state).done:
            break
        before = snapshot.dumps(state)
        restored = snapshot.loads(before, type(state))
        question = as_question(optimizer.ask(state))
        holds(isinstance(question, allowed), "ask must keep to the kinds in `questions`")
        if isinstance(question, Gradients):
            holds(question.points.shape[1:] == (d,), "ask must return a (q, d) array")
        same = _alike(question, as_question(optimizer.ask(restored)))
        holds(same, "a saved state must ask the same")
        reading, oracle = oracle.ask(question)
        following = optimizer.tell(state, reading)
        holds(snapshot.dumps(state) == before, "tell must leave the old state untouched")
        resumed = optimizer.tell(restored, reading)
        holds(
            snapshot.dumps(following) == snapshot.dumps(resumed),
            f"round {round_id}: a run resumed from a snapshot must go on in the same bytes",
        )
        state = resumed
    for m in (1, 3, 20):
        holds(optimizer.breakdown(m) >= 0, f"breakdown({m}) must be a number of workers")
    known = optimizer.evidence(state)
    holds(known is None or isinstance(known, Evidence), "evidence must be Evidence or None")
    extended = optimizer.extend(state, 2 * max_rounds)
    holds(type(extended) is type(state), "extend must return a state")
    holds(
        equal(optimizer.point(extended), optimizer.point(state)), "extend must not move the point"
    )
    status = optimizer.status(state)
    holds(status.message, "a status says something to a person")
    holds(np.isfinite(optimizer.point(state)).all(), "the point must be finite")


def _alike(one: Question, two: Question) -> bool:
    """Whether two questions ask the same."""
    return type(one) is type(two) and all(
        equal(getattr(one, field.name), getattr(two, field.name)) for field in fields(one)
    )
