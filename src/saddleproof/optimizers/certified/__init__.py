"""The default: propose and verify. The workers are asked about their own losses.

    DESCEND   robust gradient descent, until the gradient is lost in its inexactness
    PROPOSE   every worker proposes the direction of least curvature of its own loss
    VERIFY    every worker rates all proposals: the bracket of lambda_min at this point
    LINE      every worker says how its loss changes along the best of them, and along gradients
              a decrease that is proved: jump there, DESCEND;  none: ENDED

Liars can add bad proposals, and lie in b of m ratings. They cannot forge a decrease: a jump lowers
the loss of the honest mean, proved, or that of more than half of the honest workers, proved, and
the trace says which. Each phase is a value in a file of its own; `NEXT` is what may follow on what.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arguments import check_options, seed_of
from saddleproof.arrays import Vector
from saddleproof.claims import Demands, conclude
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import Evidence, Machine, Status
from saddleproof.optimizers.certified.descend import Descend
from saddleproof.optimizers.certified.line import Ended, Line, Stride
from saddleproof.optimizers.certified.propose import Propose, Verify
from saddleproof.optimizers.certified.run import Run
from saddleproof.optimizers.randomness import RandomKey
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature, Question
from saddleproof.words import Ending

#: What may follow on what.
NEXT: dict[type, set[type]] = {
    Descend: {Descend, Stride, Propose},
    Stride: {Descend, Propose},
    Propose: {Verify},
    Verify: {Line},
    Line: {Line, Descend, Ended},
    Ended: set(),
}


@dataclass(frozen=True)
class CertifiedState:
    """The state of `CertifiedPGD`.

    Attributes:
        run: what all phases share.
        phase: what the coming round is for.
    """

    run: Run
    phase: Descend | Stride | Propose | Verify | Line | Ended


@dataclass(frozen=True)
class CertifiedPGD(Machine):
    """Leaves saddle points and fake minima, and says what is proved. Needs b and nothing else.

    Args:
        curvature: eps_H, the negative curvature that status "second_order" allows, in the unit of
            the Hessian; 0.02 times the largest curvature of the honest median worker unless given.
        step: eta_0, the first step of the descent; found by a line search unless given.

    Raises:
        OptionError: an option is not positive.

    Status:
        second_order: the gradient is small and lambda_min >= -curvature, proved about the honest
            mean.
        conditional: the same, if the workers that the message names are among the liars.
        saddle: negative curvature is proved, and no way down was found.
        open: neither; the message is the bracket.
        budget: the rounds ended first.

    Every bound holds for any b below the rule's own breakdown point. From m/3 on, liars can deny
    every bound by quiet answers.

    About 10 to 30 rounds on problems with one saddle, a third of which ask for one gradient and the
    rest for numbers; a `LeastCurvature` round costs a worker up to 60 Hessian-vector products.

    Reference: Yin, Chen, Ramchandran, Bartlett, ICML 2019, Definition 1; propose and verify is this
    library's own.
    """

    curvature: float | None = None
    step: float | None = None

    questions = (Gradients, Changes, Curvatures, LeastCurvature)
    takes_back = True

    def __post_init__(self) -> None:
        check_options(self)
        for name in ("curvature", "step"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise OptionError(f"CertifiedPGD needs {name} > 0 and finite; got {value}")

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> CertifiedState:
        """The state before the first round; see `Optimizer.init`.

        In float64, whatever w0 is: small differences of losses are what all of this rests on.
        """
        w = np.asarray(w0, dtype=np.float64)
        seed = seed_of(seed)
        run = Run(w, RandomKey.open(seed), seed, step=self.step or 0.0)
        return CertifiedState(run, Descend.afresh(w))

    def ask(self, state: CertifiedState) -> Question:
        """The coming round's question."""
        if isinstance(state.phase, Ended):
            raise OptionError("this run has ended; it asks nothing")
        return state.phase.question(state.run)

    def tell(self, state: CertifiedState, reading: Any) -> CertifiedState:
        """The state after a round; `state` is untouched."""
        if isinstance(state.phase, Ended):
            raise OptionError("this run has ended; it can be told nothing")
        return CertifiedState(*state.phase.next(state.run, reading))

    def status(self, state: CertifiedState) -> Status:
        """Running, or one of the words in the class docstring."""
        if not isinstance(state.phase, Ended):
            return Status("running", state.run.event)
        gradient, curvature = state.run.facts, state.run.curvature
        if gradient is None or curvature is None:
            return Status(Ending.OPEN, "the run ended where nothing was asked")
        found = conclude(gradient, curvature, gradient.b, Demands(tolerance=self.curvature))
        return Status(found.level.ending, found.reason)

    def point(self, state: CertifiedState) -> Vector:
        """(d,): what the run would return now."""
        return state.run.w

    def evidence(self, state: CertifiedState) -> Evidence:
        """What the workers said of the point that the run stands at."""
        run = state.run
        return Evidence(tolerance=self.curvature, gradient=run.facts, curvature=run.curvature)


__all__ = ["NEXT", "CertifiedPGD", "CertifiedState"]
