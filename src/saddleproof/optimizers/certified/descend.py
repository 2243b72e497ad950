"""DESCEND: robust gradient descent with momentum, one gradient a round.

    w+ = w - eta g_hat(w) + beta (w - w-),    beta = 0 after a step against the gradient

**The step.** Two aggregates show a curvature |g_hat(w+) - g_hat(w)| / |w+ - w|, of which what the
inexactness explains is taken off. A step that this curvature calls too long is taken back and cut;
one that is far too short grows.

**The end.** ||g_hat|| <= 3 Delta_hat, and no certain slope along -g_hat; or a step that is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.claims import gradient_facts
from saddleproof.optimizers.base import Reading
from saddleproof.optimizers.certified.line import Stride
from saddleproof.optimizers.certified.propose import Propose
from saddleproof.optimizers.certified.run import Run, noise_of
from saddleproof.questions import Gradients

#: The gradient is small at ||g_hat|| <= STATIONARY * Delta_hat (the paper's epsilon, Theorem 3).
STATIONARY = 3.0
#: Rounds of further descent at a small gradient, while most workers agree on the slope.
POLISH = 8
#: Such a round must promise this share of the largest gain so far.
CRUMBS = 0.003
#: A step of this length is no news: SHORT times the curvature is the least gradient tolerance.
SHORT = 1e-5
#: Momentum.
MOMENTUM = 0.7
#: A step is too long beyond LONG / curvature, and may grow below TIMID / curvature.
LONG, TIMID = 1.5, 0.35
#: The factors of a step that grows, and of one that is cut.
GROW, CUT = 1.5, 0.25
#: Single workers' gradients that are kept as proposals.
OWN = 3


@dataclass(frozen=True)
class Descend:
    """The coming round asks for the gradient at `trial`.

    Attributes:
        trial: (d,).
        velocity: (d,) the last step that was taken; zero after a jump.
        polish: rounds of descent at a small gradient so far.
    """

    trial: Vector
    velocity: Vector
    polish: int = 0

    def question(self, _: Run) -> Gradients:
        """The gradient at one point."""
        return Gradients(self.trial[None])

    @np.errstate(over="ignore", invalid="ignore")
    def next(self, run: Run, reading: Reading) -> tuple[Run, Descend | Propose | Stride]:
        """Take the trial or take it back; go on, search for a step, or look at the curvature."""
        gradient = np.asarray(reading.gradient[0], dtype=float)
        noise = noise_of(reading)
        step = run.step
        velocity = self.trial - run.w
        if run.gradient is not None:
            length = float(np.linalg.norm(velocity))
            change = float(np.linalg.norm(gradient - run.gradient))
            bend = max(change - run.inexactness - noise, 0.0) / length if length > 0 else 0.0
            if not step * bend <= LONG:  # NaN, a trial that overflows, is too long too
                return self._back(run, run.gradient, bend)
            if step * change < TIMID * length:
                step *= GROW
        run = replace(
            run,
            w=self.trial,
            gradient=gradient,
            inexactness=noise,
            step=step,
            m=reading.stack.shape[1],
            event="descends",
        )
        norm = float(np.linalg.norm(gradient))
        polish = self.polish
        if norm <= STATIONARY * noise or 0 < step and step * norm <= SHORT:
            crumbs = step * norm <= SHORT or step * norm**2 < CRUMBS * run.largest
            if polish >= POLISH or crumbs or not _downhill(reading, gradient):
                return _known(run, reading), Propose()
            polish += 1
        if step == 0:
            return _known(run, reading), Stride()
        velocity = MOMENTUM * velocity if float(velocity @ gradient) < 0 else 0.0 * gradient
        return run, Descend(self.trial - step * gradient + velocity, velocity, polish)

    def _back(self, run: Run, gradient: Vector, bend: float) -> tuple[Run, Descend]:
        """A shorter step from the last point that was taken."""
        wish = 1 / bend if 0 < bend < np.inf else 0.0
        step = min(CUT * run.step, wish) if wish else CUT**2 * run.step
        run = replace(run, step=step, event="the step was too long")
        return run, Descend(run.w - step * gradient, 0.0 * gradient, self.polish)


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
