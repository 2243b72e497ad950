"""The certificate of workers that answer gradients only, or of an oracle that is Delta-exact.

Up to 256 parameters the server asks for gradients around w, a step for every coordinate and a
second step that must agree, and takes the differences inside each worker:

    H_i e_k = (g_i(w + h_k e_k) - g_i(w - h_k e_k)) / 2 h_k,    wrong by twice the distance to h_k / 4.

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
from saddleproof.curvature import differences
from saddleproof.optimizers.krylov import ROUNDS, Krylov
from saddleproof.optimizers.randomness import Stream
from saddleproof.oracle import MessageReading, Oracle, TooFewWorkers
from saddleproof.questions import Gradients
from saddleproof.words import Level

if TYPE_CHECKING:
    from saddleproof.certificate.certify import _Rounds

DELTA = "every aggregate is within delta of grad F, and grad^2 F is rho-Lipschitz"
STRAIGHT = "within the steps, twice the distance of two quotients bounds the error of the first"
#: Rounds of smaller and smaller steps, and the disagreement of two quotients that ends them.
TRIES, AGREE = 6, 1e-3
_EPS = float(np.finfo(float).eps)


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
            _whole(rounds, w) if len(w) <= largest else _direction(rounds, w, Stream.open(seed))
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


def steps_of(w: Vector, eps: float) -> Vector:
    """(d,) h_k = eps^(1/3) max(1, |w_k|)."""
    steps: Vector = eps ** (1 / 3) * np.maximum(1.0, np.abs(w))
    return steps


def points_of(w: Vector, steps: Vector) -> Vector:
    """(4 d, d): w + h_k e_k, w - h_k e_k, and the same with h_k / 4."""
    moves = np.diag(steps)
    points: Vector = np.concatenate([w + moves, w - moves, w + moves / 4, w - moves / 4])
    return points.astype(w.dtype)


def worker_hessians(stack: Vector, points: Vector) -> tuple[Vector, Vector]:
    """(m, d, d) symmetric Hessians, and (m,) bounds of the 2-norm of their errors.

    Args:
        stack: (4 d, m, d) gradients.
        points: (4 d, d) of `points_of`.
    """
    d = points.shape[1]
    stack, points = np.asarray(stack, dtype=float), np.asarray(points, dtype=float)
    ahead, behind, near, below = (np.diagonal(points[k * d : (k + 1) * d]) for k in range(4))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        far = (stack[:d] - stack[d : 2 * d]) / (ahead - behind)[:, None, None]
        close = (stack[2 * d : 3 * d] - stack[3 * d :]) / (near - below)[:, None, None]
        columns = np.moveaxis(far, 1, 0)  # (m, d, d), column k in row k
        noise = 16 * _EPS * np.abs(stack).max(axis=(0, 2)) * np.sqrt(d) / (ahead - behind).min()
        wrong = 2 * np.linalg.norm(far - close, axis=(0, 2)) + noise
        matrices = columns / 2 + np.swapaxes(columns, 1, 2) / 2
        errors = wrong + np.linalg.norm(columns - matrices, axis=(1, 2))
    lost = ~(np.isfinite(matrices).all(axis=(1, 2)) & np.isfinite(errors))
    matrices[lost], errors[lost] = 0.0, np.inf
    return matrices, errors


def _whole(rounds: _Rounds, w: Vector) -> tuple[CurvatureFacts, float]:
    """Every worker's Hessian; steps are cut while most workers' two quotients disagree."""
    eps, share = float(np.finfo(w.dtype).eps), 1.0
    best: CurvatureFacts | None = None
    for _ in range(TRIES):
        points = points_of(w, share * steps_of(w, eps))
        if (points == w).all(axis=1).any():
            break
        reading = rounds.gradients(points)
        if reading.void.any():
            raise _Overflow("a point beside this one overflows")
        if share == 1.0 and _single(reading.stack) and eps < float(np.finfo(np.float32).eps):
            eps = float(np.finfo(np.float32).eps)
            continue
        matrices, errors = worker_hessians(reading.stack, points)
        facts = _facts(matrices, errors, reading)
        if best is None or np.median(errors) < np.median(best.errors):
            best = facts
        elif np.median(errors) > 16 * np.median(best.errors):
            break
        if np.median(errors) <= AGREE * facts.size(reading.b):
            break
        share *= differences.CUT
    if best is None:
        raise _Overflow("the steps of the differences are lost beside this point")
    return best, share


def _single(stack: Vector) -> bool:
    """Whether most workers compute in float32."""
    short = [differences.precision(stack[:, i]) > _EPS for i in range(stack.shape[1])]
    return 2 * sum(short) > len(short)


def _facts(matrices: Vector, errors: Vector, reading: MessageReading) -> CurvatureFacts:
    values = np.linalg.eigvalsh(matrices)
    v = np.linalg.eigh(np.median(matrices, axis=0))[1][:, :1].T
    along = np.einsum("pi,mij,pj->pm", v, matrices, v) + errors
    return CurvatureFacts(
        lows=np.where(np.isfinite(errors), values[:, 0] - errors, -np.inf),
        tops=values[:, -1],
        highs=along,
        directions=v,
        workers=reading.verdicts.heard,
        matrices=matrices,
        errors=errors,
        products=4 * len(matrices[0]),
    )


def _direction(rounds: _Rounds, w: Vector, stream: Stream) -> tuple[CurvatureFacts, float]:
    """A Krylov space over aggregates proposes a direction, and the workers rate it."""
    eps = float(np.finfo(w.dtype).eps)
    step = float(eps ** (1 / 3)) * max(1.0, float(np.median(np.abs(w))))
    space = Krylov.begin(stream.draw()[0], len(w))
    while space.rounds < ROUNDS and len(space.block) and space.finite:
        space = space.grow(rounds.gradients(space.points(w, step)), w, step)
    if not space.finite:
        raise _Overflow("a point beside this one overflows")
    v = space.lowest()[1]
    lengths = differences.first_step(w, v, eps) * np.array([1.0, -1.0, 0.25, -0.25])
    points = (w + lengths[:, None] * v).astype(w.dtype)
    reading = rounds.gradients(points)
    if reading.void.any():
        raise _Overflow("a point beside this one overflows")
    highs, error = _along(np.asarray(reading.stack, dtype=float), points, v)
    m = len(reading.verdicts.heard)
    return CurvatureFacts(
        lows=np.full(m, -np.inf),
        tops=np.full(m, space.size),
        highs=(highs + error)[None],
        directions=v[None],
        workers=reading.verdicts.heard,
        matrices=np.empty((0, 0, 0)),
        errors=np.empty(0),
        products=9 * space.rounds + 4,
    ), step


@np.errstate(over="ignore", invalid="ignore")
def _along(stack: Vector, points: Vector, v: Vector) -> tuple[Vector, Vector]:
    """(m,) v'H_i v by differences, and (m,) bounds of their errors."""
    points = np.asarray(points, dtype=float)
    spans = (points[0] - points[1]) @ v, (points[2] - points[3]) @ v
    slopes = stack @ v
    far, near = (slopes[0] - slopes[1]) / spans[0], (slopes[2] - slopes[3]) / spans[1]
    eps = np.array([differences.precision(stack[:, i]) for i in range(stack.shape[1])])
    noise = 16 * eps * np.abs(stack).max(axis=(0, 2)) * np.sqrt(len(v)) / spans[1]
    error = 2 * np.abs(far - near) + noise
    return np.nan_to_num(far), np.nan_to_num(error, nan=np.inf)


