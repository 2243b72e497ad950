"""Branch and judge: several rules and step lengths side by side, and the workers choose.

Where workers differ, no rule is good everywhere: a lie of the size of the mean looks like an inlier
to every rule that trims or measures distances, while the honest extremes, which carry the signal,
are cut off; and the plain mean is lost under a loud lie. So a block of T rounds is run by a few
branches from one point. All branches advance in the same rounds:

    round 1         the gradient at the block's start, the same for all branches
    rounds 2..T     a gradient at every branch's own point
    one round       F_i(end) - F_i(start) at every branch's end, on all rows of each worker
                    the judge (`saddleproof.claims.preference`) picks an end

The next block begins at the winner's end, with the winner's momenta. One of its branches is the
winner's arm again; the challengers are drawn from the other arms by the server's secret random
numbers, so that liars cannot know them before they are needed.

**What is proved**, of each block, whoever the at most b liars are, with e the largest sqrt(b / (m -
2b)) s of the block, s the honest standard deviation of F_i(one end) - F_i(another):

    the honest mean at the winner  <=  that at the best of the ends  +  2 e

In a block that has an arm among its branches, the winner is within 2 e of what that arm reached; a
fixed arm is among them with probability (q - 1) / (arms - 1) at least. A block is taken back where
more than half of the honest workers have a higher loss at the winner's end, proved: liars cannot
forge that. Nothing is proved of the sum over blocks against one arm from the start: the branches
of a block begin where the last winner ended, and not where that arm alone would be.

**No step is longer than an honest message.** An aggregate is shortened to the (m - b)-th smallest
norm of the messages, which the longest honest message reaches: a branch whose rule breaks does not
go so far that honest workers overflow, which would be held against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from saddleproof import arguments
from saddleproof.arguments import check_options, seed_of
from saddleproof.arrays import Array, Vector
from saddleproof.claims.preference import preferred, trimmed_mean
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import Answers, Machine, Reading, Status
from saddleproof.optimizers.branching.momenta import Momenta
from saddleproof.optimizers.branching.state import Block, BranchState
from saddleproof.optimizers.gradient_descent import check_positive
from saddleproof.optimizers.randomness import RandomKey
from saddleproof.questions import Changes, Gradients, Question
from saddleproof.ranks import mean_bounds, median_bounds


class BranchRule(Protocol):
    """What a branch needs of a rule."""

    def __call__(self, messages: Array, b: int) -> Array:
        """(m, d) messages to one (d,) vector."""

    def breakdown(self, m: int) -> int:
        """The most Byzantine rows that m messages can hold."""


@dataclass(frozen=True)
class BranchAndJudge(Machine):
    """Blocks of descent by several rules and step lengths, judged by the workers' own losses.

    For training where workers' data differ and nobody knows in advance how the liars lie. It does
    not look at curvature, and its rules are its own: the rule of the run is used for the trace
    alone. The point that it returns is the last one that was judged.

    Momenta are kept by the server (`branching.momenta`): any fleet will do, without a
    `WorkerMomentum` around it. An attack then sees the plain gradients; one that was made to hide
    among momenta hides less well here than a liar could.

    Args:
        step: eta > 0, the length of a step over that of the aggregate, where an arm's length is 1.
        rules: one or more rules, such as (Mean(), NearestNeighborMixing()). A rule with a memory
            answers as in its first round.
        lengths: factors of the step, each > 0; an arm is a rule and a length.
        momentum: beta of the workers, in [0, 1); 0 is none.
        challengers: arms beside the last winner's in a block; all of them where there are no more.
        block: T, gradients in a block, at least 1. Where the number of rounds is known, the last
            block ends with it.

    Raises:
        OptionError: an option outside its range, or no rule.

    Status:
        budget: the rounds ended, as they do in training.

    Cost of a block of T + 1 rounds with q branches: 1 + q (T - 1) gradients a worker, and the loss
    on all of a worker's rows at q + 3 points. The server keeps q m d numbers, as many as a round
    brings.

    Source: this library's own; the paired trimmed mean and the maximin choice are standard.

    >>> import saddleproof as sp
    >>> optimizer = BranchAndJudge(0.1, (sp.Mean(), sp.Median()), lengths=(1.0, 3.0))
    >>> optimizer.arms
    ((0, 0), (0, 1), (1, 0), (1, 1))
    """

    step: float
    rules: Sequence[BranchRule]
    lengths: tuple[float, ...] = (0.5, 1.0, 2.5)
    momentum: float = 0.9
    challengers: int = 2
    block: int = 10

    questions = (Gradients, Changes)
    takes_back = True  # the first branch is at no judged point, and may overflow

    def __post_init__(self) -> None:
        check_options(self)
        check_positive(step=self.step)
        if not isinstance(self.rules, tuple | list) or not self.rules:
            raise OptionError(f"rules must be a tuple of at least one rule; got {self.rules!r}")
        for k, rule in enumerate(self.rules):
            arguments.aggregator(f"rules[{k}]", rule)
        object.__setattr__(self, "rules", tuple(self.rules))
        object.__setattr__(self, "lengths", tuple(self.lengths))
        if not self.lengths or not all(0 < one < np.inf for one in self.lengths):
            raise OptionError(f"lengths must be positive and finite; got {self.lengths}")
        if not 0 <= self.momentum < 1:
            raise OptionError(f"momentum must be in [0, 1); got {self.momentum}")
        for name, least in (("challengers", 0), ("block", 1)):
            if getattr(self, name) < least:
                raise OptionError(f"{name} must be at least {least}; got {getattr(self, name)}")

    @property
    def arms(self) -> tuple[tuple[int, int], ...]:
        """(rule, length) of every arm, by their places in the options."""
        return tuple((r, k) for r in range(len(self.rules)) for k in range(len(self.lengths)))

    def breakdown(self, m: int) -> int:
        """The most liars that every rule and the judge hold."""
        return min((m - 1) // 2, *(rule.breakdown(m) for rule in self.rules))

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> BranchState:
        """The state before the first round; the dtype of w0 is the dtype of training."""
        random, entry = RandomKey.open(seed_of(seed)), Momenta.none(w0)
        empty = Block((), w0[None], entry, 1)
        wins = (0,) * len(self.arms)
        return self._begun(BranchState(w0, entry, empty, random, 0, max_rounds, wins), None)

    def ask(self, state: BranchState) -> Question:
        """A gradient at every branch, or every worker's losses at their ends."""
        block = state.block
        if block.taken < block.length:
            return Gradients(block.w)
        start = np.asarray(state.start, dtype=np.float64)
        return Changes(start, np.asarray(block.w, dtype=np.float64) - start, np.ones(1))

    def tell(self, state: BranchState, reading: Any) -> BranchState:
        """The state after a round."""
        state = replace(state, done=state.done + 1)
        if state.block.taken < state.block.length:
            return self._stepped(state, reading)
        return self._judged(state, reading)

    def _stepped(self, state: BranchState, reading: Reading) -> BranchState:
        block = state.block
        momenta = block.momenta.after(reading.stack, reading.workers, self.momentum)
        ways = self._ways(block.arms, momenta.of(reading.workers), reading.b)
        with np.errstate(over="ignore", invalid="ignore"):
            w = block.w - (self.step * ways).astype(block.w.dtype)
            far = np.isfinite(np.asarray(w, dtype=np.float64) - state.start).all(axis=1)
        # A branch that overflows stays where it is, and is judged there.
        w = np.where((far & ~np.resize(reading.void, len(w)))[:, None], w, block.w)
        moved = replace(block, w=w, momenta=momenta.spread(len(block.arms)), taken=block.taken + 1)
        return replace(state, block=moved, event=f"{len(block.arms)} branches descend")

    def _ways(self, arms: tuple[int, ...], rows: Vector, b: int) -> Vector:
        """(q, d): every branch's aggregate, shortened where it must be, times its length."""
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.sort(np.linalg.norm(rows, axis=2), axis=1)  # (1 or q, m)
        found: dict[tuple[int, int], Vector] = {}
        ways = []
        for k, arm in enumerate(arms):
            rule, length = self.arms[arm]
            at = min(k, len(rows) - 1)
            if (rule, at) not in found:
                aggregate = np.asarray(self.rules[rule](rows[at], b))
                found[rule, at] = shortened(aggregate, float(lengths[at, -1 - b]))
            ways.append(self.lengths[length] * found[rule, at])
        return np.stack(ways)

    def _judged(self, state: BranchState, reading: Answers) -> BranchState:
        changes = reading.stack[:, :, 0]
        found, block = preferred(changes, reading.b), state.block
        won = changes[:, found.winner]
        arm = block.arms[found.winner]
        if median_bounds(won, reading.b)[0] > 0 and trimmed_mean(won, reading.b) > 0:
            event = "taken back: most honest workers lose by the winner's end, proved"
            return self._begun(replace(state, last=found, event=event), arm)
        rule, length = self.arms[arm]
        event = f"{type(self.rules[rule]).__name__} x {self.lengths[length]:g} wins"
        if mean_bounds(won, reading.b)[1] < 0:
            event += ", and the loss of the honest mean has fallen, proved"
        wins = tuple(n + (k == arm) for k, n in enumerate(state.wins))
        state = replace(
            state, start=block.w[found.winner], entry=block.momenta.branch(found.winner),
            wins=wins, last=found, event=event,
        )  # fmt: skip
        return self._begun(state, arm)

    def _begun(self, state: BranchState, incumbent: int | None) -> BranchState:
        """The next block, by the incumbent and random challengers; the first has no incumbent."""
        generator, random = state.random.draw()
        order = generator.permutation(len(self.arms)).tolist()
        if incumbent is not None:
            order = [incumbent, *(arm for arm in order if arm != incumbent)]
        left = np.inf if state.limit is None else state.limit - state.done
        # A rest too short for a block of its own is added to this one.
        length = self.block if left > self.block + 2 else max(int(left) - 1, 1)
        arms = tuple(order[: self.challengers + 1])
        block = Block(arms, state.start[None], state.entry, length)
        return replace(state, block=block, random=random)

    def status(self, state: BranchState) -> Status:
        """Always running: the budget ends a training."""
        return Status("running", state.event)

    def point(self, state: BranchState) -> Vector:
        """(d,): the last point that was judged."""
        return state.start

    def extend(self, state: BranchState, max_rounds: int) -> BranchState:
        """With another number of rounds to plan with, from the next block on."""
        return replace(state, limit=max_rounds)


def shortened(aggregate: Vector, most: float) -> Vector:
    """(d,) of a norm of at most `most`; zero where the aggregate is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        norm = float(np.linalg.norm(aggregate))
        if not np.isfinite(aggregate).all():
            return np.zeros_like(aggregate)
        if norm <= most:
            return aggregate
        largest = float(np.abs(aggregate).max())
        unit = aggregate / largest
        shorter: Vector = unit * (most / float(np.linalg.norm(unit)))
        return shorter


__all__ = ["Block", "BranchAndJudge", "BranchState"]
