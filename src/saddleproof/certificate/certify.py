"""Ask the workers for a certificate of one point: one round, two with rho, 13 beyond small d.

Workers that compute in float32 and send float64 are asked once more, with a wider step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from saddleproof import oracle
from saddleproof.aggregators.base import Aggregator
from saddleproof.arrays import Vector
from saddleproof.certificate.hessian import (
    Bracket,
    best_step,
    by_oracle,
    difference_points,
    precision,
    worker_hessians,
)
from saddleproof.certificate.krylov import search
from saddleproof.certificate.record import Certificate, verdict
from saddleproof.errors import OptionError
from saddleproof.fleets.base import Announcement, Fleet
from saddleproof.optimizers.base import Evidence
from saddleproof.ranks import inflatable

#: Largest d for which hessian="auto" asks for the 2d points of a full Hessian.
FULL_HESSIAN = 256
#: Default eps_H over ||H_hat||_2. Scale-free: gradient descent at step 1/L needs 1/RELATIVE steps
#: to leave such a direction by a factor e, so at 0.01 the rest is flat for a hundred steps.
RELATIVE = 0.01
#: The paper's epsilon over Delta (Theorem 3): a gradient below it cannot be told from zero.
STATIONARY = 3.0

_ALWAYS = "at most b workers lie, and they are the same ones at all points of a round"
_LOSS = (
    "F is the pooled loss of the honest workers; a bias that all of them share does not show in "
    "any message"
)
_RANKS = (
    "ranks alone prove bounds of the honest workers' median of each number; two standard errors "
    "(one standard deviation for the direction) carry it to their mean: statistics, for honest "
    "values without strong skew"
)
_SMOOTH = "every honest F_i is twice differentiable, its Hessian entries monotone within the step"
_STRAIGHT = "along v, every honest F_i's second derivative is monotone within the step"
_DENIAL = "b >= m/3: the bounds hold, but liars can widen them at will and so deny the certificate"
_DELTA = "every aggregate is within its inexactness Delta of grad F, and grad^2 F is rho-Lipschitz"


def certify(
    fleet: Fleet,
    w: Vector,
    aggregator: Aggregator,
    b: int,
    *,
    evidence: Evidence | None = None,
    rho: float | None = None,
    delta: float | None = None,
    hessian: str = "auto",
    round_id: int = 0,
    timeout: float | None = None,
    excluded: Collection[str] = (),
    tolerance: float | None = None,
    seed: int | None = None,
    memory: object = None,
) -> Certificate:
    """Say how nearly `w` is second-order stationary, and how sure that is (Definition 1).

    ||grad F(w)|| <= ||g_hat|| + Delta_hat, and brackets of lambda_min(grad^2 F(w)) from 2d central
    differences in the same batch, worker by worker; see `saddleproof.certificate.hessian`. Beyond
    small d a Krylov space takes their place: it can prove a saddle, never a minimum; see
    `saddleproof.certificate.krylov`.

    Args:
        fleet: who answers.
        w: (d,) the point.
        aggregator: the rule of g_hat.
        b: the most Byzantine workers, those in `excluded` included.
        evidence: what the optimizer knows of failed escapes at this very point.
        rho: Lipschitz constant of the Hessian, of every honest F_i; adds the classical bound
            sqrt(2 d rho Delta), at one more round.
        delta: a known inexactness of the messages that does not show in them: all workers biased
            alike, or a Delta-oracle in place of workers. Only the classical bound is left then.
        hessian: "full", "krylov", "none", or "auto": full for d <= 256, krylov beyond. A Krylov
            space gives level "witness" or "evidence", never "proved".
        round_id: number of the first round asked for.
        timeout: seconds a round may take.
        excluded: workers proved bad earlier.
        tolerance: eps_H of Definition 1; unless given, that of `evidence`, else 0.01 ||H_hat||_2.
        seed: for experiments; None draws a Krylov space's start from fresh entropy.
        memory: what a rule with memory remembers of the run that ended at w; it is only read.

    Returns:
        Certificate. A fleet that cannot answer, or a point that overflows, gives level "none".

    Raises:
        OptionError: an option that cannot work.

    Cost: 2d + 1 gradients a worker in one round, O(m d^3) for the eigenvalues; with a Krylov
    space 9 gradients a worker in each of 12 rounds, and 3 in one more.
    """
    _check(w, rho, delta, hessian, tolerance)
    fleet.announce(Announcement(aggregator.estimates, b))
    ask = _Questions(fleet, aggregator, b, round_id, timeout, tuple(excluded), memory)
    method = hessian
    if hessian == "auto":
        method = "full" if len(w) <= FULL_HESSIAN else "krylov"
    step = best_step(w, float(np.finfo(w.dtype).eps))
    try:
        if method == "full":
            reading, found = _full(ask, w, step, rho, delta)
        elif method == "krylov" and (delta is None or rho is not None):
            reading, found = _krylov(ask, w, step, rho, delta, seed)
        else:  # a Delta that does not show bounds no product without rho
            reading, found = ask(w[None]), _Curvature()
    except oracle.TooFewWorkers as error:
        return Certificate("none", str(error), rounds=ask.rounds)
    if reading.void[0]:
        return Certificate("none", "the point itself overflows", rounds=ask.rounds)

    with np.errstate(over="ignore"):  # a float32 of 1e20 has no square
        norm = float(np.linalg.norm(reading.gradient[0]))
    inexactness = max(float(reading.inexactness[0]), delta or 0.0)
    if tolerance is None:
        asked = None if evidence is None else evidence.tolerance
        tolerance = RELATIVE * found.size if asked is None else asked
    known = bool(np.isfinite(inexactness))  # an unknown Delta makes no gradient small
    stationary = known and norm <= STATIONARY * inexactness + found.size * step
    level, reason = verdict(found.brackets, tolerance, found.size, evidence, found.lanczos)
    if level == "proved" and not stationary:
        small = "not small against its inexactness" if known else "of unknown inexactness"
        reason += f", but the gradient is {small}"
    basis = () if delta is not None else (_ALWAYS, _LOSS)
    failed = evidence if level == "evidence" and evidence is not None else Evidence()
    return Certificate(
        level,
        reason,
        gradient_norm=norm,
        inexactness=inexactness,
        stationary=stationary,
        brackets=found.brackets,
        tolerance=tolerance,
        evidence=evidence,
        lanczos=found.lanczos,
        assumptions=(*basis, *found.assumptions, *failed.assumptions),
        numbers=found.numbers | failed.numbers,
        rounds=ask.rounds,
        v=found.v,
    )


@dataclass
class _Questions:
    """Rounds of the fleet, counted; who is proved bad in one is not heard in the next."""

    fleet: Fleet
    aggregator: Aggregator
    b: int
    round_id: int
    timeout: float | None
    excluded: tuple[str, ...]
    memory: object = None
    rounds: int = 0

    def __call__(self, points: Vector) -> oracle.MessageReading:
        messages = self.fleet.round(
            points, round_id=self.round_id + self.rounds, timeout=self.timeout
        )
        self.rounds += 1
        reading = oracle.read(
            messages,
            self.aggregator,
            self.b,
            points=points,
            workers=self.fleet.workers,
            excluded=self.excluded,
            memory=self.memory,
        )
        self.excluded += tuple(reading.verdicts.charged)
        return reading


@dataclass(frozen=True)
class _Curvature:
    """What is known about the Hessian; each field as in `Certificate`.

    Attributes:
        size: ||H_hat||_2.
    """

    brackets: tuple[Bracket, ...] = ()
    assumptions: tuple[str, ...] = ()
    v: Vector | None = None
    size: float = 0.0
    lanczos: Evidence | None = None
    numbers: dict[str, float] = field(default_factory=dict)


def _full(
    ask: _Questions, w: Vector, step: float, rho: float | None, delta: float | None
) -> tuple[oracle.MessageReading, _Curvature]:
    """2d points about w; with rho, another 2d at the step of the classical bound."""
    points = difference_points(w, step)
    reading = ask(points)
    if (least := best_step(w, precision(reading.stack))) > step:  # float32 in float64's clothes
        step, points = least, difference_points(w, least)
        reading = ask(points)
    estimates: list[Vector] = []
    brackets: list[Bracket] = []
    assumptions: tuple[str, ...] = ()
    if delta is None and not reading.void.any():
        workers = worker_hessians(reading.stack, points, reading.b, rho)
        estimates.append(workers.median)
        lowest = np.linalg.eigh(workers.median)[1][:, 0]
        brackets += [workers.by_entries(), workers.by_eigenvalues(), workers.along(lowest)]
        assumptions = (_RANKS, _SMOOTH, *_denial(reading))
    inexactness = max(float(reading.inexactness[0]), delta or 0.0)
    if rho is not None and np.isfinite(inexactness) and not reading.void[0]:
        with contextlib.suppress(oracle.TooFewWorkers):  # then the first round has to do
            wide = difference_points(w, max(step, (2 * inexactness / rho) ** 0.5))
            again = ask(wide)
            bounds = np.maximum(again.inexactness, delta or 0.0)
            estimate, bracket = by_oracle(again.gradient, bounds, wide, rho)
            estimates.append(estimate)
            brackets.append(bracket)
            assumptions = (*assumptions, _DELTA)
    numbers = {"step": step}
    v, size = None, 0.0
    if estimates and np.isfinite(estimates[0]).all():
        eigenvalues, vectors = np.linalg.eigh(estimates[0])
        v, size = vectors[:, 0], float(np.abs(eigenvalues).max())
        numbers |= {"lambda_min(H_hat)": float(eigenvalues[0]), "||H_hat||": size}
    return reading, _Curvature(tuple(brackets), assumptions, v, size, None, numbers)


def _krylov(
    ask: _Questions,
    w: Vector,
    step: float,
    rho: float | None,
    delta: float | None,
    seed: int | None,
) -> tuple[oracle.MessageReading, _Curvature]:
    """Some rounds of block Lanczos, and one for the direction that comes out."""
    error = None
    if delta is not None and rho is not None:
        step = max(step, (2 * delta / rho) ** 0.5)
        error = delta / step + rho * step / 2
    reading, seen = search(ask, w, step, error, seed)
    if seen is None:
        return reading, _Curvature()
    basis = (_DELTA,) if error is not None else (_RANKS, _STRAIGHT, *_denial(reading))
    return reading, _Curvature(
        brackets=() if seen.bracket is None else (seen.bracket,),
        assumptions=(*basis, *seen.evidence.assumptions),
        v=seen.v,
        size=seen.space.size,
        lanczos=seen.evidence,
        numbers={"step": seen.step} | seen.evidence.numbers,
    )


def _denial(reading: oracle.MessageReading) -> tuple[str, ...]:
    return (_DENIAL,) if inflatable(reading.stack.shape[1], reading.b) else ()


def _check(
    w: Vector, rho: float | None, delta: float | None, hessian: str, tolerance: float | None
) -> None:
    if w.ndim != 1 or not np.isfinite(w).all():
        raise OptionError(f"w must be a finite vector (d,); got shape {w.shape}")
    if hessian not in ("auto", "full", "krylov", "none"):
        raise OptionError(f"hessian is 'auto', 'full', 'krylov' or 'none'; got {hessian!r}")
    if rho is not None and not 0 < rho < np.inf:
        raise OptionError(f"rho must be positive and finite; got {rho}. Leave it out if unknown")
    if delta is not None and not 0 <= delta < np.inf:
        raise OptionError(f"delta must be nonnegative and finite; got {delta}")
    if tolerance is not None and not tolerance >= 0:
        raise OptionError(f"tolerance (eps_H) must be nonnegative; got {tolerance}")
