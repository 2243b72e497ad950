"""LINE and STRIDE: every worker says how its loss changes along a few directions.

A jump is taken where the decrease is proved about the honest mean, else where it is proved about
more than half of the honest workers. Both proofs are order statistics. The number of jumps has no
limit, but each jump must gain a share of the largest gain so far, so that a run ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.claims import CurvatureFacts
from saddleproof.curvature.differences import first_step
from saddleproof.optimizers.base import Answers
from saddleproof.optimizers.certified.run import Run
from saddleproof.optimizers.randomness import sphere
from saddleproof.questions import Changes
from saddleproof.ranks import mean_bounds, median_bounds

if TYPE_CHECKING:
    from saddleproof.optimizers.certified.descend import Descend
    from saddleproof.optimizers.certified.propose import Propose

#: Lengths as powers of 4, in units of the length that doubles some coordinate: a line, and the
#: wide one that is asked where curvature is negative and no length of the first is downhill.
NEAR, WIDE = range(-11, 3), range(-26, 14)
#: The least gain of a jump, as a share of the largest one: proved, and of the majority.
PROVED, MAJORITY = 0.01, 0.05
#: The share of a proved gain at a point that is proved to be a saddle: a run goes on from there.
ON_A_SADDLE = 1e-4
#: Proposals on a line.
BEST = 6
#: The span of the proposals ends at this share of the largest singular value.
SPAN = 0.3


@dataclass(frozen=True)
class Stride:
    """The coming round looks for a length along one way: a first step, or one that grows.

    Attributes:
        way: (d,) a direction that is thought to be downhill.
        extra_rounds: see `Descend`.
    """

    way: Vector
    extra_rounds: int = 0

    def question(self, run: Run) -> Changes:
        """One direction, all lengths."""
        lengths: Vector = 4.0 ** np.arange(WIDE.start, NEAR.stop, dtype=float)
        return Changes(run.w, scaled(run.w, self.way[None]), lengths)

    def next(self, run: Run, reading: Answers) -> tuple[Run, Descend | Propose]:
        """The length at which most honest workers lose most."""
        from saddleproof.optimizers.certified.propose import Propose

        asked = self.question(run)
        ends = median_bounds(np.moveaxis(reading.stack[:, 0], 0, -1), reading.b)[1]
        best = int(np.argmin(ends))
        if not ends[best] < 0:
            return replace(run, event="no length is downhill"), Propose()
        step = run.step
        if step == 0:
            length = asked.lengths[best] * float(np.linalg.norm(asked.directions[0]))
            step = length / float(np.linalg.norm(self.way)) / 2
        gain = max(run.largest, -float(ends[best]))
        run = run.moved(asked.along(0)[best], "found the length of a step")
        run = replace(run, step=step, largest=gain)
        return _descend_from(run, self.extra_rounds)


@dataclass(frozen=True)
class Line:
    """The coming round asks for changes of the loss along (p, d) directions.

    Attributes:
        directions: (p, d), scaled so that length 1 doubles some coordinate, or moves it by 1.
        pairs: direction k + pairs is the opposite of direction k, for k < pairs.
        negative: whether most honest workers have negative curvature along one of them.
        wide: whether the lengths are those of a second look.
    """

    directions: Vector
    pairs: int
    negative: bool
    wide: bool = False

    def question(self, run: Run) -> Changes:
        """p directions at every length."""
        powers = WIDE if self.wide else NEAR
        return Changes(run.w, self.directions, 4.0 ** np.array(powers))

    def next(self, run: Run, reading: Answers) -> tuple[Run, Descend | Line | Ended]:
        """Jump to the best end that is proved to be lower, look again, or end."""
        changes = np.moveaxis(reading.stack, 0, -1)  # (p, t, m)
        saddle = run.curvature is not None and run.curvature.high(reading.b)[0] < 0
        least = ON_A_SADDLE if saddle else PROVED
        jump = choose(changes, reading.b, run.largest, self.pairs, least)
        if jump is None:
            if self.negative and not self.wide:
                return run, replace(self, wide=True)
            return replace(run, event="no way down is proved"), Ended()
        direction, random = jump.direction, run.random
        if jump.drawn:
            generator, random = random.draw()
            direction += self.pairs * int(generator.integers(2))
        w = self.question(run).along(direction)[jump.length]
        run = replace(
            run.moved(w, jump.event),
            random=random,
            largest=max(run.largest, jump.gain),
            jumps=run.jumps + 1,
            proved=run.proved + (jump.proved and not jump.drawn),
        )
        return _descend_from(run)


@dataclass(frozen=True)
class Ended:
    """The run is over: no question follows."""


@dataclass(frozen=True)
class Jump:
    """An end of a line that is proved to be lower, or two ends whose mean is.

    Attributes:
        direction, length: which one.
        gain: by how much at least, > 0.
        proved: about the honest mean; else about more than half of the honest workers.
        drawn: the mean of the two ends along v and -v is lower, and a fair coin takes one of them.
    """

    direction: int
    length: int
    gain: float
    proved: bool
    drawn: bool = False

    @property
    def event(self) -> str:
        """The jump in a sentence, for the trace."""
        whose = "the honest mean" if self.proved else "more than half of the honest workers"
        if self.drawn:
            return (
                f"jump: of two opposite ends, one of which was drawn, the average loss is lower "
                f"for {whose}, by at least {self.gain:.3g}, proved"
            )
        return f"jump: the loss of {whose} falls by at least {self.gain:.3g}, proved"


def choose(
    changes: Vector, b: int, largest: float, pairs: int = 0, least: float = PROVED
) -> Jump | None:
    """The end with the largest gain about the honest mean, else about the honest majority.

    Where the workers' slopes differ more than their curvatures, they hide a decrease on either
    side of w. The mean of two opposite ends has no slope in it: a worker's own half sum of the two
    changes. So the pairs come last.

    Args:
        changes: (p, t, m) upper ends of F_i(w + t v) - F_i(w).
        b: the most Byzantine workers.
        largest: the largest gain of the run so far.
        pairs: direction k + pairs is the opposite of direction k, for k < pairs.
        least: the least share of it that a gain about the honest mean must be.
    """
    if not changes.size:
        return None
    found = _lowest(changes, b, largest, least)
    if found is None and pairs:
        half = changes[:pairs] / 2 + changes[pairs : 2 * pairs] / 2
        found = _lowest(half, b, largest, MAJORITY)
        found = None if found is None else replace(found, drawn=True)
    return found


def _lowest(changes: Vector, b: int, largest: float, least: float) -> Jump | None:
    mean, median = mean_bounds(changes, b)[1], median_bounds(changes, b)[1]
    # A proved gain that is tiny must not displace a larger gain of the majority.
    seen = -float(median.min())
    for ends, proved in ((mean, True), (median, False)):
        best = np.unravel_index(int(np.argmin(ends)), ends.shape)
        gain = -float(ends[best])
        share = max(least * largest, PROVED * seen) if proved else MAJORITY * max(largest, seen)
        if gain > 0 and gain >= share:
            return Jump(int(best[0]), int(best[1]), gain, proved)
    return None


def candidates(
    run: Run, facts: CurvatureFacts, b: int, generator: np.random.Generator
) -> tuple[Vector, int, bool]:
    """(p, d) directions of a line, how many come in pairs, and whether curvature is negative.

    The best proposals, the span of those with negative curvature, the opposites of both in the same
    order, -g_hat, and the -g_i that most workers find downhill. Where the workers see no curvature
    at all, their proposals mean nothing, and random directions take their place. Negative is a
    curvature of most honest workers along one of the directions.
    """
    d = len(run.w)
    ways = np.empty((0, d))
    negative = False
    if len(facts.highs):
        middle = np.median(facts.highs, axis=1)
        order = np.argsort(middle, kind="stable")
        ways = facts.directions[order[:BEST]]
        negative = bool((median_bounds(facts.highs, b)[1] < 0).any())
        below = order[middle[order] < 0]
        if len(below) > 1:
            weights = np.sqrt(-middle[below])[:, None]
            _, sizes, basis = np.linalg.svd(weights * facts.directions[below], full_matrices=False)
            ways = np.concatenate([ways, basis[sizes >= SPAN * sizes[0]][:BEST]])
    if facts.size(b) <= 0 and not negative:
        ways = sphere(generator, BEST, d)
    own = np.empty((0, d)) if run.own is None else run.own
    slopes = np.concatenate([_gradient(run)[None], own])
    slopes = slopes[np.linalg.norm(slopes, axis=1) > 0]
    return scaled(run.w, np.concatenate([ways, -ways, -slopes])), len(ways), negative


def scaled(w: Vector, directions: Vector) -> Vector:
    """Directions of such lengths that no coordinate k moves by more than max(1, |w_k|)."""
    if not len(directions):
        return directions
    units = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return np.stack([first_step(w, v, 1.0) * v for v in units])


def _gradient(run: Run) -> Vector:
    return np.zeros_like(run.w) if run.gradient is None else run.gradient


def _descend_from(run: Run, extra_rounds: int = 0) -> tuple[Run, Descend]:
    from saddleproof.optimizers.certified.descend import Descend

    return run, Descend.afresh(run.w, extra_rounds)
