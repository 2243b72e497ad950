"""The decrease test with the curvature given: an escape that asks no distance.

    w~, w'           escape.anchor, a row of escape.descent.w
    gamma, s         curvature, Delta_hat(w~) / gamma: half-width of the slab at a saddle of
                     curvature -gamma in which an adversary can hold an iterate
    Q, c             6 starts of length c sqrt(d) s, c in {4, 4, 2, 2, 1, 1}
    kappa            share of the bound that the decrease must beat

Algorithm 1 of Yin et al. 2019 asks how far a perturbed start has walked; no distance is right on
both sides (a saddle is certified, or every round escapes). The decrease test asks instead whether
F fell on the way. With nodes x_k and weights omega_k of Gauss-Legendre quadrature on the segment
w~ -> w', F(w') - F(w~) = sum_k omega_k <grad F(x_k), w' - w~> up to the quadrature error, so

    sum_k omega_k <g_hat(x_k), w' - w~>  <  -kappa sum_k omega_k Delta_hat(x_k) ||w' - w~||

proves F(w') < F(w~) at kappa = 1, when Delta_hat is valid: no false escape, no endless loop, no
function value. kappa = 1/2 gives up the proof for the estimator's habit of being twice too large.

The states, by name: **descend** until ||g_hat(w)|| <= 3 Delta_hat(w); **escape**, six perturbed
descents side by side in each round; **test**, one round for the nodes of all six, when the median
start has had 1/2, 3/4 and all of the planned growth; then descend from the lowest start that
passed, or end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import RUNNING, Evidence, Machine, Reading, Status
from saddleproof.optimizers.evidence import failed_escapes
from saddleproof.optimizers.gradient_descent import (
    FIRST_STEP,
    Descent,
    advance,
    begin,
    check_positive,
    stationary,
)
from saddleproof.optimizers.randomness import Stream

#: Lengths of the starts over sqrt(d) s; each alone is stuck with probability .20, .38, .68.
RADII = (4.0, 4.0, 2.0, 2.0, 1.0, 1.0)
#: Least length of a start over 1 + ||w||, for exact gradients: there any length will do.
TINY = 1e-8
#: Growth of an escape: from the slab to 24 times its width, and 1.2 times the time that takes.
PLANNED_GROWTH = 1.2 * math.log(24)
#: Shares of the planned growth after which the test is made.
TESTS = (0.5, 0.75, 1.0)
#: Gauss-Legendre on [0, 1], exact for polynomials of degree 5.
_X, _OMEGA = np.polynomial.legendre.leggauss(3)
NODES, WEIGHTS = (_X + 1) / 2, _OMEGA / 2


@dataclass(frozen=True)
class Escape:
    """Six perturbed descents from one point, between two rounds.

    Attributes:
        anchor: (d,) w~.
        inexactness: Delta_hat(w~).
        radii: (Q,) lengths of the perturbations.
        descent: the Q trajectories; its first round asks for the starts themselves.
        growth: (Q,) sum of log(1 + eta gamma) over the steps taken.
        tests: how many of `TESTS` are over.
        failed: whether the last one is, without an escape.
    """

    anchor: Vector
    inexactness: float
    radii: Vector
    descent: Descent
    growth: Vector
    tests: int = 0
    failed: bool = False

    def test_due(self) -> bool:
        """Whether the next round is for the nodes: enough growth since the last test."""
        planned = 0.0 if self.failed else TESTS[self.tests] * PLANNED_GROWTH
        return not self.failed and bool(np.median(self.growth) >= planned)


@dataclass(frozen=True)
class SimpleState:
    """`SimpleCertifiedPGD` between two rounds.

    Attributes:
        descent: the main trajectory, k = 1.
        stream: the server's random numbers.
        escape: the running escape, or None while the main trajectory descends.
        escaped: how many escapes succeeded.
    """

    descent: Descent
    stream: Stream
    escape: Escape | None = None
    escaped: int = 0


@dataclass(frozen=True)
class SimpleCertifiedPGD(Machine):
    """Descend; perturb six times at once; go on from where F fell; else end, with evidence.

    Args:
        curvature: gamma > 0: negative curvature beyond this is to be noticed.
        delta: admitted probability that the evidence is wrong, in (0, 1).
        step: eta_0 > 0, where the step rule of `gradient_descent` starts; None: 1.
        kappa: share of the inexactness bound that a decrease must beat, in (0, 1]; 1 is a proof
            of decrease, as far as the inexactness is.
        max_escapes: end with status "budget" when this many escapes have succeeded.
        max_radius: cap on a perturbation's length; losses of degree four overflow from a few
            times the distance to the minimum.

    Raises:
        OptionError: an option outside its range.

    Cost: 1 gradient of every worker a round in descent, 7 in an escape, 19 in a test.
    """

    curvature: float
    delta: float = 0.05
    step: float | None = None
    kappa: float = 0.5
    max_escapes: int = 100
    max_radius: float | None = None

    def __post_init__(self) -> None:
        check_positive(curvature=self.curvature, step=self.step, max_radius=self.max_radius)
        if not (0 < self.delta < 1 and 0 < self.kappa <= 1 and self.max_escapes >= 1):
            raise OptionError(
                "delta must lie in (0, 1), kappa in (0, 1], and max_escapes be at least 1; got "
                f"{self.delta}, {self.kappa}, {self.max_escapes}"
            )

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> SimpleState:
        """The state before the first round."""
        step = FIRST_STEP if self.step is None else self.step
        return SimpleState(begin(w0[None, :], step), Stream.open(seed))

    def ask(self, state: SimpleState) -> Vector:
        """(1, d), (1 + Q, d) or (1 + 3 Q, d); w~ comes first in an escape and in a test."""
        now = state.escape
        if now is None:
            return state.descent.trial
        if now.test_due():
            return np.concatenate([now.anchor[None, :], _nodes(now)])
        return np.concatenate([now.anchor[None, :], now.descent.trial])

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: SimpleState, reading: Reading) -> SimpleState:
        """One round of descent, of an escape, or of its test."""
        if state.escape is None:
            return self._descend(state, reading)
        if state.escape.test_due():
            return self._test(state, state.escape, reading)
        return self._escape(state, state.escape, reading)

    def _descend(self, state: SimpleState, reading: Reading) -> SimpleState:
        descent = advance(state.descent, reading.gradient, reading.inexactness, fixed=False)
        state = replace(state, descent=descent)
        return self._perturb(state) if stationary(descent) else state

    def _perturb(self, state: SimpleState) -> SimpleState:
        generator, stream = state.stream.draw()
        now = state.descent
        w, inexactness = now.w[0], float(now.inexactness[0])
        s = inexactness / self.curvature
        radii = np.minimum(np.array(RADII) * math.sqrt(len(w)) * s, self.max_radius or np.inf)
        radii = np.maximum(radii, TINY * (1 + np.linalg.norm(w)))
        starts = w + radii[:, None] * frames(generator, len(RADII), len(w))
        step = float(now.step[0])
        descent = begin(starts, step)
        # The round that asks for the starts themselves steps nowhere: it only pays this back.
        growth = np.full(len(RADII), -math.log1p(step * self.curvature))
        escape = Escape(w, inexactness, radii, descent, growth)
        return replace(state, stream=stream, escape=escape)

    def _escape(self, state: SimpleState, now: Escape, reading: Reading) -> SimpleState:
        before = now.descent
        descent = advance(before, reading.gradient[1:], reading.inexactness[1:], fixed=False)
        taken = (descent.w == before.trial).all(axis=1)
        growth = now.growth + np.where(taken, np.log1p(before.step * self.curvature), 0.0)
        return replace(state, escape=replace(now, descent=descent, growth=growth))

    def _test(self, state: SimpleState, now: Escape, reading: Reading) -> SimpleState:
        walked = now.descent.w - now.anchor
        Q, d = walked.shape
        slopes = np.einsum("qkd,qd->qk", reading.gradient[1:].reshape(Q, -1, d), walked)
        widths = reading.inexactness[1:].reshape(Q, -1) * np.linalg.norm(walked, axis=1)[:, None]
        change, bound = slopes @ WEIGHTS, self.kappa * (widths @ WEIGHTS)
        # A node that overflows reads NaN and inf: its start passes no test.
        passed = change < -bound
        if passed.any():
            best = int(np.argmin(np.where(passed, change + bound, np.inf)))
            won = now.descent
            descent = begin(won.w[[best]], float(won.step[best]))
            return replace(state, descent=descent, escape=None, escaped=state.escaped + 1)
        tests = now.tests + 1
        failed = tests == len(TESTS)
        return replace(state, escape=replace(now, tests=tests, failed=failed))

    def status(self, state: SimpleState) -> Status:
        """Running, "no_escape_found" or "budget"; a second-order point is never claimed."""
        if state.escape is not None and state.escape.failed:
            return Status("no_escape_found", f"no decrease from {len(RADII)} perturbed starts")
        if state.escape is None and state.escaped >= self.max_escapes:
            return Status("budget", f"stopped after {state.escaped} escapes")
        return RUNNING

    def point(self, state: SimpleState) -> Vector:
        """(d,): where the main trajectory stands; w~ during and after an escape."""
        return state.descent.w[0] if state.escape is None else state.escape.anchor

    def evidence(self, state: SimpleState) -> Evidence | None:
        """After a failed escape: the curvature that its six starts would have noticed."""
        now = state.escape
        if now is None or not now.failed:
            return None
        return failed_escapes(
            now.inexactness,
            len(now.anchor),
            [float(r) for r in now.radii],
            planned=self.curvature,
            delta=self.delta,
            assumptions=("leaving a saddle lowers F by more than the test allows for",),
        )


def frames(generator: np.random.Generator, count: int, d: int) -> Vector:
    """(count, d) unit vectors, each uniform on the sphere, every d in a row orthonormal.

    For d >= count they are `count` orthonormal vectors: no two starts look the same way.
    """
    rows = []
    for first in range(0, count, d):
        q, r = np.linalg.qr(generator.standard_normal((d, min(d, count - first))))
        rows.append((q * np.sign(np.diag(r))).T)  # the signs make it uniform
    return np.concatenate(rows)


def _nodes(now: Escape) -> Vector:
    """(3 Q, d): the quadrature nodes of each segment w~ -> w'."""
    walked = now.descent.w - now.anchor
    return (now.anchor + NODES[None, :, None] * walked[:, None, :]).reshape(-1, len(now.anchor))
