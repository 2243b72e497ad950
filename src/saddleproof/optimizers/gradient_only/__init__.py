"""The default for workers that answer gradients only.

It goes beyond Algorithm 1 of Yin et al. (ICML 2019), which needs L, rho, Delta and F*, by three
ideas. Each is one file.

A. *One number per worker* (segments.py). "Did the loss fall from here to there?" is answered by a
   line integral of gradients inside each worker: a scalar, bounded by ranks. No dimension in it.
B. *Differences per worker* (probe.py, escape.py). Curvature, steps and escapes are judged by
   g_i(x) - g_i(y), the same worker at two points in one round: shared noise cancels, and with it
   the slab in which a coalition can hold a plain iterate.
C. *Robust descent in every batch* (trajectory.py). The unperturbed trajectory advances in every
   round, so that one last round can compare the run with plain robust gradient descent.

constants.py names every constant, machine.py says which round comes next, ending.py what a run
that found no way down suggests, which is no proof. Where workers answer questions about their
losses, `CertifiedPGD` needs a third of the rounds and proves more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import Evidence, Machine, Reading, Status
from saddleproof.optimizers.gradient_only.machine import DefaultMachine


@dataclass(frozen=True)
class GradientOnlyPGD(Machine):
    """Leaves saddle points and fake minima by gradients alone. Needs b and nothing else.

    Args:
        curvature: gamma, the least negative curvature worth leaving, in the unit of the Hessian;
            half of the typical curvature at the point unless given.
        step: eta0, a first guess of the step size; any order of magnitude will do, since one
            probe round finds the step (three at most).
        strict: return the escaped point only if it is lower than where plain robust descent got
            to, beyond the margin of the ranks; otherwise it is kept unless descent is lower.

    Status:
        no_escape_found: no way down was found; the certificate of `minimize` says what is proved,
            and turns the word into "second_order" or "saddle".
        unresolved: the budget ended while noise hid whether this is a saddle.
        budget: the budget ended before a verdict.

    Its tests compare one number a worker by ranks and two standard errors. They steer the run, and
    prove nothing about the honest mean.

    Needs b < m/3 at the start (`breakdown`): beyond it liars can blow up every rank interval. Each
    run must keep the same workers under the same names: sums over the points of a round are only
    sound when the same b workers lie in all of them. Within a round a worker must use the same data
    at all points; from round to round it may draw them afresh.

    About 30 to 65 rounds a run on problems with one saddle; per round 4 query points, 9 more in an
    escape and 24 more when it tests, whatever d.

    Reference: Yin, Chen, Ramchandran, Bartlett, ICML 2019, Algorithm 1 and Definition 1; the test
    by line integrals and the worker-wise differences are this library's own.
    """

    curvature: float | None = None
    step: float | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        check_options(self)
        for name in ("curvature", "step"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise OptionError(f"GradientOnlyPGD needs {name} > 0 and finite; got {value}")

    @cached_property
    def _machine(self) -> DefaultMachine:
        return DefaultMachine(self.curvature, 1.0 if self.step is None else self.step, self.strict)

    def init(self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None) -> Any:
        """The state before the first round; see `Optimizer.init`.

        In float64, whatever w0 is: small differences between points are what all of this rests on.
        """
        return self._machine.init(w0.astype(np.float64), seed=seed, max_rounds=max_rounds)

    def ask(self, state: Any) -> Vector:
        """(q, d) query points of the coming round; the first is where the run stands."""
        return self._machine.ask(state)

    def tell(self, state: Any, reading: Reading) -> Any:
        """The state after a round; `state` is untouched."""
        return self._machine.tell(state, reading)

    def status(self, state: Any) -> Status:
        """Running, or one of the words in the class docstring."""
        return self._machine.status(state)

    def point(self, state: Any) -> Vector:
        """(d,): what the run would return now."""
        return self._machine.point(state)

    def evidence(self, state: Any) -> Evidence | None:
        """What the failed escape says about the returned point; None before one failed there."""
        return self._machine.evidence(state)

    def breakdown(self, m: int) -> int:
        """The largest b < m/3: rank intervals then stay inside the honest range."""
        return (m - 1) // 3

    def extend(self, state: Any, max_rounds: int) -> Any:
        """Go on where the budget ended the run; see `Optimizer.extend`."""
        return self._machine.extend(state, max_rounds)
