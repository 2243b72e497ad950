"""Ask the workers for a certificate of one point: three rounds at any dimension.

    Gradients       the gradient of the honest mean, bounded
    LeastCurvature  what every worker proves of its own Hessian, and the direction that it proposes
    Curvatures      all proposals, rated by all: the upper end

Where few parameters leave the bracket open, a fourth round asks for the small Hessians themselves.
Workers that answer gradients only are asked for differences (`saddleproof.certificate.gradients`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from saddleproof import arguments
from saddleproof.aggregators.base import Aggregator, check_breakdown
from saddleproof.arrays import Vector
from saddleproof.certificate import gradients
from saddleproof.certificate.options import Budget, checked
from saddleproof.claims import (
    Certificate,
    CurvatureFacts,
    Demands,
    GradientFacts,
    conclude,
    failed,
    gradient_facts,
)
from saddleproof.claims.conclude import ALWAYS, EXACT, LOSS, SMOOTH
from saddleproof.curvature.lanczos import STEPS
from saddleproof.errors import OptionError
from saddleproof.fleets.base import Fleet
from saddleproof.oracle import AnswerReading, MessageReading, Oracle, TooFewWorkers
from saddleproof.proposals import curvature_facts, polar, polarised, proposals
from saddleproof.questions import Curvatures, Gradients, LeastCurvature, Question

#: Largest d for which hessian="auto" asks for whole Hessians where the bracket is open.
WHOLE = 32
#: Says that workers fell silent, and not that more than b were proved bad.
SILENT = "usable messages"
#: Largest d for which gradients alone give a Hessian, by 4 d differences.
DIFFERENCES = 256


def certify(
    fleet: Fleet,
    w: Vector,
    aggregator: Aggregator,
    b: int,
    *,
    tolerance: float | None = None,
    gradient_tolerance: float | None = None,
    hessian: str = "auto",
    budget: Budget | None = None,
    rho: float | None = None,
    delta: float | None = None,
    round_id: int = 0,
    timeout: float | None = None,
    excluded: Mapping[str, str] | Iterable[str] = (),
    seed: arguments.Seed = None,
    memory: object = None,
    progress: Callable[[int, int], None] | None = None,
) -> Certificate:
    """Say how nearly `w` is second-order stationary, and how sure that is (Definition 1).

    Args:
        fleet: who answers.
        w: (d,) the point.
        aggregator: the rule of g_hat.
        b: the most Byzantine workers, those in `excluded` included.
        tolerance: eps_H >= 0 of Definition 1; unless given, 0.02 times the largest curvature of
            the honest median worker.
        gradient_tolerance: eps_g >= 0; unless given, 4 Delta_hat of the rule, or how far one
            honest worker's gradient typically is from the rest, whichever is larger.
        hessian: "auto"; "whole" asks for the workers' Hessians too, which costs d (d + 1) / 2
            products a worker and gives the tightest bracket; "none" looks at the gradient alone.
        budget: what a worker may spend; see `Budget`.
        rho: Lipschitz constant of grad^2 F, of every honest F_i; with `delta` alone of use.
        delta: a known inexactness of the messages that does not show in them: all workers biased
            alike, or a Delta-oracle in place of workers. Only the bound sqrt(2 d rho delta) is
            left then, from differences of aggregates.
        round_id: number of the first round asked for.
        timeout: seconds a round may take.
        excluded: workers proved bad earlier, and why.
        seed: for experiments; None lets every worker draw its Lanczos start from fresh entropy.
        memory: what a rule with memory remembers of the run that ended at w; it is only read.
        progress: told (done, all) after every Lanczos step of workers in this process.

    Returns:
        Certificate. A fleet that cannot answer, or a point that overflows, gives level "open".

    Raises:
        BreakdownError: b is more than the rule can hold.
        OptionError: an option that cannot work.

    Cost: three rounds, of one gradient and at most `budget.products` products a worker. Up to 32
    parameters, a bracket that is still open costs a fourth round of d (d + 1) / 2 products and 3.
    """
    arguments.member("fleet", "fleet", fleet)
    w = checked(w, rho, delta, hessian, tolerance, gradient_tolerance)
    b = check_breakdown(aggregator, len(fleet.workers), b)
    timeout = arguments.seconds("timeout", timeout)
    arguments.whole("round_id", round_id)
    arguments.callback("progress", progress)
    if not isinstance(budget, Budget | None):
        raise OptionError(f"budget must be a Budget(products=...), or None; got {budget!r}")
    seed = arguments.seed_of(seed)
    if isinstance(excluded, str):
        raise OptionError(
            f"excluded must be a collection of workers' names; got the string {excluded!r}: "
            f"pass [{excluded!r}]"
        )
    reasons = excluded if isinstance(excluded, Mapping) else dict.fromkeys(excluded, "excluded")
    oracle = Oracle(fleet, aggregator, b, timeout, reasons, memory, round_id)
    oracle.announce()
    demands = Demands(tolerance, gradient_tolerance)
    if delta is not None:
        return gradients.by_delta(oracle, w, rho, delta, demands)
    with _telling(progress):
        return inspect(oracle, w, demands, hessian=hessian, budget=budget or Budget(), seed=seed)


def inspect(
    oracle: Oracle,
    w: Vector,
    demands: Demands,
    *,
    hessian: str = "auto",
    budget: Budget = Budget(),  # noqa: B008 - frozen
    seed: int | None = None,
    gradient: GradientFacts | None = None,
    curvature: CurvatureFacts | None = None,
) -> Certificate:
    """`certify` by an oracle that was announced; what is known of w already is not asked again.

    A round that fails loses nothing of what the rounds before it said.
    """
    rounds = _Rounds(oracle)
    found: Certificate | None = None
    whole_gradients = LeastCurvature not in oracle.questions
    try:
        if gradient is None:
            reading = rounds.gradients(w[None])
            if reading.void[0]:
                return failed("the point itself overflows", rounds.count)
            gradient = facts_of(reading)
        if hessian == "none":
            curvature = nothing_known(gradient.workers, len(w))
        elif whole_gradients:
            return gradients.certificate(rounds, w, gradient, demands, DIFFERENCES, seed)
        elif curvature is None:
            curvature = _curvature(rounds, w, budget, seed)
        found = _conclude(rounds, gradient, curvature, demands)
        small = hessian == "auto" and len(w) <= WHOLE and found.level not in ("proved", "saddle")
        if hessian == "whole" or small:
            curvature = _whole(rounds, w, curvature)
            found = _conclude(rounds, gradient, curvature, demands)
    except TooFewWorkers as error:
        # With more than b proved bad, what was concluded rests on nothing.
        if gradient is None or SILENT not in str(error):
            return failed(str(error), rounds.count)
        if found is None:
            nothing = nothing_known(gradient.workers, len(w))
            found = conclude(gradient, nothing, gradient.b, demands)
        return replace(
            found, reason=f"{found.reason}; the next round failed: {error}", rounds=rounds.count
        )
    return found


def facts_of(reading: MessageReading) -> GradientFacts:
    """What the workers said of their gradients at the first point of a round."""
    return gradient_facts(
        reading.stack[0],
        reading.gradient[0],
        float(reading.inexactness[0]),
        reading.verdicts.heard,
        reading.b,
    )


def nothing_known(workers: tuple[str, ...], d: int) -> CurvatureFacts:
    """No answer about any Hessian."""
    m = len(workers)
    return CurvatureFacts(
        np.full(m, -np.inf), np.zeros(m), np.empty((0, m)), np.empty((0, d)), workers,
        np.empty((0, 0, 0)), np.empty(0),
    )  # fmt: skip


class _Rounds:
    """The oracle from round to round, and how many there were."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        self.count = 0

    @property
    def b(self) -> int:
        """The most Byzantine of those that are still heard."""
        return self.oracle.left

    def ask(self, question: Question) -> MessageReading | AnswerReading:
        """One round."""
        reading, self.oracle = self.oracle.ask(question)
        # A rule with memory must not learn from a certificate's rounds.
        self.count += 1
        return reading

    def gradients(self, points: Vector) -> MessageReading:
        """A round of gradients."""
        reading = self.ask(Gradients(points))
        if not isinstance(reading, MessageReading):
            raise TypeError("gradients were asked for")
        return reading

    def answers(self, question: Question) -> AnswerReading:
        """A round of any other question."""
        reading = self.ask(question)
        if not isinstance(reading, AnswerReading):
            raise TypeError("numbers were asked for")
        return reading


