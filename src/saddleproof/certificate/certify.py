"""Ask the workers for a certificate of one point: one round, two when rho is used."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from saddleproof import oracle
from saddleproof.aggregators.base import Aggregator
from saddleproof.arrays import Vector
from saddleproof.certificate.hessian import (
    Bracket,
    by_oracle,
    difference_points,
    worker_hessians,
)
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
) -> Certificate:
    """Say how nearly `w` is second-order stationary, and how sure that is (Definition 1).

    ||grad F(w)|| <= ||g_hat|| + Delta_hat, and brackets of lambda_min(grad^2 F(w)) from 2d central
    differences in the same batch, worker by worker; see `saddleproof.certificate.hessian`.

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
        hessian: "full", "none", or "auto": full for d <= 256.
        round_id: number of the first round asked for.
        timeout: seconds a round may take.
        excluded: workers proved bad earlier.
        tolerance: eps_H of Definition 1; unless given, that of `evidence`, else 0.01 ||H_hat||_2.

    Returns:
        Certificate. A fleet that cannot answer, or a point that overflows, gives level "none".

    Raises:
        OptionError: an option that cannot work.

    Cost: 2d + 1 gradients a worker in one round; O(m d^3) for the eigenvalues.
    """
    _check(w, rho, delta, hessian, tolerance)
    fleet.announce(Announcement(aggregator.estimates, b))
    full = hessian == "full" or (hessian == "auto" and len(w) <= FULL_HESSIAN)
    step = float(np.finfo(w.dtype).eps) ** (1 / 3) * max(1.0, float(np.abs(w).max()))
    ask = _Questions(fleet, aggregator, b, round_id, timeout, tuple(excluded))
    points = difference_points(w, step) if full else w[None]
    try:
        reading = ask(points)
    except oracle.TooFewWorkers as error:
        return Certificate("none", str(error), rounds=ask.rounds)
    if reading.void[0]:
        return Certificate("none", "the point itself overflows", rounds=ask.rounds)

    norm = float(np.linalg.norm(reading.gradient[0]))
    inexactness = max(float(reading.inexactness[0]), delta or 0.0)
    found = _Curvature() if delta is not None else _Curvature(assumptions=(_ALWAYS, _LOSS))
    if full and delta is None and not reading.void.any():
        found = _from_workers(found, reading, points, rho)
    if full and rho is not None and np.isfinite(inexactness):
        with contextlib.suppress(oracle.TooFewWorkers):  # then the first round has to do
            wide = difference_points(w, max(step, (2 * inexactness / rho) ** 0.5))
            found = _from_oracle(found, ask(wide), wide, rho, delta or 0.0)

    v, size, numbers = None, 0.0, {"step": step} if full else {}
    if found.estimate is not None and np.isfinite(found.estimate).all():
        eigenvalues, vectors = np.linalg.eigh(found.estimate)
        v, size = vectors[:, 0], float(np.abs(eigenvalues).max())
        numbers |= {"lambda_min(H_hat)": float(eigenvalues[0]), "||H_hat||": size}
    if tolerance is None:
        asked = None if evidence is None else evidence.tolerance
        tolerance = RELATIVE * size if asked is None else asked
    stationary = norm <= STATIONARY * inexactness + size * step
    level, reason = verdict(found.brackets, tolerance, size, evidence)
    if level == "proved" and not stationary:
        reason += ", but the gradient is not small against its inexactness"
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
        assumptions=(*found.assumptions, *failed.assumptions),
        numbers=numbers | failed.numbers,
        rounds=ask.rounds,
        v=v,
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
        )
        self.excluded += tuple(reading.verdicts.charged)
        return reading


@dataclass(frozen=True)
class _Curvature:
    """What is known about the Hessian: H_hat, brackets of lambda_min, what they rest on."""

    estimate: Vector | None = None
    brackets: tuple[Bracket, ...] = ()
    assumptions: tuple[str, ...] = ()


def _from_workers(
    known: _Curvature, reading: oracle.MessageReading, points: Vector, rho: float | None
) -> _Curvature:
    workers = worker_hessians(reading.stack, points, reading.b, rho)
    estimate = workers.median
    v = np.linalg.eigh(estimate)[1][:, 0]
    brackets = (workers.by_entries(), workers.by_eigenvalues(), workers.along(v))
    denial = (_DENIAL,) if inflatable(reading.stack.shape[1], reading.b) else ()
    return _Curvature(estimate, brackets, (*known.assumptions, _RANKS, _SMOOTH, *denial))


def _from_oracle(
    known: _Curvature, reading: oracle.MessageReading, points: Vector, rho: float, delta: float
) -> _Curvature:
    bounds = np.maximum(reading.inexactness, delta)
    estimate, bracket = by_oracle(reading.gradient, bounds, points, rho)
    return _Curvature(
        estimate if known.estimate is None else known.estimate,
        (*known.brackets, bracket),
        (*known.assumptions, _DELTA),
    )


def _check(
    w: Vector, rho: float | None, delta: float | None, hessian: str, tolerance: float | None
) -> None:
    if w.ndim != 1 or not np.isfinite(w).all():
        raise OptionError(f"w must be a finite vector (d,); got shape {w.shape}")
    if hessian not in ("auto", "full", "none"):
        raise OptionError(f"hessian is 'auto', 'full' or 'none'; got {hessian!r}")
    if rho is not None and not 0 < rho < np.inf:
        raise OptionError(f"rho must be positive and finite; got {rho}. Leave it out if unknown")
    if delta is not None and not 0 <= delta < np.inf:
        raise OptionError(f"delta must be nonnegative and finite; got {delta}")
    if tolerance is not None and not tolerance >= 0:
        raise OptionError(f"tolerance (eps_H) must be nonnegative; got {tolerance}")
