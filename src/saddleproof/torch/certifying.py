"""The certificate at the end of training: whether it is worth its cost."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from saddleproof.aggregators.base import Aggregator
from saddleproof.arrays import Vector
from saddleproof.certificate import Budget, Demands, inspect
from saddleproof.checkpoint import RoundRecord
from saddleproof.claims import failed
from saddleproof.curvature.lanczos import STEPS
from saddleproof.fleets.base import Fleet
from saddleproof.loop import judged
from saddleproof.optimizers.base import Evidence, Status
from saddleproof.oracle import Oracle
from saddleproof.result import Result
from saddleproof.torch.problem import TorchProblem
from saddleproof.torch.telling import steps

_log = logging.getLogger(__name__)
#: One exact Hessian-vector product costs at most so many gradients of the same rows.
GRADIENTS = 2.5
#: Multiplications that take about a second: parameters times rows times products.
NOTHING = 2e9


def cost(problem: TorchProblem, budget: Budget) -> float:
    """What a certificate costs every worker, in gradients on all its rows."""
    return GRADIENTS * min(budget.products, problem.d * 1.5 + 10) + 1


def worth_it(problem: TorchProblem, trace: Sequence[RoundRecord], budget: Budget) -> str:
    """Empty where a certificate costs no more than training did; else the sentence that says so."""
    rows = max(len(shard[0]) for shard in problem.shards)
    share = 1.0 if problem.batch_size is None else min(problem.batch_size / rows, 1.0)
    asked_of = [1 - len(record.absent) / problem.m for record in trace]  # the share of the workers
    spent = (
        share
        * problem.steps
        * sum(record.queries * part for record, part in zip(trace, asked_of, strict=True))
    )
    asked = cost(problem, budget)
    if asked <= spent or asked * problem.d * rows * problem.m <= NOTHING:
        return ""
    return (
        f"not certified: that would cost a worker as much as {asked:.0f} gradients on all rows, "
        f"and training cost {spent:.0f}; ask for it with certify=True"
    )


def certificate_of(
    fleet: Fleet,
    w: Vector,
    aggregator: Aggregator,
    b: int,
    found: Result,
    evidence: Evidence | None,
    budget: Budget,
    *,
    seed: int | None,
    progress: bool,
    assumptions: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The certificate of a trained model, with the status that it makes of the run's.

    A failure or Ctrl-C in here loses nothing: the model is trained, and the certificate says why it
    is open.
    """
    known = evidence or Evidence()
    oracle = Oracle(fleet, aggregator, b, excluded=found.excluded, round=found.rounds)
    oracle.announce()
    title = f"certifying, about {GRADIENTS * budget.products:.0f} gradients on all rows a worker"
    _log.info(title)
    try:
        with steps(title, budget.products, shown=progress) as bar:
            token = STEPS.set(None if bar is None else lambda *_: bar.advance())
            try:
                certificate = inspect(
                    oracle, w, Demands(tolerance=known.tolerance), budget=budget, seed=seed
                )
            finally:
                STEPS.reset(token)
    except KeyboardInterrupt:
        certificate = failed("interrupted while the model was certified")
    except Exception as error:  # noqa: BLE001 - whatever happens here, the model is trained
        certificate = failed(f"certifying failed: {type(error).__name__}: {error}")
    certificate = replace(certificate, assumptions=(*certificate.assumptions, *assumptions))
    status = judged(Status(found.status, found.message), certificate)
    return {"certificate": certificate, "status": status.name, "message": status.message}
