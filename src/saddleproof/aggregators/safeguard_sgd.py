"""The rule of SafeguardSGD (Allen-Zhu, Ebrahimianghazani, Li, Alistarh, ICLR 2021, Algorithm 1).

    g_i              messages
    A_i, B_i         sums of g_i - g_med since the last multiple of T_1 (long) and T_0 (short)
    Theta_1, Theta_0 their thresholds
    V, T, p          noise, horizon, p

The paper's sums carry weights 1/|good_k|; here they are not normalised, which is what the bound
8 sqrt(T log(16 m T/p)) on sums of noise speaks about, and Theta is multiplied by V. Differences
from a common g_med: as in `saddleproof.aggregators.byzantine_sgd`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import quiet
from saddleproof.aggregators.guards import (
    center,
    check_guard,
    excess,
    normal_extreme,
    require_some,
    stays,
    typical,
)
from saddleproof.aggregators.memory import MeanOf, Recalled, Remembering, positions
from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class SafeguardMemory:
    """The books of a run.

    Attributes:
        workers: the roster, M names.
        A: (M, d) sums over the long window.
        B: (M, d) sums over the short one.
        trusted: (M,) the good set.
        scales: (3,) largest s / sqrt(k) so far, of A, of B and of one round, for automatic limits.
        rounds: t.
        widened: how often a threshold proved too small; see `saddleproof.aggregators.guards`.
    """

    workers: tuple[str, ...]
    A: Vector
    B: Vector
    trusted: NDArray[np.bool_]
    scales: Vector
    rounds: int = 0
    widened: int = 0


@dataclass(frozen=True)
class SafeguardSGD(Remembering):
    """The mean of the workers whose sums over two windows stayed with the crowd.

    In round t, worker i stays in the good set iff

        ||A_i - A_med|| <= 2 Theta_1    and    ||B_i - B_med|| <= 2 Theta_0,

    with A_med a row that has more than m/2 rows within Theta_1 of it, and Theta = 8 V sqrt(T' log(
    16 m T / p)) for a window of T' rounds. Both sums begin anew at the edges of their windows; the
    good set never grows. The step is taken with the *old* good set, as in the paper: who is in it
    does not depend on this round's noise. Ours is one more test, for this round's mean only: a
    message farther than 4 V from the center of the messages does not enter. No honest message is
    farther, and without it one liar could send anything once.

    Noise cancels over rounds only if it is drawn anew: workers must take fresh samples each round.
    What a worker's own data always add to its gradient sums up like a lie.

    Automatic limits, and what happens where a threshold cannot be right:
    `saddleproof.aggregators.guards`. (The authors set theirs by a run in advance.) Thresholds by
    theory say nothing in short windows: honest sums stay within Theta of each other, so a constant
    lie c is out once c k > 4 Theta; for c = V that takes a window of 1024 log(16 m T / p) rounds
    or more. Inexactness: the rank bound over all messages, those of workers that are out too.

    The perturbed step that goes with it, x <- x - eta (xi + the mean), xi ~ N(0, nu^2 I), is
    `SimplifiedPGD(step=eta, radius=nu sqrt(d))`. The theory takes nu^2 ~ alpha^2 + 1/m, eta ~
    eps^2/(d nu^2), T_0 ~ 1/eta and T_1 ~ T_0/sqrt(eps), up to logarithms. `CertifiedPGD`
    is no match for this rule: see `ByzantineSGD`. Optimizers that jump do not harm it, since it
    compares workers at the same point.

    Args:
        noise: V, with ||g_i - grad F|| <= V for every honest message. None: automatic limits.
        short, long: T_0 <= T_1, rounds; one epoch and six in the paper's experiments. Equal
            windows make the single safeguard.
        horizon: T, rounds.
        p: share of runs in which an honest worker may be lost.

    Raises:
        OptionError: an option outside its range.

    Guarantee (V known, alpha < 1/2, with the perturbed step): with probability 1 - p no honest
    worker is ever left out, and a constant share of the iterates are second-order points (eps,
    sqrt(eps)) after T = O~((alpha^2 + 1/m) d / eps^4). Memory: two (M, d) arrays. Cost O(m^2 d).

    >>> rule = SafeguardSGD(short=2, long=4)
    >>> memory = rule.begin(workers=("a", "b", "c", "d", "e"), d=1)
    >>> x = np.array([[0.0], [1.0], [-1.0], [0.5], [60.0]])
    >>> estimate, memory = rule.step(memory, x, b=1)
    >>> estimate.vector, memory.trusted
    (array([0.125]), array([ True,  True,  True,  True, False]))
    """

    noise: float | None = None
    short: int = 100
    long: int = 600
    horizon: int = 1000
    p: float = 0.05

    def __post_init__(self) -> None:
        check_options(self)
        check_guard(self.noise, self.horizon, self.p)
        if not 1 <= self.short <= self.long:
            raise OptionError(
                f"SafeguardSGD needs 1 <= short <= long; got short={self.short}, long={self.long}"
            )

    def breakdown(self, m: int) -> int:
        """(m - 1)//2."""
        return (m - 1) // 2

    def threshold(self, m: int, window: int) -> float | None:
        """Theta = 8 V sqrt(T' log(16 m T / p)); None where limits are automatic."""
        if self.noise is None:
            return None
        return 8 * self.noise * math.sqrt(window * math.log(16 * m * self.horizon / self.p))

    def begin(self, workers: tuple[str, ...], d: int) -> SafeguardMemory:
        """Everybody is trusted."""
        m = len(workers)
        nothing = np.zeros((m, d))
        return SafeguardMemory(workers, nothing, nothing, np.ones(m, dtype=bool), np.zeros(3))

    @quiet  # a liar's sums may overflow; it is then out
    def recall(
        self,
        memory: SafeguardMemory,
        stack: Vector,
        b: int,
        *,
        workers: tuple[str, ...],
        points: Vector,
    ) -> Recalled:
        """One round of Algorithm 1 at the first point; the old good set serves all of them."""
        at = positions(memory.workers, workers)
        good, M, t = memory.trusted[at], len(memory.workers), memory.rounds
        V = self.noise

        g = stack[0].astype(np.float64)
        g_med = center(g, good, None if V is None else 2 * V)
        away = g - g[g_med.index]
        A = np.zeros_like(memory.A) if t % self.long == 0 else memory.A.copy()
        B = np.zeros_like(memory.B) if t % self.short == 0 else memory.B.copy()
        A[at] += away
        B[at] += away

        thetas = (self.threshold(M, self.long), self.threshold(M, self.short))
        middles = [
            center(sums[at], good, theta) for sums, theta in zip((A, B), thetas, strict=True)
        ]
        apart = (middles[0].apart, middles[1].apart, g_med.apart)
        units = np.sqrt([t % self.long + 1, t % self.short + 1, 1])
        scales = np.maximum(memory.scales, [typical(a, b) for a in apart] / units)
        limits = normal_extreme(len(at), b, self.horizon, self.p) * scales * units
        if V is not None:
            limits = np.array([2 * (thetas[0] or 0.0), 2 * (thetas[1] or 0.0), 4 * V])
        ratios = [excess(a, limit) for a, limit in zip(apart, limits, strict=True)]

        trusted, too_many = stays(memory.trusted, at, np.maximum(ratios[0], ratios[1]), b)
        entering, crowded = stays(memory.trusted, at, ratios[2], b)
        require_some(entering[at])
        missed = g_med.widened or middles[0].widened or middles[1].widened
        widened = memory.widened + (missed or too_many or crowded)
        following = SafeguardMemory(memory.workers, A, B, trusted, scales, t + 1, widened)
        return Recalled(MeanOf(entering[at]), following)
