"""The certificate of workers that answer gradients only, or of an oracle that is Delta-exact.

Up to 256 parameters the server asks for gradients around w, a step for every coordinate and a
second step that must agree, and takes the differences inside each worker:

    H_i e_k = (g_i(w + h_k e_k) - g_i(w - h_k e_k)) / 2 h_k, wrong by twice the distance to h_k / 4.

Beyond, a Krylov space over aggregated products finds a direction, and the workers rate it: that can
prove a saddle, never a minimum. With a known Delta that no message shows, workers prove nothing,
and the classical bound sqrt(2 d rho Delta) of aggregates is what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.claims import (
    Bracket,
    Certificate,
    CurvatureFacts,
    Demands,
    GradientFacts,
    conclude,
    failed,
)
from saddleproof.claims.conclude import ALWAYS, LOSS, RELATIVE
from saddleproof.curvature.krylov import ROUNDS, Krylov
from saddleproof.curvature.stencils import (
    Measurement,
    along,
    classical,
    line_of,
    spans,
    stencil,
    steps_of,
    wide,
)
from saddleproof.optimizers.hessian.facts import measured_facts, rated_facts
from saddleproof.optimizers.randomness import RandomKey
from saddleproof.oracle import MessageReading, Oracle, TooFewWorkers
from saddleproof.questions import Gradients
from saddleproof.words import Level

if TYPE_CHECKING:
    from saddleproof.certificate.certify import _Rounds

DELTA = "every aggregate is within delta of grad F, and grad^2 F is rho-Lipschitz"
STRAIGHT = "within the steps, twice the distance of two quotients bounds the error of the first"


def certificate(
    rounds: _Rounds,
    w: Vector,
    gradient: GradientFacts,
    demands: Demands,
    largest: int,
    seed: int | None,
) -> Certificate:
    """By differences of the workers' gradients, up to `largest` parameters; else by a direction."""
    try:
        facts, step = (
            _whole(rounds, w) if len(w) <= largest else _direction(rounds, w, RandomKey.open(seed))
        )
    except _Overflow as error:
        return failed(str(error), rounds.count)
    return conclude(
        gradient,
        facts,
        rounds.b,
        demands,
        rounds=rounds.count,
        assumptions=(ALWAYS, LOSS, STRAIGHT),
        numbers={"step": step},
    )


class _Overflow(Exception):
    """Points around w at which the workers overflow."""


def _whole(rounds: _Rounds, w: Vector) -> tuple[CurvatureFacts, float]:
    """Every worker's Hessian; steps are cut while most workers' two quotients disagree."""
    measurement = Measurement.begin(w)
    while not measurement.ended:
        reading = rounds.gradients(measurement.points)
        if reading.void.any():
            raise _Overflow("a point beside this one overflows")
        measurement = measurement.told(reading.stack, reading.verdicts.heard, reading.b)
    if measurement.best is None:
        raise _Overflow("the steps of the differences are lost beside this point")
    return measured_facts(measurement.best), measurement.share


def _direction(rounds: _Rounds, w: Vector, stream: RandomKey) -> tuple[CurvatureFacts, float]:
    """A Krylov space over aggregates proposes a direction, and the workers rate it."""
    space = Krylov.begin(stream.draw()[0], len(w))
    while space.rounds < ROUNDS and len(space.block) and space.finite:
        points = space.points(w, space.steps(w))
        space = space.grow(rounds.gradients(points), points)
    if not space.finite:
        raise _Overflow("a point beside this one overflows")
    v = space.lowest()[1]
    points = line_of(w, v)
    reading = rounds.gradients(points)
    if reading.void.any():
        raise _Overflow("a point beside this one overflows")
    rated = along(reading.stack, points, v)
    cost = 9 * space.rounds + 4
    facts = rated_facts(v, rated, reading.verdicts.heard, space.size, cost)
    return facts, float(spans(points[:2], v[None])[0]) / 2


def by_delta(
    oracle: Oracle, w: Vector, rho: float | None, delta: float, demands: Demands
) -> Certificate:
    """The classical bound, from 2 d differences of aggregates that are each within delta.

    Column k is off by at most delta/h + rho h/2, least at h = sqrt(2 delta / rho), and the whole
    matrix by sqrt(2 d rho delta).
    """
    points = w[None]
    if rho is not None:
        steps = wide(steps_of(w, float(np.finfo(w.dtype).eps)), delta, rho)
        points = np.concatenate([points, stencil(w, np.diag(steps))])
    try:
        reading, _ = oracle.ask(Gradients(points))
    except TooFewWorkers as error:
        return failed(str(error), 1)
    if not isinstance(reading, MessageReading) or reading.void.any():
        return failed("the point itself overflows", 1)
    norm = float(np.linalg.norm(reading.gradient[0]))
    bracket, size, v = Bracket(), 0.0, None
    if rho is not None:
        known = np.full(len(points) - 1, delta)
        matrix, off = classical(reading.gradient[1:], points[1:], known, rho)
        values, vectors = np.linalg.eigh(matrix)
        bracket = Bracket(float(values[0]) - off, float(values[0]) + off, "oracle")
        size, v = float(np.abs(values).max()), vectors[:, 0]
    tolerance = RELATIVE * size if demands.tolerance is None else demands.tolerance
    small = 4 * delta if demands.gradient_tolerance is None else demands.gradient_tolerance
    level, reason = _level(bracket, norm + delta, tolerance, small, size)
    return Certificate(
        level,
        reason,
        gradient_norm=norm,
        inexactness=delta,
        gradient_bound=norm + delta,
        gradient_tolerance=small,
        curvature=bracket,
        tolerance=tolerance,
        size=size,
        workers=len(reading.verdicts.heard),
        b=reading.b,
        products=len(points),
        assumptions=(DELTA,),
        rounds=1,
        v=v,
    )


def _level(
    bracket: Bracket, gradient: float, tolerance: float, small: float, size: float
) -> tuple[Level, str]:
    if bracket.high < 0:
        return Level.SADDLE, f"negative curvature is proved, lambda_min <= {bracket.high:.4g}"
    if bracket.low >= -tolerance and gradient <= small and (tolerance < size or tolerance == 0):
        return Level.PROVED, f"||grad F|| <= {gradient:.4g} and lambda_min >= {bracket.low:.4g}"
    return Level.OPEN, (
        f"lambda_min >= {bracket.low:.4g} (asked: {-tolerance:.4g}) and ||grad F|| <= "
        f"{gradient:.4g} (asked: {small:.4g}) are all that follows"
    )
