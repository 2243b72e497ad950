"""Perturbed gradient descent, simplified (Jin, Netrapalli, Ge, Kakade, Jordan 2019 and 2021).

    eta, r           step, radius
    Tau              rest: steps between two perturbations of variant (ii)
    g(x; theta)      the aggregate; noise of its own is what "PSGD" adds in the paper

(i)  x <- x - eta (g_hat(x) + xi),  xi ~ N(0, (r^2/d) I), at every step: PGD, and PSGD where g_hat
     is a stochastic gradient. The form that people run; with a rule that evicts workers by their
     history it is also SafeguardSGD's perturbed step (Allen-Zhu et al. 2021; nu = r/sqrt(d)).
(ii) x <- x - eta xi, xi uniform in the ball of radius r, only where ||g_hat|| <= epsilon and none
     came in the last Tau steps; then a step of descent. The form of the proof.

Neither tests anything: the theorem says that most iterates are second-order points, not which.
Against liars the theorem's r is nothing, a four-hundredth of epsilon or less: within the slab
|x| <= Delta/gamma about a saddle they answer any push of it with one of up to Delta. An r of the
order of Delta leaves the slab in the end, without anybody noticing whether it did.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.optimizers.base import RUNNING, Machine, Reading, Status
from saddleproof.optimizers.baselines.threshold import small
from saddleproof.optimizers.gradient_descent import check_positive
from saddleproof.optimizers.randomness import RandomKey, ball


@dataclass(frozen=True)
class SimplifiedState:
    """The algorithm between two rounds.

    Attributes:
        w: (d,) x_t.
        random: the server's random numbers.
        since: steps since the last perturbation of variant (ii); None before the first.
    """

    w: Vector
    random: RandomKey
    since: int | None = None


@dataclass(frozen=True)
class SimplifiedPGD(Machine):
    """Gradient descent with noise: at every step, or now and then where the gradient is small.

    Runs until the budget of rounds ends it (status "budget"): it has no test.

    Args:
        step: eta > 0, kept as given; the theory takes about 1/L.
        radius: r > 0, in the unit of the gradient: eta r is a length.
        rest: None for variant (i); Tau >= 1 for variant (ii).
        epsilon: > 0, what counts as a small gradient in variant (ii). None: 3 Delta_hat(x).

    Raises:
        OptionError: an option outside its range.

    Cost: one gradient of every worker a round.
    Guarantee: with exact gradients and the constants of `paper`, at least half of O~(L (F_0 - F*)
    / epsilon^2) iterates have ||grad F|| <= epsilon and lambda_min >= -sqrt(rho epsilon).

    Reference: Jin et al. 2021, "On nonconvex optimization for machine learning", J. ACM 68(2),
    Algorithms 4 and 5; arXiv:1902.04811.
    """

    step: float
    radius: float = 0.01
    rest: int | None = None
    epsilon: float | None = None

    def __post_init__(self) -> None:
        check_options(self)
        check_positive(step=self.step, radius=self.radius, rest=self.rest, epsilon=self.epsilon)

    @classmethod
    def paper(
        cls,
        d: int,
        epsilon: float,
        smoothness: float,
        hessian_lipschitz: float,
        excess: float,
        *,
        c: float = 1.0,
        delta: float = 0.05,
    ) -> SimplifiedPGD:
        """Variant (ii) with the constants of the proof, quoted from memory.

            iota = c log(d L (F_0 - F*) / (rho epsilon delta)),   eta = 1/L,
            r = epsilon / (400 iota^3),   Tau = iota L / sqrt(rho epsilon).

        Args:
            d: dimension.
            epsilon: wanted gradient norm.
            smoothness: L > 0.
            hessian_lipschitz: rho > 0.
            excess: F_0 - F* > 0.
            c: absolute constant, which the paper leaves open.
            delta: admitted probability of failure, in (0, 1).
        """
        L, rho = smoothness, hessian_lipschitz
        check_positive(d=d, epsilon=epsilon, L=L, rho=rho, excess=excess, c=c, delta=delta)
        iota = c * max(math.log(d * L * excess / (rho * epsilon * delta)), 1)
        return cls(
            step=1 / L,
            radius=epsilon / (400 * iota**3),
            rest=math.ceil(iota * L / math.sqrt(rho * epsilon)),
            epsilon=epsilon,
        )

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> SimplifiedState:
        """The state before the first round."""
        return SimplifiedState(w0, RandomKey.open(seed))

    def ask(self, state: SimplifiedState) -> Vector:
        """(1, d): x_t."""
        return state.w[None, :]

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: SimplifiedState, reading: Reading) -> SimplifiedState:
        """One noisy step; or, in variant (ii), one jump or one step."""
        d, g = len(state.w), reading.gradient[0]
        if self.rest is None:
            generator, random = state.random.draw()
            xi = self.radius / math.sqrt(d) * generator.standard_normal(d)
            return SimplifiedState(state.w - self.step * (g + xi), random)
        rested = state.since is None or state.since >= self.rest
        if rested and small(reading, self.epsilon):
            generator, random = state.random.draw()
            xi = self.radius * ball(generator, 1, d)[0]
            return SimplifiedState(state.w - self.step * xi, random, since=0)
        since = None if state.since is None else state.since + 1
        return replace(state, w=state.w - self.step * g, since=since)

    def status(self, state: SimplifiedState) -> Status:
        """Always running: only the budget ends it."""
        return RUNNING

    def point(self, state: SimplifiedState) -> Vector:
        """(d,): x_t."""
        return state.w
