"""Rules with memory: in each round, the ordinary rule that the past has chosen.

    memory = rule.begin(workers, d)                                    # before the first round
    now    = rule.recall(memory, stack, b, workers=heard, points=x)    # GradAGG of this round
    now.rule, now.origin                                               # ... is an ordinary rule
    memory = now.memory                                                # for the next round

Nothing is remembered inside objects: the memory is data, threaded through the loop and saved with
every checkpoint.

**What is learned, and where.** A round has q query points, the first of which is where the run
stands. The memory learns from that one only: the others are probes, and what a worker says there
is no step of the history that the theory sums over. All points, and all combinations of them, are
then aggregated by the one rule that `recall` chose, so `Reading.combination` and
`Reading.per_worker` mean what they always do. `Reading.contrast`, `intervals` and `values` are
ranks over all the workers that were heard, those that the rule has left out included: ranks need
b, the budget, and eviction is no proof that would lower it.

**Who is who.** A memory is kept by name, for the whole roster. A worker that is late or dead adds
nothing to its own books and keeps them; one that is proved bad is not heard again. All of this
assumes what the certificate assumes too: a worker's identity is fixed for the whole run, and comes
from the transport. Workers that could swap names could launder a bad record.

Called without a memory (`rule(messages, b)`, `rule.estimate(messages, b)`, and inside a
pre-aggregation such as `Bucketing`) such a rule answers as it would in a first round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import Aggregator, Estimate, Rule, quiet, scalar
from saddleproof.aggregators.engine.row_blocks import Rows, to_numpy
from saddleproof.aggregators.weighted import points as split
from saddleproof.aggregators.weighted import weighted_sums
from saddleproof.arrays import Array, Vector, as_stack, namespace
from saddleproof.errors import OptionError

M = TypeVar("M")


@dataclass(frozen=True)
class Recalled:
    """What a rule with memory is in one round.

    Attributes:
        rule: the ordinary rule that aggregates this round's messages; its rows are the workers
            that were heard, in their order.
        memory: for the next round.
        origin: (d,) what `rule` measures messages from; a combination sum_k c_k g_i(x_k) is
            measured from (sum_k c_k) origin, a difference therefore from zero. None: rule is
            indifferent to shifts. What is no linear function of messages is measured from zero.
    """

    rule: Aggregator
    memory: Any
    origin: Vector | None = None

    def aggregated(self, rows: Array, totals: Vector, b: int) -> Estimate:
        """(p, m, d) combinations and the (p,) sums of their coefficients to p estimates."""
        if self.origin is None:
            return self.rule.estimates(rows, b)
        shift = (totals[:, None] * self.origin).astype(rows.dtype)  # (p, d)
        found = self.rule.estimates(rows - shift[:, None, :], b)
        return replace(found, vector=found.vector + shift)


@runtime_checkable
class RememberingRule(Protocol):
    """An `Aggregator` with two more methods; inherit `Remembering` to write fewer of them."""

    def begin(self, workers: tuple[str, ...], d: int) -> Any:
        """The memory before the first round: a frozen dataclass of arrays and scalars."""

    def recall(
        self, memory: Any, stack: Vector, b: int, *, workers: tuple[str, ...], points: Vector
    ) -> Recalled:
        """This round's rule, and the next memory; `memory` is untouched.

        Args:
            memory: what `begin`, or the round before, returned.
            stack: (q, m, d) admitted messages, all finite.
            b: the most Byzantine workers among those heard.
            workers: the m names of the rows; a part of the roster, in its order.
            points: (q, d) where the messages were asked for; the first is where the run stands.

        Raises:
            BreakdownError: too few rows are left for the rule.
        """


class Remembering(Rule):
    """What the rules with memory of this library share; a rule adds `begin` and `recall`."""

    def begin(self, workers: tuple[str, ...], d: int) -> Any:
        """The memory before the first round; see `RememberingRule.begin`."""
        raise NotImplementedError

    def recall(
        self, memory: Any, stack: Vector, b: int, *, workers: tuple[str, ...], points: Vector
    ) -> Recalled:
        """This round's rule, and the next memory; see `RememberingRule.recall`."""
        raise NotImplementedError

    @quiet
    def step(
        self,
        memory: object,
        messages: Array,
        b: int,
        *,
        workers: Sequence[str] | None = None,
        point: Vector | None = None,
    ) -> tuple[Estimate, Any]:
        """One round by hand, without the loop: the estimate, and the next memory.

        Args:
            memory: what `begin`, or the step before, returned.
            messages: (m, d) NumPy array or list of m vectors.
            b: the most Byzantine rows.
            workers: the names of the rows; the whole roster unless given.
            point: (d,) where the gradients were taken; zero unless given. Only `ByzantineSGD`
                looks at it.
        """
        stack = as_stack(messages)[None]
        points = np.zeros((1, stack.shape[2])) if point is None else np.asarray(point)[None]
        heard = tuple(f"worker-{i}" for i in range(stack.shape[1]))
        heard = getattr(memory, "workers", heard) if workers is None else tuple(workers)
        if len(heard) != stack.shape[1]:
            raise OptionError(
                f"{stack.shape[1]} messages of {len(heard)} workers; pass workers=, the names of "
                "those that were heard"
            )
        now = self.recall(memory, stack, b, workers=heard, points=points)
        found = now.aggregated(stack, np.ones(1), b)
        inexactness = None if found.inexactness is None else scalar(found.inexactness[0])
        return Estimate(found.vector[0], inexactness, found.kept[0], found.reason), now.memory

    def _batch(self, stack: Array, b: int) -> Estimate:
        """As in a first round, each query point for itself."""
        _, m, d = (int(n) for n in stack.shape)
        workers = tuple(f"worker-{i}" for i in range(m))
        fresh = self.begin(workers, d)
        found = []
        for x in split(stack):
            rows = on_host(x)[None]
            now = self.recall(fresh, rows, b, workers=workers, points=np.zeros((1, d)))
            found.append(now.rule.estimates(x[None, ...], b))
        return joined(found, namespace(stack))