def _curvature(rounds: _Rounds, w: Vector, budget: Budget, seed: int | None) -> CurvatureFacts:
    """PROPOSE and VERIFY."""
    w = np.asarray(w, dtype=float)
    m = len(rounds.oracle.fleet.workers)
    steps, rated = budget.split(m, rounds.oracle.b)
    question = LeastCurvature(w, steps, budget.risk / m, budget.seconds, seed)
    said = rounds.answers(question)
    directions = proposals(said.stack, rated)
    found = rounds.answers(Curvatures(w, directions))
    return curvature_facts(
        (said.workers, said.stack), (found.workers, found.stack), directions, question
    )


def _whole(rounds: _Rounds, w: Vector, known: CurvatureFacts) -> CurvatureFacts:
    """The workers' Hessians themselves, by polarisation."""
    d = len(w)
    said = rounds.answers(Curvatures(np.asarray(w, dtype=float), polar(d)))
    return polarised(known, said.workers, said.stack)


def _conclude(
    rounds: _Rounds, gradient: GradientFacts, curvature: CurvatureFacts, demands: Demands
) -> Certificate:
    return conclude(
        gradient,
        curvature,
        rounds.b,
        demands,
        rounds=rounds.count,
        assumptions=(ALWAYS, LOSS, SMOOTH, EXACT),
    )


def _telling(progress: Callable[[int, int], None] | None) -> AbstractContextManager[Any]:
    return nullcontext() if progress is None else _Told(progress)


class _Told(AbstractContextManager[None]):
    """Lanczos runs in this process tell `progress` of every step."""

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self._progress = progress

    def __enter__(self) -> None:
        self._token = STEPS.set(self._progress)

    def __exit__(self, *_: object) -> None:
        STEPS.reset(self._token)
