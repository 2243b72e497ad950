"""What came of one run: was the trainer trapped, or deceived?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.config.setup import Setup
from saddleproof.lab.judge import end, false_claims, honest, truth
from saddleproof.loop import Progress, Result
from saddleproof.words import Ending

#: What rounding may add to a difference of losses.
_SLACK = 1e-7
#: Status of a run that did not begin: the problem does not know what the attack needs to know.
REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """What came of one run; all of it is judged by the truth that no server knows.

    Attributes:
        left: whether it left the saddle, by the problem's own judge, as everywhere here.
        forged: whether it ended with a claim that is false of the honest workers' mean loss: a
            certificate whose gradient bound or curvature bracket does not hold, one that is
            certified although lambda_min is below minus its tolerance, or status "second_order"
            there or at a saddle that was not left.
        beyond: whether it ended above its own plain robust descent by more than the bound that it
            printed; False where it printed none.
        excess: what is left of the loss, 1 at the saddle and 0 at the minimum.
        rounds: parallel iterations, as a share of the budget.
        status: how the optimizer says that it ended.
        why: the false claims in words.
    """

    left: bool
    forged: bool
    beyond: bool
    excess: float
    rounds: float
    status: str
    why: str = ""

    @property
    def deceived(self) -> bool:
        """Whether the run said of its end what is not so."""
        return self.forged or self.beyond


class Observer:
    """A callback that notes where plain robust descent was when the run compared itself with it."""

    def __init__(self) -> None:
        self.plain: Vector | None = None
        self._before: Any = None

    def __call__(self, progress: Progress) -> None:
        """Look at the state after a round, beside the one before it."""
        before = self._before
        if getattr(before, "phase", None) == "compare":
            self.plain = before.plain.w
        self._before = progress.state


def judged(setup: Setup, result: Result, observer: Observer, liars: Iterable[int]) -> Outcome:
    """The truth about where a run ended.

    Args:
        setup: its parts.
        result: its result.
        observer: the callback that it was run with.
        liars: positions of the liars in the roster.
    """
    problem, w, lying = setup.problem, result.w, tuple(liars)
    left, excess = end(problem, w)
    why = "; ".join(_forged(setup, result, lying, left)) if np.isfinite(w).all() else ""
    beyond = observer.plain is not None and _beyond(setup, result, observer.plain, lying)
    rounds = result.rounds / setup.options.max_rounds
    return Outcome(left, bool(why), beyond, excess, rounds, result.status, why)


def _forged(setup: Setup, result: Result, liars: tuple[int, ...], left: bool) -> Iterator[str]:
    found, claims = result.certificate, result.status == Ending.SECOND_ORDER
    if found is None and not claims:
        return
    here = truth(setup.problem, result.w, honest(setup.problem.m, liars))
    if found is not None:
        yield from false_claims(found, here, setup.fleet.workers, liars)
    if claims:
        tolerance = _tolerance(setup, result)
        if tolerance is not None and here.lowest < -tolerance - here.slack:
            yield "second_order, but lambda_min is below minus the tolerance"
        if not left and here.lowest < -here.slack:
            yield "second_order, at a saddle that was not left"


def _tolerance(setup: Setup, result: Result) -> float | None:
    """eps_H of the claim: the certificate's, or where there is none the optimizer's own."""
    if result.certificate is not None:
        return float(result.certificate.tolerance)
    evidence = _evidence(setup, result)
    return None if evidence is None else evidence.tolerance


def _evidence(setup: Setup, result: Result) -> Any:
    """What the optimizer knows of its own end; None from one that says nothing."""
    evidence = getattr(setup.optimizer, "evidence", None)
    return None if evidence is None else evidence(result.state)


def _beyond(setup: Setup, result: Result, plain: Vector, liars: tuple[int, ...]) -> bool:
    evidence = _evidence(setup, result)
    numbers = {} if evidence is None else evidence.numbers
    bound = numbers.get("loss_above_plain_descent_at_most", np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        worse = setup.problem.values(result.w) - setup.problem.values(plain)
    return bool(worse[list(honest(len(worse), liars))].mean() > bound + _SLACK)
