"""Centered clipping (Karimireddy, He, Jaggi, ICML 2021, "Learning from history").

x_i              messages
v                center: the output of the round before, 0 in the first
tau, L           radius, iterations
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.aggregators.base import Estimate, norms, quiet
from saddleproof.aggregators.inexactness import stack_inexactness
from saddleproof.aggregators.memory import Recalled, Remembering
from saddleproof.arguments import check_options
from saddleproof.arrays import Array, Vector, namespace
from saddleproof.errors import OptionError
from saddleproof.ranks import middle


@dataclass(frozen=True)
class ClippingMemory:
    """Where the next round begins.

    Attributes:
        center: (d,), the last output.
    """

    center: Vector


@dataclass(frozen=True)
class CenteredClipping(Remembering):
    """Start where the last round ended, and let no message pull by more than tau.

        v <- v + (1/m) sum_i (x_i - v) min(1, tau / ||x_i - v||),    L times.

    So ||v_out - v_in|| <= L tau, and b liars move the answer by at most L tau b/m from where it
    would be had they sent v (each step is a nonexpansive map of v). An infinite tau with L = 1 is
    the mean. It needs no sort and no distances between messages, O(L m d), and its error shrinks
    with b/m; but it follows a gradient that jumps only at L tau a round.

    Inexactness: the rank bound of `saddleproof.aggregators.inexactness`, which holds for any
    vector: if the center lags behind, it says so. The rule itself bounds nothing from one round's
    messages. Combinations of messages are clipped around the same combination of centers, so
    differences around zero; see `saddleproof.aggregators.memory`.

    Use it with optimizers whose first query point moves in steps: `GradientDescent` and `PGD`
    walk as in the paper. The paper's workers send *momentum*, m_i <- beta m_i + (1 - beta) g_i,
    which is the workers' business: a fleet's, and not this rule's.

    Args:
        tau: radius > 0 in the unit of the messages. None: in each iteration the median distance
            of the messages from v. It is within the honest distances for b < m/2, and then the
            rule scales with the messages (not: shifts, since the first center is 0).
        iterations: L >= 1.

    Raises:
        OptionError: an option outside its range.

    Breakdown: accepts b <= (m - 1)//2. The paper proves an error of order b/m only for b/m up to
    about a tenth; near one half a step with the automatic tau gains little.

    >>> rule = CenteredClipping(tau=1.0, iterations=1)
    >>> memory = rule.begin(workers=("a", "b", "c", "d"), d=1)
    >>> x = np.array([[0.5], [0.5], [1.0], [-1e9]])
    >>> estimate, memory = rule.step(memory, x, b=1)   # (.5 + .5 + 1 - 1) / 4
    >>> estimate.vector, memory.center
    (array([0.25]), array([0.25]))
    >>> rule.step(memory, x, b=1)[0].vector            # .25 + (.25 + .25 + .75 - 1) / 4
    array([0.3125])
    """

    tau: float | None = None
    iterations: int = 3

    def __post_init__(self) -> None:
        check_options(self)
        if self.tau is not None and not self.tau > 0:
            raise OptionError(f"CenteredClipping needs tau > 0 or None; got {self.tau}")
        if self.iterations < 1:
            raise OptionError(f"CenteredClipping needs iterations >= 1; got {self.iterations}")

    def breakdown(self, m: int) -> int:
        """(m - 1)//2."""
        return (m - 1) // 2

    def begin(self, workers: tuple[str, ...], d: int) -> ClippingMemory:
        """The center is 0."""
        return ClippingMemory(np.zeros(d))

    @quiet
    def recall(
        self,
        memory: ClippingMemory,
        stack: Vector,
        b: int,
        *,
        workers: tuple[str, ...],
        points: Vector,
    ) -> Recalled:
        """Clip around the last output; the next one is this round's at the first point."""
        origin = memory.center
        v = origin + self._clipped(stack[:1] - origin)[0]
        return Recalled(self, ClippingMemory(v), origin)

    def _batch(self, stack: Array, b: int) -> Estimate:
        """Clip around 0."""
        xp = namespace(stack)
        vector = xp.astype(self._clipped(stack), stack.dtype)
        kept = xp.all(xp.isfinite(stack), axis=2)
        return Estimate(vector, stack_inexactness(stack, vector, b), kept)

    def _clipped(self, stack: Array) -> Array:
        """(q, m, d) messages to (q, d), around 0; in float32 or more."""
        xp = namespace(stack)
        x = stack if stack.dtype in (xp.float32, xp.float64) else xp.astype(stack, xp.float32)
        v = xp.zeros_like(x[:, :1, :])
        for _ in range(self.iterations):
            pull = x - v
            length = norms(pull)
            known = xp.isfinite(length)
            length = xp.where(known, length, xp.inf)
            share = self._radius(length) / xp.where(length > 0, length, 1.0)
            share = xp.where(known, xp.where(share < 1.0, share, 1.0), 0.0)[..., None]
            v = v + xp.mean(xp.where(share > 0, share * pull, 0.0), axis=1, keepdims=True)
        return v[:, 0, :]

    def _radius(self, length: Array) -> Array:
        """(q, 1) tau, from the (q, m) distances."""
        xp = namespace(length)
        if self.tau is None:
            return middle(xp.sort(length, axis=1)[..., None])
        return xp.full_like(length[:, :1], self.tau)
