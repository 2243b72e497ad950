"""Gaussian perturbations and an escape test by drift, for benign noise (Tao et al. 2025).

    x_t, x           state.w, escape.w
    g_t, xi_t        the aggregate; the server's own noise, N(0, r^2 I)
    chi              a bound on the noise of g_t + xi_t that holds for all steps; epsilon = 3 chi
    R, Q, Gamma      distance, rounds, horizon

Gauss-PSGD has the template of Algorithm 1 of Yin et al. 2019 (a distance walked, Q rounds), for
gradients whose error is unbiased noise. The result is lambda_min >= -O(sqrt(rho chi)). Against an
adversary no algorithm beats this power 1/2, and Algorithm 1 of Yin et al. has 2/5. Gauss-PSGD is
the yardstick for benign noise; its own noise is no defence against liars.

Numbers of lemmas and theorems are those of the NeurIPS text of Tao et al. 2025.
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
from saddleproof.optimizers.randomness import RandomKey
from saddleproof.words import Ending


@dataclass(frozen=True)
class Drift:
    """One escape from x_t, between two rounds.

    Attributes:
        w: (d,) where this round of it stands.
        k: round, 1..Q.
        t: steps of the round so far, 0..Gamma.
        failed: whether all Q rounds are over.
    """

    w: Vector
    k: int = 1
    t: int = 0
    failed: bool = False


@dataclass(frozen=True)
class GaussState:
    """The algorithm between two rounds.

    Attributes:
        w: (d,) x_t, from which an escape starts and to which it returns.
        random: the server's random numbers.
        drift: the running escape, or None.
    """

    w: Vector
    random: RandomKey
    drift: Drift | None = None


@dataclass(frozen=True)
class GaussPSGD(Machine):
    """Noisy descent; where the gradient is small, Q rounds of it that must drift away.

    x <- x - eta (g_hat(x) + xi), xi ~ N(0, r^2 I). Where ||g_hat(x_t)|| <= epsilon: up to Q rounds
    of at most Gamma such steps, each from x_t itself. The descent goes on from the first x with
    ||x - x_t|| >= R; without such an x, the run returns x_t with status "no_escape_found". The
    default values of eta, r, R and Gamma are choices of this library.

    Args:
        step: eta > 0, kept as given.
        noise: r > 0, per coordinate, in the unit of the gradient.
        epsilon: > 0, what counts as a small gradient. None: 3 Delta_hat(x).
        distance: R > 0, in the unit of w.
        horizon: Gamma >= 1.
        rounds: Q >= 1. At a strict saddle each round succeeds with probability 1/8 or more
            (Corollary 1), so (26/5) log(1/omega_0) rounds all miss with probability omega_0 or
            less (Lemma 2): 16 rounds for .05.

    Raises:
        OptionError: an option outside its range.

    Cost: one gradient of every worker a round; a failed escape takes Q (Gamma + 1) rounds.
    Guarantee: for unbiased noise of the gradients only, and the paper's R and Gamma: ||grad F|| <=
    alpha and lambda_min >= -sqrt(rho alpha) with alpha = 4 chi, in O~(alpha^(-5/2)) steps
    (Theorem 1). None under attack.

    Reference: Tao, Zhang, Yu, Cheng, Dressler, Wang 2025, "Second-order convergence in private
    stochastic non-convex optimization", NeurIPS, Algorithm 1 (Gauss-PSGD).
    """

    step: float
    noise: float = 1e-3
    epsilon: float | None = None
    distance: float = 0.1
    horizon: int = 100
    rounds: int = 16

    def __post_init__(self) -> None:
        check_options(self)
        check_positive(
            step=self.step,
            noise=self.noise,
            epsilon=self.epsilon,
            distance=self.distance,
            horizon=self.horizon,
            rounds=self.rounds,
        )

    @staticmethod
    def threshold(d: int, sigma: float, noise: float, steps: int, omega: float = 0.05) -> float:
        """3 chi with chi = sqrt(2 log(4T/omega) (sigma^2 + r^2 d)): an `epsilon` for noise sigma.

        Lemma 5 has an absolute constant C in front of chi, without a value; C = 1 is a choice of
        this library.

        Args:
            d: dimension.
            sigma: the gradients' error has a norm with sub-Gaussian tails of this size.
            noise: r.
            steps: T, all steps of the run.
            omega: admitted probability that one of them is noisier, in (0, 1).
        """
        return 3 * math.sqrt(2 * math.log(4 * steps / omega) * (sigma**2 + noise**2 * d))

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> GaussState:
        """The state before the first round."""
        return GaussState(w0, RandomKey.open(seed))

    def ask(self, state: GaussState) -> Vector:
        """(1, d): x_t, or where an escape stands."""
        return (state.w if state.drift is None else state.drift.w)[None, :]

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: GaussState, reading: Reading) -> GaussState:
        """One noisy step, of the descent or of an escape."""
        now = state.drift
        if now is None and small(reading, self.epsilon):
            now = Drift(state.w)
        generator, random = state.random.draw()
        xi = self.noise * generator.standard_normal(len(state.w))
        move = -self.step * (reading.gradient[0] + xi)
        if now is None:
            return GaussState(state.w + move, random)
        if np.linalg.norm(now.w - state.w) >= self.distance:
            return GaussState(now.w + move, random)
        if now.t < self.horizon:
            return GaussState(state.w, random, replace(now, w=now.w + move, t=now.t + 1))
        if now.k < self.rounds:
            return GaussState(state.w, random, Drift(state.w, k=now.k + 1))
        return GaussState(state.w, random, replace(now, failed=True))

    def status(self, state: GaussState) -> Status:
        """Running, or "no_escape_found" once Q rounds led nowhere."""
        if state.drift is None or not state.drift.failed:
            return RUNNING
        return Status(
            Ending.NO_ESCAPE_FOUND,
            f"{self.rounds} rounds of {self.horizon} noisy steps stayed within {self.distance:.3g}",
        )

    def point(self, state: GaussState) -> Vector:
        """(d,): x_t, also during and after an escape."""
        return state.w
