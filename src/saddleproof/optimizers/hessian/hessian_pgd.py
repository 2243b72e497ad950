"""Descend; at a small gradient measure the Hessian; step where descent is proved, else end.

Our own. With a Delta-inexact oracle, grad^2 F rho-Lipschitz, step 1/L and e = sqrt(2 d rho Delta)
it ends, without any random draw or probability of failure, within

    2 L (F_0 - F*) / (3 Delta^2)  +  2 (F_0 - F*) sqrt(rho / (6 Delta^3))  +  2

rounds at a point with a proof of

    ||grad F|| <= 4 Delta,    lambda_min(grad^2 F) >= -(2 sqrt(2 d) + sqrt(6)) sqrt(rho Delta),

the power 1/2 of Delta that no algorithm can better (Yin et al. 2019, Proposition 1), where
Theorem 3 has 2/5 and a logarithm. The price is d: sqrt(d) for their d^(1/5), and 2d + 1 query
points in the rounds that measure. docs/hessian_pgd.md has the proof.

Through workers no Delta and no rho need be known. The phases, each a value:

    Descend   until ||g_hat|| <= 3 Delta
    Measure   every worker's Hessian, 4d + 1 points a round, or Multiply and Rate: a Krylov space of
              products finds a direction, and the workers rate it
              a step of c/rho that is proved to lower F: Descend from its end;  a proof: Ended
    Line      one round of lengths along v, -v and -g_hat; a decrease that is proved: Descend from
              there, as in `saddleproof.optimizers.certified.line`;  none: Ended
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.curvature.differences import first_step
from saddleproof.curvature.krylov import ROUNDS, Krylov
from saddleproof.curvature.stencils import Measurement, along, line_of, stencil, steps_of, wide
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import Evidence, Machine, Reading, Status
from saddleproof.optimizers.certified.line import choose
from saddleproof.optimizers.gradient_descent import (
    FIRST_STEP,
    advance,
    begin,
    check_positive,
    stationary,
)
from saddleproof.optimizers.gradient_only.point_blocks import PointBlocks
from saddleproof.optimizers.hessian.facts import measured_facts, rated_facts
from saddleproof.optimizers.hessian.round import (
    Found,
    by_aggregates,
    by_direction,
    by_workers,
    line_batch,
    line_changes,
    overflows,
)
from saddleproof.optimizers.hessian.state import (
    Descend,
    Ended,
    HessianState,
    Line,
    Measure,
    Multiply,
    Rate,
    ended,
)
from saddleproof.optimizers.randomness import RandomKey
from saddleproof.ranks import inflatable
from saddleproof.words import Ending

#: Largest d for which hessian="auto" asks for the whole Hessian.
FULL_HESSIAN = 256


@dataclass(frozen=True)
class HessianPGD(Machine):
    """Robust gradient descent that measures the Hessian where the gradient is small.

    Args:
        rho: Lipschitz constant of grad^2 F, > 0, if known. It gives the step c/rho.
        inexactness: Delta > 0, if known, for an oracle that errs without showing it. Needs rho;
            what workers say of themselves is then left out, and the bound sqrt(2 d rho Delta) of
            aggregates takes its place. (So run `minimize` with certify=False, and `certify` with
            delta and rho.)
        tolerance: eps_H >= 0, what "second_order" asks for: lambda_min >= -eps_H proved. None:
            with an inexactness, 2 e + sqrt(6 rho Delta), which the theorem promises; else 0.02
            times the largest curvature of the honest median worker.
        epsilon: > 0; the descent also ends at ||g_hat|| <= epsilon, in the unit of the gradient.
        step: eta, kept as given; the theorem takes 1/L. None: by the step rule of
            `saddleproof.optimizers.gradient_descent`.
        hessian: "full", "krylov", or "auto": full for d <= 256. A Krylov space can prove a saddle,
            never a minimum: it ends with "no_escape_found" at best.
        rounds: k >= 1 of one Krylov search.
        max_escapes: end with status "budget" after this many steps along negative curvature.

    Raises:
        OptionError: an option outside its range, or inexactness without rho.

    Status: those of `CertifiedPGD`, and
        no_escape_found: a Krylov search found nothing, which is no proof.
        unresolved: gradients overflow next to the point.

    Cost: one gradient of every worker a round; 4d + 1 in one that measures (2d + 1 with a known
    inexactness), 2p + 1 = 9 in one of a Krylov space, 169 in a line; O(m d^3) for the bounds.

    Guarantee: docs/hessian_pgd.md.

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
        check_options(self)
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
        return HessianState(begin(w0[None, :], step), RandomKey.open(seed), Descend())

    def breakdown(self, m: int) -> int:
        """Where workers steer the run, b < m/3; with a known inexactness, what the rule holds."""
        if self.inexactness is not None:
            return m
        return max(b for b in range(m) if not inflatable(m, b))

    def ask(self, state: HessianState) -> Vector:
        """(1, d) in descent; else w first, then the stencil, the block, the direction or lines."""
        w, here = state.w, state.w[None]
        match state.phase:
            case Measure(measurement):
                around = self._stencil(w) if measurement is None else measurement.points
                return np.concatenate([here, around])
            case Multiply(space):
                return space.points(w, self._wide(space.steps(w)))
            case Rate(space):
                v = space.lowest()[1]
                if self.inexactness is None:
                    return np.concatenate([here, line_of(w, v)])
                h = self._wide(np.array([first_step(w, v, float(np.finfo(w.dtype).eps))]))
                return np.concatenate([here, stencil(w, h[:, None] * v)])
            case Line():
                return self._line(state).points
        return state.descent.trial

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: HessianState, reading: Reading) -> HessianState:
        """One round of the phase that the state is in."""
        if isinstance(state.phase, Descend):
            return self._descend(state, reading)
        if isinstance(state.phase, Line):
            return self._search(state, reading)
        if overflows(reading):
            return ended(state, Status(Ending.UNRESOLVED, "gradients overflow next to the point"))
        match state.phase:
            case Measure(measurement):
                return self._measured(state, measurement, reading)
            case Multiply(space):
                return self._grown(state, space, reading)
            case Rate(space):
                return self._rated(state, space, reading)
        return state

    def _descend(self, state: HessianState, reading: Reading) -> HessianState:
        known, fixed = reading.inexactness, self.step is not None
        if self.inexactness is not None:
            known = np.full_like(known, self.inexactness)
        now = advance(state.descent, reading.gradient, known, fixed=fixed)
        state = replace(state, descent=now, event="descends")
        if not (stationary(now) or np.linalg.norm(now.gradient[0]) <= (self.epsilon or 0.0)):
            return state
        if self.hessian == "full" or (self.hessian == "auto" and state.w.size <= FULL_HESSIAN):
            many = None if self.inexactness is not None else Measurement.begin(state.w)
            return replace(state, phase=Measure(many))
        generator, random = state.random.draw()
        return replace(state, phase=Multiply(Krylov.begin(generator, state.w.size)), random=random)

    def _wide(self, steps: Vector) -> Vector:
        if self.inexactness is None or self.rho is None:
            return steps
        return wide(steps, self.inexactness, self.rho)

    def _stencil(self, w: Vector) -> Vector:
        steps = steps_of(w, float(np.finfo(w.dtype).eps))
        return stencil(w, np.diag(self._wide(steps)))

    def _measured(
        self, state: HessianState, measurement: Measurement | None, reading: Reading
    ) -> HessianState:
        if measurement is None:
            known, rho = self.inexactness or 0.0, self.rho or 0.0
            found = by_aggregates(reading, self.ask(state), known, rho, self.tolerance)
            return self._judge(state, found)
        after = measurement.told(reading.stack[1:], reading.workers, reading.b)
        if not after.ended:
            return replace(state, phase=Measure(after), event="measures Hessians")
        if after.best is None:
            return ended(
                state, Status(Ending.UNRESOLVED, "the steps of differences are lost beside w")
            )
        return self._judge(state, by_workers(reading, measured_facts(after.best), self.tolerance))

    def _grown(self, state: HessianState, space: Krylov, reading: Reading) -> HessianState:
        steps, error = self._wide(space.steps(state.w)), 0.0
        if self.inexactness is not None and self.rho is not None:
            error = float((self.inexactness / steps + self.rho * steps / 2).max())
        space = space.grow(reading, space.points(state.w, steps), error)
        more = space.rounds < self.rounds and len(space.block)
        phase = Multiply(space) if more else Rate(space)
        return replace(state, phase=phase, event="looks for curvature")

    def _rated(self, state: HessianState, space: Krylov, reading: Reading) -> HessianState:
        (theta, v), points = space.lowest(), self.ask(state)
        why = f"nothing below {theta:.3g} found in {space.rounds} Krylov rounds, which is no proof"
        if self.inexactness is not None and self.rho is not None:
            found = by_direction(reading, points, v, (self.inexactness, self.rho), why)
        else:
            rated = along(reading.stack[1:], points[1:], v)
            facts = rated_facts(v, rated, reading.workers, space.size, 9 * space.rounds + 4)
            found = by_workers(reading, facts, self.tolerance, why)
        return self._judge(replace(state, unseen=space.unseen()), found)

    def _judge(self, state: HessianState, found: Found) -> HessianState:
        """Step by c/rho where that is proved to lower F; else a line; else end."""
        state = replace(state, found=found)
        length = 0.0 if self.rho is None else found.length(self.rho)
        if length > 0:
            w = state.w + length * found.direction
            return self._from(state, w, f"a step of {length:.3g} along negative curvature")
        if self.inexactness is None and not found.proved:
            return replace(state, phase=Line(), event="looks for a way down")
        return ended(state, found.end)

    def _line(self, state: HessianState) -> PointBlocks:
        return line_batch(state.w, state.known.direction, state.descent.gradient[0])

    def _search(self, state: HessianState, reading: Reading) -> HessianState:
        """On from the end that is proved lowest; else from one of a pair, by a fair coin."""
        changes = line_changes(reading, batch := self._line(state))
        jump = choose(changes, reading.b, state.largest, 1)
        if jump is None:
            return ended(state, state.known.end)
        way, random = jump.direction, state.random
        if jump.drawn:
            generator, random = random.draw()
            way += int(generator.integers(2))
        w = batch.blocks["ends"][way * changes.shape[1] + jump.length]
        largest = max(state.largest, jump.gain)
        return self._from(replace(state, random=random, largest=largest), w, jump.event)

    def _from(self, state: HessianState, w: Vector, event: str) -> HessianState:
        """On from w, proved to be lower."""
        descent = begin(w[None, :].astype(state.w.dtype), float(state.descent.step[0]))
        state = replace(
            state, descent=descent, escaped=state.escaped + 1, phase=Descend(), found=None,
            unseen=None, event=event,
        )  # fmt: skip
        if state.escaped >= self.max_escapes:
            return ended(state, Status(Ending.BUDGET, f"stopped after {state.escaped} escapes"))
        return state

    def status(self, state: HessianState) -> Status:
        """Running, or one of the words in the class docstring."""
        if isinstance(state.phase, Ended):
            return state.phase.status
        return Status("running", state.event)

    def point(self, state: HessianState) -> Vector:
        """(d,): the last point whose gradient was asked for and taken, or the last step's end."""
        return state.w

    def evidence(self, state: HessianState) -> Evidence | None:
        """The tolerance, and what a Krylov search says about the rest of the space."""
        found = state.found
        if not isinstance(state.phase, Ended) or found is None:
            return None
        numbers = {"v'Hv": found.value, "its upper end": found.high, "proved low": found.low}
        return Evidence(curvature_bound=state.unseen, tolerance=found.tolerance, numbers=numbers)