def by_delta(
    oracle: Oracle, w: Vector, rho: float | None, delta: float, demands: Demands
) -> Certificate:
    """The classical bound, from 2 d differences of aggregates that are each within delta.

    Column k is off by at most delta/h + rho h/2, least at h = sqrt(2 delta / rho), and the whole
    matrix by sqrt(2 d rho delta).
    """
    d = len(w)
    moves = np.eye(d) * max(
        float(steps_of(w, float(np.finfo(w.dtype).eps)).max()),
        0.0 if rho is None else float(np.sqrt(2 * delta / rho)),
    )
    points = w[None] if rho is None else np.concatenate([w[None], w + moves, w - moves])
    try:
        reading, _ = oracle.ask(Gradients(points.astype(w.dtype)))
    except TooFewWorkers as error:
        return failed(str(error), 1)
    if reading.void.any():
        return failed("the point itself overflows", 1)
    norm = float(np.linalg.norm(reading.gradient[0]))
    bracket, size, v = Bracket(), 0.0, None
    if rho is not None:
        spans = 2 * np.diagonal(moves)
        columns = (reading.gradient[1 : d + 1] - reading.gradient[d + 1 :]) / spans[:, None]
        matrix = columns / 2 + columns.T / 2
        values, vectors = np.linalg.eigh(matrix)
        error = float(np.linalg.norm(2 * delta / spans + rho * spans / 4))
        bracket = Bracket(float(values[0]) - error, float(values[0]) + error, "oracle")
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

