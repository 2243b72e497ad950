"""Perturbed gradient descent, simplified (Jin, Netrapalli, Ge, Kakade, Jordan 2019 and 2021).

    eta, r           step, radius
    Tau              rest: steps between two perturbations of variant (ii)
    g(x; theta)      the aggregate; noise of its own is what "PSGD" adds in the paper

(i)  x <- x - eta (g_hat(x) + xi),  xi ~ N(0, (r^2/d) I), at every step: Algorithm 2 (PSGD), where
     g_hat is a stochastic gradient. With a rule that evicts workers by their history, this is
     also the perturbed step of SafeguardSGD (Allen-Zhu et al. 2021; nu = r/sqrt(d)).
(ii) x <- x - eta xi, xi uniform in the ball of radius r, only where ||g_hat|| <= epsilon and Tau
     steps lie behind the last perturbation; then a step of descent: Algorithm 4.

Neither variant tests an iterate: the theorem says that half of the iterates are second-order
points, not which. The r of Equation (6) is at most epsilon/400, too small under attack: in the
slab |x| <= Delta/gamma about a saddle, liars answer any push with a push of up to Delta. An r of
the order of Delta leaves the slab in the end, but no test of the algorithm notices the exit.

Numbers of algorithms, equations and theorems are those of arXiv:1902.04811v2. They were read in a
transcription of that text for Lean (Prove2me, modules NonconvexSaddle.PSGD and .PGDVar).
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

    The budget of rounds ends a run (status "budget"), for the algorithm has no test. In variant
    (ii) a perturbation takes a round of its own, and the first perturbation needs no steps before
    it; Algorithm 4 as printed lets Tau steps pass first.

    Args:
        step: eta > 0, kept as given. The theory takes 1/L in variant (ii), Equation (6), and
            1/(iota^9 L N) with N >= 1 of Equation (4) in variant (i), Equation (8).
        radius: r > 0, in the unit of the gradient: eta r is a length.
        rest: None for variant (i); for variant (ii) the steps between two perturbations, >= 1.
        epsilon: > 0, what counts as a small gradient in variant (ii). None: 3 Delta_hat(x).

    Raises:
        OptionError: an option outside its range.

    Cost: one gradient of every worker a round.
    Guarantee: with exact gradients, the constants of `paper` and c large enough, at least half of
    T = 400 iota^4 L (F_0 - F*) / epsilon^2 iterates have ||grad F|| <= epsilon and lambda_min >=
    -sqrt(rho epsilon), with probability 1 - delta (Theorem 18). None under attack.

    Reference: Jin, Netrapalli, Ge, Kakade, Jordan 2021, "On nonconvex optimization for machine
    learning: gradients, stochasticity, and saddle points", J. ACM; arXiv:1902.04811.
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
        """Variant (ii), Algorithm 4, with the constants of Equation (6) and Theorem 18.

            iota = c log(d L (F_0 - F*) / (rho epsilon delta)),   eta = 1/L,
            r = epsilon / (400 iota^3),   Tau = iota L / sqrt(rho epsilon).

        Algorithm 4 perturbs at t > t_perturb + Tau, hence `rest` = floor(Tau) + 1. The proof needs
        iota >= 1; the logarithm is therefore raised to 1 where it is smaller.

        Args:
            d: dimension.
            epsilon: wanted gradient norm, at most L^2/rho.
            smoothness: L > 0.
            hessian_lipschitz: rho > 0.
            excess: F_0 - F* > 0.
            c: absolute constant without a value in the source; 1 is a choice of this library. The
                proof asks for T L sqrt(d/(rho epsilon)) iota^2 2^(8 - iota) <= delta. At d = 10,
                L = rho = F_0 - F* = 1, epsilon = .01 and delta = .05, c = 8 meets this condition
                and c = 1 does not.
            delta: admitted probability of failure, in (0, 1).
        """
        L, rho = smoothness, hessian_lipschitz
        check_positive(d=d, epsilon=epsilon, L=L, rho=rho, excess=excess, c=c, delta=delta)
        iota = c * max(math.log(d * L * excess / (rho * epsilon * delta)), 1)
        return cls(
            step=1 / L,
            radius=epsilon / (400 * iota**3),
            rest=math.floor(iota * L / math.sqrt(rho * epsilon)) + 1,
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
        """Always running: only the budget ends a run."""
        return RUNNING

    def point(self, state: SimplifiedState) -> Vector:
        """(d,): x_t."""
        return state.w
