"""The Hessian at a point, from one batch of gradients, and a bound on its error.

    w; w + h e_k, w - h e_k, k = 1..d           the points of one stencil
    H_hat e_k = (g(w + h e_k) - g(w - h e_k)) / 2h,   symmetrised

**The oracle's bound.** Differences of aggregates, each within Delta of grad F, which has a
rho-Lipschitz Hessian: column k is off by at most Delta/h + rho h/2, least at h = sqrt(2 Delta/rho),
so ||H_hat - H||_2 <= sqrt(2 d rho Delta), whatever the adversary.

**The workers' bound.** Differences inside each worker first, h -> 0: what the workers' gradients
share cancels, and neither Delta/h nor rho is left. Entry by entry, ranks give C +- W, and
|H - C| <= W implies ||H - C||_2 <= ||W||_2. It vanishes where the workers' Hessians agree.

Proofs are in docs/hessian_pgd.md and docs/hessian_certificate.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.optimizers.base import Reading

#: Rounding errors of a gradient in units of the last place, as the certificate counts them.
ROUNDINGS = 16.0


@dataclass(frozen=True)
class Curvature:
    """What is known about H = grad^2 F(w), and about F along one direction.

    Attributes:
        direction: (d,) unit v, where the measured curvature is lowest.
        value: v'H_hat v.
        error: bound on |v'(H_hat - H)v|; in a subspace, of ranks within it.
        low: lambda_min(H) >= low; -inf when only a subspace was seen.
        slope: <g_hat(w), v>.
        slope_error: bound on |<grad F(w) - g_hat(w), v>|.
        size: ||H_hat||_2, as far as it was seen.
        method: "oracle", "entries" or "krylov".
    """

    direction: Vector
    value: float
    error: float
    low: float
    slope: float
    slope_error: float
    size: float
    method: str

    @property
    def high(self) -> float:
        """lambda_min(H) <= v'Hv <= high."""
        return self.value + self.error

    @property
    def downhill(self) -> Vector:
        """(d,): v or -v, whichever has no positive slope: <grad F(w), .> <= slope_error."""
        return self.direction if self.slope <= 0 else -self.direction


@dataclass(frozen=True)
class Measured:
    """H_hat and ||H_hat - H||_2 <= error; an infinite error says nothing."""

    matrix: Vector
    error: float
    method: str


def narrow(w: Vector) -> float:
    """The step h of differences inside a worker: rounding against curvature within the step."""
    return float(np.cbrt(np.finfo(w.dtype).eps)) * max(1.0, float(np.abs(w).max()))


def wide(w: Vector, inexactness: float, rho: float) -> float:
    """h = sqrt(2 Delta / rho), at which differences of aggregates err least."""
    return max(narrow(w), float(np.sqrt(2 * inexactness / rho)))


def stencil(w: Vector, directions: Vector, h: float) -> Vector:
    """(2n, d): w + h u for each of the (n, d) directions u, then w - h u."""
    points: Vector = np.concatenate([w + h * directions, w - h * directions])
    return points.astype(w.dtype)


def quotients(q: int, first: int, n: int, h: float) -> tuple[Vector, Vector]:
    """(n, q) coefficients over a round of q points, of which the first is w.

    The central quotients of the stencil whose 2n points begin at `first`, and half the
    difference between the forward and the backward quotients: along a direction in which an
    entry of the Hessian is monotone, no more than that separates the central one from H(w).
    """
    rows = np.eye(q)
    here, plus, minus = rows[0], rows[first : first + n], rows[first + n : first + 2 * n]
    return (plus - minus) / (2 * h), (plus + minus - 2 * here) / (2 * h)


def by_oracle(reading: Reading, first: int, h: float, inexactness: Vector, rho: float) -> Measured:
    """The oracle's bound, from the stencil of step h that begins at row `first`.

    Args:
        reading: the round.
        first: where the stencil begins.
        h: its step.
        inexactness: (q,) Delta at every point of the round.
        rho: Lipschitz constant of grad^2 F.
    """
    q, d = reading.gradient.shape
    matrix = _symmetric(quotients(q, first, d, h)[0] @ reading.gradient)
    plus, minus = inexactness[first : first + d], inexactness[first + d : first + 2 * d]
    columns = (plus + minus) / (2 * h) + rho * h / 2
    if not (np.isfinite(matrix).all() and np.isfinite(columns).all()):
        return Measured(np.zeros((d, d)), np.inf, "oracle")
    return Measured(matrix, float(np.linalg.norm(columns)), "oracle")


def by_workers(reading: Reading, first: int, h: float, w: Vector) -> Measured:
    """The workers' bound, from the stencil of step h about w that begins at row `first`."""
    q, d = reading.gradient.shape
    found = reading.intervals(*quotients(q, first, d, h))
    with np.errstate(invalid="ignore"):  # a point that overflows bounds nothing
        low, high = _symmetric(found.low), _symmetric(found.high)
        matrix = low / 2 + high / 2
        width = high / 2 - low / 2 + rounding(reading.gradient, matrix, h, w)
    if not np.isfinite(width).all():
        return Measured(np.zeros((d, d)), np.inf, "entries")
    return Measured(matrix, float(np.linalg.norm(width, 2)), "entries")


def rounding(gradient: Vector, matrix: Vector, h: float, w: Vector) -> float:
    """Rounding errors of a difference quotient: some eps (|g| + |H| |w|) / h an entry."""
    size = np.abs(gradient).max() + np.abs(matrix).max() * max(1.0, np.abs(w).max())
    return float(ROUNDINGS * np.finfo(w.dtype).eps * size / h)


def lowest(estimates: Sequence[Measured]) -> tuple[Measured, Vector, float]:
    """The best estimate, its lowest eigenvector, and the best proved bound of lambda_min(H)."""
    best = min(estimates, key=lambda one: one.error)
    v: Vector = np.linalg.eigh(best.matrix)[1][:, 0]
    low = max(float(np.linalg.eigvalsh(one.matrix)[0]) - one.error for one in estimates)
    return best, v, low


def _symmetric(x: Vector) -> Vector:
    return x / 2 + x.T / 2
