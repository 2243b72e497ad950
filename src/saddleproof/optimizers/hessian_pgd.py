"""Descend; at a small gradient measure the Hessian; step where it proves descent, else end.

Our own. With a Delta-inexact oracle, grad^2 F rho-Lipschitz, step 1/L and e = sqrt(2 d rho Delta)
it ends, without any random draw or probability of failure, within

    2 L (F_0 - F*) / (3 Delta^2)  +  2 (F_0 - F*) sqrt(rho / (6 Delta^3))  +  2

rounds at a point with a proof of

    ||grad F|| <= 4 Delta,    lambda_min(grad^2 F) >= -(2 sqrt(2 d) + sqrt(6)) sqrt(rho Delta),

the power 1/2 of Delta that no algorithm can better (Yin et al. 2019, Proposition 1), where
Theorem 3 has 2/5 and a logarithm. The price is d: sqrt(d) for their d^(1/5), and 2d + 1 query
points in the rounds that measure. docs/hessian_pgd.md has the proof.

    v, lambda, e     found.direction, .value, .error: v'Hv = lambda +- e, v turned downhill
    b                -(lambda + e), curvature that is there for certain

The states, by `phase`: **descend** until ||g_hat|| <= 3 Delta; **hessian**, one round of 2d + 1
points (4d + 1 where both bounds apply), or **krylov**, some rounds of 9; then a step of b/rho along
v where that is proved to lower F. Where it is not, or rho is unknown, **line**: one round of
lengths along v, -v and -g_hat, and on from the end that the workers prove lowest. Where none is,
because liars hide the slope along v: the mean of the two ends w +- D has no slope in it, so where
that is proved to be lower, one of them is taken by a fair coin, after the answers are in, and F
falls in expectation whatever the slope (the fair sign of Allen-Zhu and Li 2018). Else **end**.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import RUNNING, Evidence, Machine, Reading, Status
from saddleproof.optimizers.gradient_only.batch import Batch
from saddleproof.optimizers.curvature import Curvature
from saddleproof.optimizers.gradient_descent import (
    FIRST_STEP,
    Descent,
    advance,
    begin,
    check_positive,
    stationary,
)
from saddleproof.optimizers.hessian_round import Bounds, line_batch, lowest_end, lowest_pair
from saddleproof.optimizers.krylov import ROUNDS, Krylov
from saddleproof.optimizers.randomness import Stream
from saddleproof.ranks import inflatable

#: Largest d for which hessian="auto" asks for the whole Hessian.
FULL_HESSIAN = 256
#: A step b/rho is taken where b^2 >= 6 rho Delta: it then lowers F by b^3/(6 rho^2) or more.
MARGIN = 6.0
#: A line round that proves less than this share of what the others did is the last one.
SHARE = 0.01
#: eps_H over ||H_hat||_2 where neither the user nor rho sets it.
RELATIVE = 0.01


@dataclass(frozen=True)
class HessianState:
    """`HessianPGD` between two rounds.

    Attributes:
        descent: the trajectory, k = 1.
        stream: the server's random numbers, for the start of a Krylov space and for the coin.
        phase: "descend", "hessian", "krylov", "line" or "end".
        space: the growing Krylov space.
        found: what is known of the Hessian at the point where the run stands.
        verdict: how it ended.
        escaped: how many steps were taken out of a small gradient.
        gained: how much F fell in line rounds, as proved; in expectation, where a coin was tossed.
    """

    descent: Descent
    stream: Stream
    phase: str = "descend"
    space: Krylov | None = None
    found: Curvature | None = None
    verdict: Status = RUNNING
    escaped: int = 0
    gained: float = 0.0


@dataclass(frozen=True)
class HessianPGD(Machine):
    """Robust gradient descent that measures the Hessian where the gradient is small.

    Args:
        rho: Lipschitz constant of grad^2 F, > 0, if known. It gives the bound sqrt(2 d rho Delta)
            and the step b/rho; without it the bound is the workers', and so is the proof of
            descent: differences inside each worker, decided by ranks.
        inexactness: Delta > 0, if known, in place of what the messages show: for an oracle that
            errs without showing it. Needs rho; ranks over workers then prove nothing, and are
            left out. (So run `minimize` with certify=False, and `certify` with delta and rho.)
        tolerance: eps_H >= 0, what "second_order" asks for: lambda_min >= -eps_H proved. None:
            with rho, 2 e + sqrt(6 rho Delta), which the theorem promises; without, 0.01 ||H_hat||.
        epsilon: > 0; the descent also ends at ||g_hat|| <= epsilon, in the unit of the gradient.
        step: eta, kept as given; the theorem takes 1/L. None: by the step rule of
            `saddleproof.optimizers.gradient_descent`.
        hessian: "full", "krylov", or "auto": full for d <= 256. A Krylov space proves negative
            curvature and descent, never a minimum: it ends with "no_escape_found".
        rounds: k >= 1 of one Krylov search.
        max_escapes: end with status "budget" after this many steps along negative curvature.

    Raises:
        OptionError: an option outside its range, or inexactness without rho.

    Cost: one gradient of every worker a round; 2d + 1 or 4d + 1 in one that measures, 2p + 1 = 9
    in one of a Krylov space; O(m d^2 log m + d^3) for the bounds.

    Guarantee: see the head of this file; docs/hessian_pgd.md.

    Reference: bounds of our own; lower bound: Yin et al. 2019, Proposition 1.
    """

    rho: float | None = None
    inexactness: float | None = None
    tolerance: float | None = None
    epsilon: float | None = None
    step: float | None = None
    hessian: str = "auto"
    rounds: int = ROUNDS
    max_escapes: int = 100

    def __post_init__(self) -> None:
        check_positive(rho=self.rho, inexactness=self.inexactness, step=self.step)
        check_positive(epsilon=self.epsilon)
        if self.inexactness is not None and self.rho is None:
            raise OptionError("a known inexactness bounds a Hessian only together with rho")
        if self.tolerance is not None and not self.tolerance >= 0:
            raise OptionError(f"tolerance (eps_H) must be nonnegative; got {self.tolerance}")
        if self.hessian not in ("auto", "full", "krylov"):
            raise OptionError(f"hessian is 'auto', 'full' or 'krylov'; got {self.hessian!r}")
        if self.rounds < 1 or self.max_escapes < 1:
            raise OptionError(
                f"rounds and max_escapes must be at least 1; got {self.rounds}, {self.max_escapes}"
            )

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> HessianState:
        """The state before the first round."""
        step = FIRST_STEP if self.step is None else self.step
        return HessianState(begin(w0[None, :], step), Stream.open(seed))

    def breakdown(self, m: int) -> int:
        """With ranks over workers, b < m/3; with a known inexactness, what the rule holds."""
        if self.inexactness is not None:
            return m
        return max(b for b in range(m) if not inflatable(m, b))

    @property
    def _bounds(self) -> Bounds:
        return Bounds(self.rho, self.inexactness)

    def ask(self, state: HessianState) -> Vector:
        """(1, d) in descent; else w first, then the stencils, the block or the line."""
        w, inexactness = state.descent.w[0], float(state.descent.inexactness[0])
        if state.phase == "hessian":
            return self._bounds.hessian_batch(w, inexactness).points
        if state.phase == "krylov" and state.space is not None:
            return state.space.points(w, self._bounds.product(w)[0])
        if state.phase == "line" and state.found is not None:
            return self._line(state, state.found).points
        return state.descent.trial

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: HessianState, reading: Reading) -> HessianState:
        """One round of the phase that the state is in."""
        w, inexactness = state.descent.w[0], float(state.descent.inexactness[0])
        if state.phase == "hessian":
            return self._judge(state, self._bounds.hessian(reading, w, inexactness))
        if state.phase == "krylov" and state.space is not None:
            return self._grow(state, state.space, reading)
        if state.phase == "line" and state.found is not None:
            return self._search(state, state.found, reading)
        return self._descend(state, reading)

    def _descend(self, state: HessianState, reading: Reading) -> HessianState:
        known, fixed = self._bounds.known(reading), self.step is not None
        now = advance(state.descent, reading.gradient, known, fixed=fixed)
        state = replace(state, descent=now)
        if not (stationary(now) or np.linalg.norm(now.gradient[0]) <= (self.epsilon or 0.0)):
            return state
        d = now.w.shape[1]
        if self.hessian == "full" or (self.hessian == "auto" and d <= FULL_HESSIAN):
            return replace(state, phase="hessian")
        generator, stream = state.stream.draw()
        return replace(state, phase="krylov", stream=stream, space=Krylov.begin(generator, d))

    def _grow(self, state: HessianState, space: Krylov, reading: Reading) -> HessianState:
        w = state.descent.w[0]
        space = space.grow(reading, w, *self._bounds.product(w))
        state = replace(state, space=space)
        if not space.finite:
            why = "a point of the Krylov rounds overflows"
            return replace(state, phase="end", verdict=Status("unresolved", why))
        if space.rounds < self.rounds and len(space.block):
            return state
        return self._judge(state, self._bounds.krylov(reading, space))

    def _line(self, state: HessianState, found: Curvature) -> Batch:
        now = state.descent
        return line_batch(now.w[0], found, float(now.step[0]) * now.gradient[0])

    def _search(self, state: HessianState, found: Curvature, reading: Reading) -> HessianState:
        """On from the end that is proved lowest; else from one of a pair, by a fair coin."""
        w, batch, least = state.descent.w[0], self._line(state, found), -SHARE * state.gained
        step, change = lowest_end(reading, batch)
        if change < least:
            return self._from(replace(state, gained=state.gained - change), w + step)
        step, change = lowest_pair(reading, batch)
        if change < least:
            generator, stream = state.stream.draw()
            tossed = replace(state, stream=stream, gained=state.gained - change)
            return self._from(tossed, w + generator.choice([-1.0, 1.0]) * step)
        return self._finish(state, found)

    def _judge(self, state: HessianState, found: Curvature) -> HessianState:
        """Step by b/rho where that is proved to lower F; else a line round; else end."""
        b = -found.high
        if self.rho is not None and b > 0 and b**2 >= MARGIN * self.rho * found.slope_error:
            return self._from(state, state.descent.w[0] + b / self.rho * found.downhill)
        proved = -np.inf < found.low >= -self._tolerance(state, found)
        if self.inexactness is None and not proved:
            return replace(state, phase="line", found=found)
        return self._finish(state, found)

    def _from(self, state: HessianState, w: Vector) -> HessianState:
        """On from w, proved to be lower."""
        descent = begin(w[None, :], float(state.descent.step[0]))
        state = replace(state, descent=descent, escaped=state.escaped + 1, space=None, found=None)
        if state.escaped >= self.max_escapes:
            verdict = Status("budget", f"stopped after {state.escaped} escapes")
            return replace(state, phase="end", verdict=verdict)
        return replace(state, phase="descend")

    def _finish(self, state: HessianState, found: Curvature) -> HessianState:
        tolerance, space = self._tolerance(state, found), state.space
        if -np.inf < found.low >= -tolerance:
            how = f"lambda_min >= {found.low:.3g} proved ({found.method}; asked: {-tolerance:.3g})"
            verdict = Status("second_order", how)
        elif found.high < 0:
            why = f"lambda_min <= {found.high:.3g}, but no step along it is proved to descend"
            verdict = Status("unresolved", why)
        elif space is not None:
            why = f"no curvature below {found.value:.3g} found in {space.rounds} Krylov rounds"
            verdict = Status("no_escape_found", why)
        else:
            why = f"lambda_min >= {found.low:.3g} is all that is proved (asked: {-tolerance:.3g})"
            verdict = Status("no_escape_found", why)
        return replace(state, phase="end", found=found, verdict=verdict)

    def _tolerance(self, state: HessianState, found: Curvature) -> float:
        if self.tolerance is not None:
            return self.tolerance
        if self.rho is None:
            return RELATIVE * found.size
        steepest = MARGIN * self.rho * float(state.descent.inexactness[0])
        return 2 * found.error + float(np.sqrt(steepest))

    def status(self, state: HessianState) -> Status:
        """Running; "second_order" with a proof, "no_escape_found", "unresolved", "budget"."""
        return state.verdict

    def point(self, state: HessianState) -> Vector:
        """(d,): the last point whose gradient was asked for and taken, or the last step's end."""
        w: Vector = state.descent.w[0]
        return w

    def evidence(self, state: HessianState) -> Evidence | None:
        """The tolerance, and what a Krylov search says about the rest of the space."""
        found = state.found
        if state.phase != "end" or found is None:
            return None
        numbers = {"v'H_hat v": found.value, "its error": found.error, "proved low": found.low}
        bound = None
        if state.space is not None:
            bound = state.space.unseen()
            numbers["residual"] = state.space.residual()
        return Evidence(
            curvature_bound=bound, tolerance=self._tolerance(state, found), numbers=numbers
        )
