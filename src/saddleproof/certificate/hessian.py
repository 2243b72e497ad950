"""Brackets of lambda_min of the pooled Hessian H(w), from gradients of which b may be lies.

Worker i's own Hessian by central differences, column k: (g_i(w + h e_k) - g_i(w - h e_k)) / 2h,
combined inside the worker first, so that neither Delta / h nor the noise of a gradient enters.
With the symmetric matrices A_i = H_i(w) +- K_i at hand,

    entries      each entry's ranks give H in C +- W:    |lambda_min(H) - lambda_min(C)| <= ||W||_2
    eigenvalues  lambda_min is concave:                  lambda_min(H) >= mean_i lambda_min(A_i)
    direction    any unit v:                             lambda_min(H) <= v'Hv
    oracle       no workers, but Delta and rho known:    ||H_hat - H||_2 <= sqrt(2 d rho Delta)

The derivations are in docs/hessian_certificate.md; Rohn (1994) has the first for interval
matrices. Names: h `step`, A `matrices`, K `errors`, Delta `inexactness`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.ranks import MAD_TO_SIGMA, deviation, interval

#: Rounding errors of a computed gradient, in units of the last place of |g| + |H| |w|. Generous,
#: since the same term has to cover the even part of a Hessian's change, see `worker_hessians`.
ROUNDINGS = 16.0


@dataclass(frozen=True)
class Bracket:
    """low <= lambda_min(H) <= high, and the method that says so; infinite ends say nothing."""

    method: str
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class WorkerHessians:
    """What every worker says of its own Hessian at one point.

    Attributes:
        matrices: (m, d, d) symmetric A_i.
        errors: (m, d, d) nonnegative K_i with |A_i - H_i| <= K_i entrywise.
        b: the most Byzantine workers among the m.
    """

    matrices: Vector
    errors: Vector
    b: int

    @property
    def median(self) -> Vector:
        """(d, d): the entrywise median of all A_i, which b < m/2 liars cannot carry away."""
        return interval(_workers_last(self.matrices), self.b).mid

    def entry_interval(self) -> tuple[Vector, Vector]:
        """(d, d) ends between which each entry of the honest location lies.

        If H_i is in [A_i - K_i, A_i + K_i] for the honest, order statistics of the lower ends
        bound their median from below, those of the upper ends from above.
        """
        low = interval(_workers_last(self.matrices - self.errors), self.b).low
        high = interval(_workers_last(self.matrices + self.errors), self.b).high
        return low, high

    def by_entries(self) -> Bracket:
        """|H - C| <= W entrywise implies |lambda_min(H) - lambda_min(C)| <= ||W||_2."""
        low, high = self.entry_interval()
        centre, width = low / 2 + high / 2, high / 2 - low / 2
        if not (np.isfinite(centre).all() and np.isfinite(width).all()):
            return Bracket("entries")
        lowest, error = _eigenvalues(centre)[0], _eigenvalues(width)[-1]
        return Bracket("entries", float(lowest - error), float(lowest + error))

    def by_eigenvalues(self) -> Bracket:
        """lambda_min(mean H_i) >= mean lambda_min(H_i), and that is one number per worker."""
        own = _eigenvalues(self.matrices)[:, 0] - _frobenius(self.errors)
        low = float(interval(own, self.b).low)
        return Bracket("worker eigenvalues", low=-np.inf if np.isnan(low) else low)

    def along(self, v: Vector) -> Bracket:
        """lambda_min(H) <= v'Hv along a unit v, one number per worker.

        v was chosen with the same messages, so two standard errors, which hold for a fixed
        direction, do not carry the honest median to the honest mean; |mean - median| <= sigma
        does, for any v.
        """
        own = np.einsum("k,mkl,l->m", v, self.matrices, v) + _frobenius(self.errors)
        return _above(own, self.b)


def along(stack: Vector, w: Vector, v: Vector, step: float, b: int) -> Bracket:
    """`WorkerHessians.along` from v's stencil alone: (3, m, d) at w, w + h v, w - h v."""
    eps = max(precision(stack), float(np.finfo(w.dtype).eps))
    here, plus, minus = stack = np.asarray(stack, dtype=float)
    with np.errstate(over="ignore", invalid="ignore"):
        product, bend = (plus - minus) / (2 * step), (plus + minus - 2 * here) / (2 * step)
        size = np.abs(stack).max(axis=(0, 2))
        size = size + np.abs(product).max(axis=1) * max(1.0, float(np.abs(w).max()))
        error = np.abs(bend @ v) + ROUNDINGS * eps * size / step
        return _above(product @ v + error, b)


def _above(own: Vector, b: int) -> Bracket:
    found = interval(own, b)
    high = float(found.high + MAD_TO_SIGMA * deviation(own, found.mid, b))
    return Bracket("direction", high=np.inf if np.isnan(high) else high)


