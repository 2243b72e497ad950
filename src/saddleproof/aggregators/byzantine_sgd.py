"""The rule of ByzantineSGD (Alistarh, Allen-Zhu, Li, NeurIPS 2018, Algorithm 1).

    g_i, x_k, x_1    messages, where the run stands, where it began
    A_i, B_i         sums over rounds of <g_i - g_med, x_k - x_1> and of g_i - g_med
    A_med, B_med     median; a row with more than m/2 rows within T_B of it
    V, D, T, p       noise, diameter, horizon, p (the paper's delta)

The paper sums <g_i, x_k - x_1> and g_i. Sums of differences from one and the same g_med differ
between two workers by the same, and let a worker that was absent for a round be compared as if it
had sent g_med, instead of 0.
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
class MartingaleMemory:
    """The books of a run.

    Attributes:
        workers: the roster, M names.
        start: (d,) x_1.
        A: (M,).
        B: (M, d).
        trusted: (M,) the good set.
        scales: (3,) largest s so far of A, of B / sqrt(k) and of one round, for automatic limits.
        rounds: k.
        widened: how often a threshold proved too small; see `saddleproof.aggregators.guards`.
    """

    workers: tuple[str, ...]
    start: Vector
    A: Vector
    B: Vector
    trusted: NDArray[np.bool_]
    scales: Vector
    rounds: int = 0
    widened: int = 0


@dataclass(frozen=True)
class ByzantineSGD(Remembering):
    """The mean of the workers whose sums over all rounds never left the crowd.

    In round k, worker i stays in the good set iff

        |A_i - A_med| <= T_A,    ||B_i - B_med|| <= T_B,    ||g_i - g_med|| <= 4 V,

    with T_A = D T_B and T_B = 4 V sqrt(T log(16 m T / p)); g_med is a row with more than m/2 rows
    within 2 V. Noise cancels over rounds and grows like sqrt(k), a constant lie c grows like k, and
    is out once c k > 2 T_B. The good set never grows. The round is aggregated with the new one.

    Noise cancels over rounds only if it is drawn anew: workers must take fresh samples each round.
    What a worker's own data always add to its gradient sums up like a lie.

    Where a threshold cannot be right it is widened, and that is counted: see
    `saddleproof.aggregators.guards`, also for the automatic limits. Convention: the mean is over
    the good set, 1/|good|, as in the authors' code; the paper divides by m. The constants are from
    memory. Inexactness: the rank bound over all messages, those of workers that are out too.

    The projected step that goes with it is `ProjectedSGD`; any optimizer whose first query point
    walks will do. `CertifiedPGD` will not: in any one round this is a mean of nearly all, and what
    liars can hide within the limits is enough to hold a saddle point. Optimizers that jump (a
    perturbation, a restart) do not harm it, since it compares workers at the same point.

    Args:
        noise: V, with ||g_i - grad F|| <= V for every honest message. None: all three limits are
            automatic, and nothing is proved.
        diameter: D, of the ball that the run stays in. None judges A automatically.
        horizon: T, rounds.
        p: share of runs in which an honest worker may be lost.

    Raises:
        OptionError: an option outside its range.

    Guarantee (V known): with probability 1 - p no honest worker is ever left out; convex F,
    alpha < 1/2: T = O~(1/eps + 1/(eps^2 m) + alpha^2/eps^2). Memory: an (M, d) array. Cost
    O(m^2 d) a round.

    >>> rule = ByzantineSGD(noise=1.0, diameter=1.0, horizon=1)
    >>> memory = rule.begin(workers=("a", "b", "c", "d", "e"), d=1)
    >>> x = np.array([[0.0], [1.0], [-1.0], [0.5], [6.0]])
    >>> estimate, memory = rule.step(memory, x, b=2)
    >>> estimate.vector, memory.trusted                # 6 is more than 4 V from .5
    (array([0.125]), array([ True,  True,  True,  True, False]))
    """

    noise: float | None = None
    diameter: float | None = None
    horizon: int = 1000
    p: float = 0.05

    def __post_init__(self) -> None:
        check_options(self)
        check_guard(self.noise, self.horizon, self.p)
        if self.diameter is not None and not 0 < self.diameter < math.inf:
            raise OptionError(f"diameter (D) must be positive and finite; got {self.diameter}")

    def breakdown(self, m: int) -> int:
        """(m - 1)//2."""
        return (m - 1) // 2

    def thresholds(self, m: int) -> tuple[float | None, float | None, float | None]:
        """(T_A, T_B, 4 V); None where a limit is automatic."""
        if self.noise is None:
            return None, None, None
        T_B = 4 * self.noise * math.sqrt(self.horizon * math.log(16 * m * self.horizon / self.p))
        T_A = None if self.diameter is None else self.diameter * T_B
        return T_A, T_B, 4 * self.noise

    def begin(self, workers: tuple[str, ...], d: int) -> MartingaleMemory:
        """Everybody is trusted."""
        m = len(workers)
        return MartingaleMemory(
            workers=workers,
            start=np.zeros(d),
            A=np.zeros(m),
            B=np.zeros((m, d)),
            trusted=np.ones(m, dtype=bool),
            scales=np.zeros(3),
        )

    @quiet  # a liar's sums may overflow; it is then out
    def recall(
        self,
        memory: MartingaleMemory,
        stack: Vector,
        b: int,
        *,
        workers: tuple[str, ...],
        points: Vector,
    ) -> Recalled:
        """One round of Algorithm 1 at the first point; the new good set serves all of them."""
        at = positions(memory.workers, workers)
        good = memory.trusted[at]
        M = len(memory.workers)
        T_A, T_B, T_g = self.thresholds(M)
        rounds = memory.rounds + 1

        x = points[0].astype(np.float64)
        start = memory.start if memory.rounds else x
        g = stack[0].astype(np.float64)
        g_med = center(g, good, None if T_g is None else T_g / 2)
        away = g - g[g_med.index]
        A, B = memory.A.copy(), memory.B.copy()
        A[at] = np.nan_to_num(A[at] + away @ (x - start), nan=np.inf, posinf=np.inf, neginf=-np.inf)
        B[at] += away

        A_med = np.median(A[at][good if good.any() else slice(None)])
        B_med = center(B[at], good, T_B)
        apart = (np.nan_to_num(np.abs(A[at] - A_med), nan=np.inf), B_med.apart, g_med.apart)
        units = np.array([1.0, math.sqrt(rounds), 1.0])
        scales = np.maximum(memory.scales, [typical(a, b) for a in apart] / units)
        automatic = normal_extreme(len(at), b, self.horizon, self.p) * scales * units
        limits = [
            given if given is not None else own
            for given, own in zip((T_A, T_B, T_g), automatic, strict=True)
        ]
        ratio = np.max([excess(a, limit) for a, limit in zip(apart, limits, strict=True)], axis=0)
        trusted, too_many = stays(memory.trusted, at, ratio, b)
        require_some(trusted[at])
        widened = memory.widened + (g_med.widened or B_med.widened or too_many)
        following = MartingaleMemory(memory.workers, start, A, B, trusted, scales, rounds, widened)
        return Recalled(MeanOf(trusted[at]), following)
