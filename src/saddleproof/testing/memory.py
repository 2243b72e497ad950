"""What every rule with memory must do."""

from __future__ import annotations

import numpy as np

from saddleproof import arguments
from saddleproof.aggregators.memory import Recalled, RememberingRule
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.storage import snapshot
from saddleproof.testing.claims import holds, refuses, same

#: Rounds of the history that a rule is tried on.
ROUNDS = 6


def check_memory(rule: RememberingRule, x: Vector, b: int) -> None:
    """Assert that what `rule` remembers is data, kept by name, and taught by the first point only.

    The memory goes through a snapshot before every single round, so that a run that was killed
    anywhere ends in the same bytes. `check_aggregator` calls this for a rule with memory.

    Args:
        rule: the rule, with its options.
        x: (m, d) messages around which the history is drawn.
        b: the most Byzantine rows.

    Raises:
        AssertionError: names the claim that does not hold.
    """
    arguments.member("rule", "aggregator", rule)
    m, d = x.shape
    workers = tuple(f"w{i}" for i in range(m))
    rng = np.random.default_rng(4)
    stacks = x + 0.3 * rng.standard_normal((ROUNDS, 3, m, d))
    points = rng.standard_normal((ROUNDS, 3, d))
    order = rng.permutation(m)
    memory = rule.begin(workers, d)
    again = rule.begin(workers, d)
    for k in range(ROUNDS):
        heard = np.delete(np.arange(m), 1) if k == ROUNDS // 2 and b < (m - 1) / 2 else np.arange(m)
        before = snapshot.dumps(memory)
        stack, names = stacks[k][:, heard], tuple(workers[i] for i in heard)
        now = rule.recall(memory, stack, b, workers=names, points=points[k])
        holds(snapshot.dumps(memory) == before, "recall must leave the old memory untouched")
        restored = snapshot.loads(before, type(memory))
        resumed = rule.recall(restored, stack, b, workers=names, points=points[k])
        holds(
            snapshot.dumps(resumed.memory) == snapshot.dumps(now.memory),
            "a rule resumed from a snapshot must go on in the same bytes",
        )
        found = _first(now, stack, b)
        holds(np.array_equal(_first(resumed, stack, b), found), "and give the same bytes")
        alone = rule.recall(memory, stack[:1], b, workers=names, points=points[k][:1])
        holds(
            snapshot.dumps(alone.memory) == snapshot.dumps(now.memory),
            "the memory must learn from the first query point only",
        )
        shuffled = np.array([i for i in order if i in heard])
        named = tuple(workers[i] for i in shuffled)
        other = rule.recall(again, stacks[k][:, shuffled], b, workers=named, points=points[k])
        same(_first(other, stacks[k][:, shuffled], b), found, "rows must be known by their names")
        memory, again = now.memory, other.memory
    if hasattr(memory, "workers"):
        refuses(
            lambda: rule.recall(
                memory, stacks[0], b, workers=(*workers[1:], "eve"), points=points[0]
            ),
            OptionError,
            "a worker that is not on the roster",
        )


def _first(now: Recalled, stack: Vector, b: int) -> Vector:
    vector: Vector = now.aggregated(stack[:1], np.ones(1), b).vector[0]
    return vector