def best_step(w: Vector, eps: float) -> float:
    """h = eps^(1/3) |w|, at which rounding and curvature cost a difference about the same."""
    return float(eps ** (1 / 3)) * max(1.0, float(np.abs(w).max()))


def precision(stack: Vector) -> float:
    """eps of what most workers compute in, from their (q, m, d) messages.

    A worker may compute in float32 and send float64. Its numbers then all fit a float32.
    """
    with np.errstate(over="ignore"):
        short = (stack == stack.astype(np.float32)).all(axis=(0, 2))
    single = stack.any() and 2 * int(short.sum()) > stack.shape[1]
    return float(np.finfo(np.float32 if single else stack.dtype).eps)


def difference_points(w: Vector, step: float) -> Vector:
    """(2d + 1, d): w, then all w + h e_k, then all w - h e_k."""
    steps = step * np.eye(len(w), dtype=w.dtype)
    return np.concatenate([w[None], w + steps, w - steps])


def worker_hessians(stack: Vector, points: Vector, b: int, rho: float | None) -> WorkerHessians:
    """A_i and K_i from (2d + 1, m, d) gradients at `difference_points`.

    D+ and D- are means of H_i(.) e_k over [w, w + h e_k] and [w - h e_k, w]. Where an entry is
    monotone across both, its value at w lies between them, hence within |D+ - D-| / 2 of their
    mean A. Rounding adds some eps (|g| + |H| |w|) / h, which at the certificate's step
    h = eps^(1/3) |w| is the size of the even term |H''| h^2 / 6 too. A known rho gives at least
    rho h / 2.

    Cost: O(m d^2) time and memory.
    """
    d = points.shape[1]
    scale = max(1.0, float(np.abs(points[0]).max()))
    eps = precision(stack)
    wide = np.asarray(points, dtype=float)
    ahead = (np.diagonal(wide[1 : d + 1]) - wide[0])[:, None, None]  # h, as the workers saw it
    behind = (wide[0] - np.diagonal(wide[d + 1 :]))[:, None, None]
    here, plus, minus = np.split(np.asarray(stack, dtype=float), [1, d + 1])
    with np.errstate(over="ignore", invalid="ignore"):
        forward, backward = (plus - here) / ahead, (here - minus) / behind
        matrices = np.moveaxis(forward / 2 + backward / 2, 1, 0)  # (m, d, d), column k in row k
        errors = np.moveaxis(np.abs(forward / 2 - backward / 2), 1, 0)
        if rho is not None:
            errors = np.maximum(errors, rho * float(ahead.max()) / 2)
        size = np.abs(stack).max(axis=(0, 2)) + np.abs(matrices).max(axis=(1, 2)) * scale
        errors = errors + (ROUNDINGS * eps * size / float(ahead.min()))[:, None, None]
        matrices, errors = _symmetric(matrices), _symmetric(errors)
    lost = ~np.isfinite(matrices + errors).all(axis=(1, 2))  # so large that it says nothing
    matrices[lost], errors[lost] = 0.0, np.inf
    return WorkerHessians(matrices, errors, b)


def by_oracle(
    gradient: Vector, inexactness: Vector, points: Vector, rho: float
) -> tuple[Vector, Bracket]:
    """The classical bound, from (2d + 1, d) aggregates with known Delta at each point.

    Column k is off by at most e_k = (Delta_k+ + Delta_k-)/2h + rho h/2, and the whole matrix by
    (sum e_k^2)^(1/2): with one Delta and h = sqrt(2 Delta/rho), that is sqrt(2 d rho Delta).
    Returns H_hat, symmetric (d, d), and the bracket.
    """
    d = points.shape[1]
    span = (np.diagonal(points[1 : d + 1]) - np.diagonal(points[d + 1 :])).astype(float)
    estimate = _symmetric((gradient[1 : d + 1] - gradient[d + 1 :]) / span[:, None])
    columns = (inexactness[1 : d + 1] + inexactness[d + 1 :]) / span + rho * span / 4
    if not (np.isfinite(estimate).all() and np.isfinite(columns).all()):
        return estimate, Bracket("oracle")
    lowest, error = _eigenvalues(estimate)[0], float(np.linalg.norm(columns))
    return estimate, Bracket("oracle", float(lowest - error), float(lowest + error))


def _workers_last(x: Vector) -> Vector:
    return np.moveaxis(x, 0, -1)


def _symmetric(x: Vector) -> Vector:
    return x / 2 + np.swapaxes(x, -1, -2) / 2


def _eigenvalues(x: Vector) -> Vector:
    values: Vector = np.linalg.eigvalsh(x).astype(np.float64)
    return values


def _frobenius(x: Vector) -> Vector:
    with np.errstate(over="ignore"):  # a liar's matrix may; infinity says nothing
        norms: Vector = np.linalg.norm(x, axis=(-2, -1)).astype(np.float64)
    return norms
