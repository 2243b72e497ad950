"""Descent that searches for negative curvature where the gradient is small.

    while ||g_hat(w)|| > epsilon:  w <- w - eta g_hat(w)
    search from w by gradients alone for a unit v with v'Hv < 0, H = grad^2 F(w)
    found: w <- w +- length * v, and on;   not found: return w

Neon, Neon2 and the accelerated search differ in how they search and how far they leap; what they
share is here. A search asks for gradients at w and w + y, and sees only

    change = grad F(w + y) - grad F(w) = H y + O(rho |y|^2 / 2).

**Under attack.** The difference of two aggregates is wrong by up to Delta(w) + Delta(w + y), while
what it shall show is gamma |y|: a search of radius 1e-6 sees nothing but liars. Differences that
are taken inside each worker first lose what a worker says at both points alike, and with it most
of what liars hide in; what is left is how much the workers' Hessians disagree. That is not in the
papers; `differences="workers"` asks for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import RUNNING, Evidence, Machine, Reading, Status
from saddleproof.optimizers.baselines.threshold import small
from saddleproof.optimizers.evidence import failed_escapes
from saddleproof.optimizers.gradient_descent import check_positive
from saddleproof.optimizers.randomness import RandomKey
from saddleproof.words import Ending

Differences = Literal["aggregates", "workers"]
#: Coefficients of change = g(w + y) - g(w).
CHANGE = np.array([[-1.0, 1.0]])


@dataclass(frozen=True)
class Search:
    """A search from w, between two rounds.

    Attributes:
        y: (d,) the next round asks for the gradient at w + y.
        last: (d,) the other member of a two-term recurrence.
        t: rounds of the search so far.
        hidden: the largest inexactness of a change so far, over its |y|: what curvature liars
            may have hidden.
        failed: whether it ended without a direction.
    """

    y: Vector
    last: Vector
    t: int = 0
    hidden: float = 0.0
    failed: bool = False


@dataclass(frozen=True)
class Leap:
    """What a search found: w <- w +- length * v.

    Attributes:
        v: (d,) unit vector.
        length: > 0.
        fair: whether a fair coin chooses the sign; else it is the one that the gradient descends.
    """

    v: Vector
    length: float
    fair: bool = False


@dataclass(frozen=True)
class SearchState:
    """The descent between two rounds.

    Attributes:
        w: (d,) where it stands.
        random: the server's random numbers.
        search: the running search, or None while it descends.
        leaps: directions found and followed so far.
    """

    w: Vector
    random: RandomKey
    search: Search | None = None
    leaps: int = 0


@dataclass(frozen=True)
class CurvatureSearch(Machine):
    """What Neon, Neon2 and AcceleratedCurvature share; a member adds `_begin` and `_advance`.

    Args:
        step: eta = 1/L > 0, kept as given.
        curvature: gamma > 0: a saddle with lambda_min < -gamma shall be left.
        hessian_lipschitz: rho > 0; leaps are proportional to 1/rho.
        epsilon: > 0, what counts as a small gradient. None: 3 Delta_hat(w).
        delta: admitted probability that a search misses such a saddle, in (0, 1).
        differences: "aggregates", the rule at each point and then the difference, as a drop-in
            for the exact gradients of the papers; or "workers", the rule over the workers' own
            differences.

    Raises:
        OptionError: an option outside its range.
    """

    step: float
    curvature: float = 0.1
    hessian_lipschitz: float = 1.0
    epsilon: float | None = None
    delta: float = 0.05
    differences: Differences = "aggregates"

    def __post_init__(self) -> None:
        check_options(self)
        check_positive(
            step=self.step,
            curvature=self.curvature,
            hessian_lipschitz=self.hessian_lipschitz,
            epsilon=self.epsilon,
            delta=self.delta,
        )
        if self.delta >= 1:
            raise OptionError(f"delta must lie strictly between 0 and 1; got {self.delta}")

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> SearchState:
        """The state before the first round."""
        return SearchState(w0, RandomKey.open(seed))

    def ask(self, state: SearchState) -> Vector:
        """(1, d): w while it descends; (2, d): w and w + y while it searches."""
        if state.search is None:
            return state.w[None, :]
        return np.stack([state.w, state.w + state.search.y])

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: SearchState, reading: Reading) -> SearchState:
        """One step of descent, or one of the search."""
        if state.search is not None:
            return self._search(state, state.search, reading)
        if small(reading, self.epsilon):
            generator, random = state.random.draw()
            return replace(state, random=random, search=self._begin(generator, len(state.w)))
        return replace(state, w=state.w - self.step * reading.gradient[0])

    def _search(self, state: SearchState, now: Search, reading: Reading) -> SearchState:
        change, inexactness = self._change(reading)
        length = max(float(np.linalg.norm(now.y)), np.finfo(np.float64).tiny)
        now = replace(now, hidden=max(now.hidden, inexactness / length))
        found = self._advance(now, change)
        if found is None:
            return replace(state, search=replace(now, failed=True))
        if isinstance(found, Search):
            return replace(state, search=found)
        generator, random = state.random.draw()
        uphill = reading.gradient[0] @ found.v > 0
        back = generator.random() < 0.5 if found.fair else uphill
        w = state.w + (-found.length if back else found.length) * found.v
        return SearchState(w, random, leaps=state.leaps + 1)

    def _change(self, reading: Reading) -> tuple[Vector, float]:
        """g_hat(w + y) - g_hat(w), and how far it may be off."""
        if self.differences == "aggregates":
            change: Vector = (CHANGE @ reading.gradient)[0]
            return change, float(reading.inexactness.sum())
        combined = reading.combination(CHANGE)
        known = combined.inexactness
        return combined.vector[0], math.inf if known is None else float(known[0])

    def _begin(self, generator: np.random.Generator, d: int) -> Search:
        """A random start of the search."""
        raise NotImplementedError

    def _advance(self, now: Search, change: Vector) -> Search | Leap | None:
        """The next round of the search, the leap that it found, or None where it ends."""
        raise NotImplementedError

    def status(self, state: SearchState) -> Status:
        """Running, or "no_escape_found" once a search ended without a direction."""
        if state.search is None or not state.search.failed:
            return RUNNING
        return Status(
            Ending.NO_ESCAPE_FOUND,
            f"{state.search.t} rounds of search found no curvature below -{self.curvature:.3g}",
        )

    def point(self, state: SearchState) -> Vector:
        """(d,): w."""
        return state.w

    def evidence(self, state: SearchState) -> Evidence | None:
        """After a failed search: gamma, or the curvature that liars may have hidden, if larger."""
        now = state.search
        if now is None or not now.failed or not math.isfinite(now.hidden):
            return None
        return failed_escapes(
            now.hidden, len(state.w), [1.0], planned=self.curvature, delta=self.delta
        )
