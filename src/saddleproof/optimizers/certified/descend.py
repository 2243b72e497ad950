"""DESCEND: robust gradient descent, one gradient a round, with the memory of a few.

    w+ = w - H g_hat(w)        H from the last steps (`quasi_newton`), else the length of one step

A step is taken back and cut where the gradient at its end is more than twice as long as before,
beyond what the inexactness explains. Where the gradient fell along a step, the loss curves down
there; at a small gradient a `Stride` then finds the length.

**The end.** ||g_hat|| <= 3 Delta_hat, and no slope along -g_hat that most workers agree on, or
next to nothing to gain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.claims import gradient_facts
from saddleproof.optimizers.base import Reading
from saddleproof.optimizers.certified.line import Stride
from saddleproof.optimizers.certified.propose import Propose
from saddleproof.optimizers.certified.quasi_newton import move, remember
from saddleproof.optimizers.certified.run import Run, noise_of
from saddleproof.questions import Gradients

#: The gradient is small at ||g_hat|| <= STATIONARY * Delta_hat (the paper's epsilon, Theorem 3).
STATIONARY = 3.0
#: Rounds of further descent at a small gradient: the first that has a memory of the curvature, and
#: the others while most workers agree on the slope.
EXTRA_ROUNDS = 8
#: A round at a small gradient must promise this share of the largest gain so far.
NEGLIGIBLE = 0.003
#: A step is negligible at this share of 1, or of the longest move of the run if that is shorter.
SHORT = 1e-5
#: A step is too long where the gradient grows by LONG; it is then cut by CUT at least.
LONG, CUT = 2.0, 0.25
#: The most that the length of a step without a memory grows or shrinks by in a round.
REACH = 4.0
#: Single workers' gradients that are kept as proposals.
OWN = 3


@dataclass(frozen=True)
class Descend:
    """The coming round asks for the gradient at `trial`.

    Attributes:
        trial: (d,).
        pairs: (k, 2, d) the last steps and what they did to the gradient.
        extra_rounds: rounds of descent at a small gradient so far.
    """

    trial: Vector
    pairs: Vector
    extra_rounds: int = 0

    @classmethod
    def afresh(cls, w: Vector, extra_rounds: int = 0) -> Descend:
        """A descent that remembers no step."""
        return cls(w, np.empty((0, 2, w.size)), extra_rounds)

    def question(self, _: Run) -> Gradients:
        """The gradient at one point."""
        return Gradients(self.trial[None])

    @np.errstate(over="ignore", invalid="ignore")
    def next(self, run: Run, reading: Reading) -> tuple[Run, Descend | Propose | Stride]:
        """Take the trial or take it back; go on, search for a length, or look at the curvature."""
        gradient = np.asarray(reading.gradient[0], dtype=float)
        noise = noise_of(reading)
        norm = float(np.linalg.norm(gradient))
        step, pairs, way = run.step, self.pairs, self.trial - run.w
        down = False
        if run.gradient is not None and way.any():
            room = LONG * float(np.linalg.norm(run.gradient)) + run.inexactness + noise
            if not norm <= room:  # NaN, a trial that overflows, is too long too
                return self._back(run, run.gradient)
            y = gradient - run.gradient
            pairs, down = remember(pairs, way, y), float(way @ y) <= 0
            wish = 2 * step if down else float(way @ y) / float(y @ y)
            step = min(max(wish, step / REACH), REACH * step)
        run = replace(
            run,
            w=self.trial,
            gradient=gradient,
            inexactness=noise,
            step=step,
            m=reading.stack.shape[1],
            event="descends",
        )
        extra_rounds = self.extra_rounds
        still = step > 0 and step * norm <= SHORT * min(1.0, run.reach or 1.0)
        if norm <= STATIONARY * noise or still:
            worthwhile = not still and step * norm**2 >= NEGLIGIBLE * run.largest
            again = step > 0 and worthwhile and extra_rounds < EXTRA_ROUNDS
            free = len(pairs) > 0 and (extra_rounds == 0 or not len(self.pairs))
            if not (again and (free or _downhill(reading, gradient))):
                return _known(run, reading), Propose()
            extra_rounds += 1
            if down:
                return run, Stride(way, extra_rounds)
        if step == 0:
            return _known(run, reading), Stride(-gradient)
        return run, Descend(self.trial - move(gradient, pairs, step), pairs, extra_rounds)

    def _back(self, run: Run, gradient: Vector) -> tuple[Run, Descend]:
        """A shorter step from the last point that was taken."""
        tried = float(np.linalg.norm(self.trial - run.w)) / float(np.linalg.norm(gradient))
        step = CUT * min(run.step, tried)
        run = replace(run, step=step, event="the step was too long")
        return run, replace(Descend.afresh(run.w - step * gradient), extra_rounds=self.extra_rounds)


def _known(run: Run, reading: Reading) -> Run:
    """The run with what the workers said of their gradients at its point."""
    rows = np.asarray(reading.stack[0], dtype=float)
    facts = gradient_facts(
        rows, reading.gradient[0], float(reading.inexactness[0]), reading.workers, reading.b
    )
    return replace(run, facts=facts, own=_agreed(rows, facts.gram))


def _downhill(reading: Reading, gradient: Vector) -> bool:
    """Whether more than half of the honest workers find -gradient downhill, by ranks."""
    found = reading.contrast(np.ones((1, 1)), gradient[None])
    return bool(found.low[0] + found.slack[0] > 0)


def _agreed(rows: Vector, gram: Vector) -> Vector:
    """(k, d) the single workers' gradients that most workers find downhill, most votes first.

    Worker j finds -g_i downhill where <g_i, g_j> > 0.
    """
    votes = (gram > 0).sum(axis=1)
    lengths = np.sqrt(np.maximum(np.diagonal(gram), 0.0))
    usable = np.isfinite(lengths) & (lengths > 0)
    order = np.argsort(np.where(usable, -votes, 1), kind="stable")[:OWN]
    kept: Vector = rows[[i for i in order if usable[i]]]
    return kept
