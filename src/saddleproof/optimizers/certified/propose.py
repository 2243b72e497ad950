"""PROPOSE and VERIFY: every worker proposes its direction of least curvature, and all rate them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from saddleproof.arrays import Vector
from saddleproof.optimizers.base import Answers
from saddleproof.optimizers.certified.line import Line, candidates
from saddleproof.optimizers.certified.run import Run
from saddleproof.proposals import curvature_facts, proposals
from saddleproof.questions import Curvatures, LeastCurvature

#: Products of one Lanczos run; the risk that one of the m bounds is wrong.
STEPS, RISK = 60, 0.05
#: Proposals beyond b that are rated: enough that honest ones are among them.
BEYOND = 6
#: The step of a descent after a look at the curvature, in units of 1 / largest curvature.
SAFE = 0.7


@dataclass(frozen=True)
class Propose:
    """The coming round asks every worker for its least curvature."""

    def question(self, run: Run) -> LeastCurvature:
        """One Lanczos run a worker."""
        return LeastCurvature(run.w, STEPS, RISK / max(run.m, 1), seed=run.seed)

    def next(self, run: Run, reading: Answers) -> tuple[Run, Verify]:
        """All that was proposed is rated by all."""
        count = max(reading.b + BEYOND, reading.stack.shape[0] if run.w.size <= STEPS else 0)
        directions = proposals(reading.stack, count)
        return (
            replace(run, event="workers proposed directions"),
            Verify(directions, reading.stack, reading.workers),
        )


@dataclass(frozen=True)
class Verify:
    """The coming round asks every worker for its curvature along all proposals.

    Attributes:
        directions: (p, d) unit vectors.
        said: (m, 3 + d) what the workers answered to `Propose`.
        workers: (m,) their names.
    """

    directions: Vector
    said: Vector
    workers: tuple[str, ...]

    def question(self, run: Run) -> Curvatures:
        """m numbers a direction."""
        return Curvatures(run.w, self.directions)

    def next(self, run: Run, reading: Answers) -> tuple[Run, Line]:
        """The bracket of this point, and the directions of the line search."""
        facts = curvature_facts(
            (self.workers, self.said),
            (reading.workers, reading.stack),
            self.directions,
            Propose().question(run),
        )
        size = facts.size(reading.b)
        step = min(run.step, SAFE / size) if size > 0 and run.step > 0 else run.step
        if step == 0 and size > 0:
            step = SAFE / size
        generator, random = run.random.draw()
        directions, pairs, negative = candidates(run, facts, reading.b, generator)
        run = replace(
            run, curvature=facts, step=step, random=random, event="workers rated the proposals"
        )
        return run, Line(directions, pairs, negative)