@dataclass(frozen=True, eq=False)
class MeanOf(Rule):
    """The mean of the rows that a memory trusts.

    The inexactness is the rank bound over all rows, trusted or not: it holds for any vector.

    Args:
        trusted: (m,) boolean, at least one of them true.
    """

    trusted: NDArray[np.bool_]

    def breakdown(self, m: int) -> int:
        """(m - 1)//2; whom to trust was decided before."""
        return (m - 1) // 2

    def _batch(self, stack: Array, b: int) -> Estimate:
        weights = self.trusted / self.trusted.sum()
        return weighted_sums(stack, [weights] * int(stack.shape[0]), b)


def on_host(x: Array) -> Vector:
    """(m, d) messages of any library as float64 of NumPy, newly made."""
    blocks = [np.array(to_numpy(c)) for _, c in Rows.of(x).blocks()]
    return np.concatenate([np.empty((len(x), 0)), *blocks], axis=1)


def joined(found: list[Estimate], xp: Any) -> Estimate:
    """Batches of one query point each as one batch."""
    known: list[Array] = [one.inexactness for one in found if one.inexactness is not None]
    return Estimate(
        xp.concat([one.vector for one in found]),
        xp.concat(known) if len(known) == len(found) else None,
        xp.concat([one.kept for one in found]),
    )


def positions(roster: tuple[str, ...], heard: tuple[str, ...]) -> NDArray[np.intp]:
    """Where the heard workers stand in the roster.

    >>> positions(("a", "b", "c"), ("a", "c"))
    array([0, 2])
    """
    at = {name: i for i, name in enumerate(roster)}
    if strangers := [name for name in heard if name not in at]:
        raise OptionError(f"not on the roster that this memory began with: {', '.join(strangers)}")
    return np.array([at[name] for name in heard], dtype=np.intp)
