"""Gradients at points around w, and what they say of Hessians: a step for every direction.

    w + h_k e_k, w - h_k e_k, and both with h_k / 4,      h_k = eps^(1/3) max(1, |w_k|)

    H e_k  =  (g(w + h_k e_k) - g(w - h_k e_k)) / 2 h_k,  wrong by at most twice the distance of
                                                          the two quotients

as in `saddleproof.curvature.differences`, which takes the same differences of a function. Here the
gradients come from workers, one round at a time, and the differences are taken inside each worker.

**Aggregates of a known inexactness.** Column k of the differences of aggregates within Delta of
grad F, which has a rho-Lipschitz Hessian, is off by at most Delta / h + rho h / 2, least at
h = sqrt(2 Delta / rho); so ||H_hat - H||_2 <= sqrt(2 d rho Delta), whatever the adversary.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.curvature import noise
from saddleproof.curvature.differences import CUT, NOISES, first_step
from saddleproof.curvature.noise import precision
from saddleproof.ranks import median_bounds

#: Rounds of smaller and smaller steps, and the disagreement of two quotients that ends them.
TRIES, AGREE = 6, 1e-3
#: Rounding errors of a computed gradient, in units of its last place.
ROUNDINGS = 16.0
#: A pair that disagrees by this many times more than the best one shows that steps are too small.
WORSE = 16.0
_EPS = float(np.finfo(float).eps)
_EPS_SINGLE = float(np.finfo(np.float32).eps)


def steps_of(w: Vector, eps: float) -> Vector:
    """(d,) h_k = eps^(1/3) max(1, |w_k|)."""
    steps: Vector = eps ** (1 / 3) * np.maximum(1.0, np.abs(w))
    return steps


def stencil(w: Vector, moves: Vector) -> Vector:
    """(2n, d): w + each of the (n, d) moves, then w - each of them."""
    points: Vector = np.concatenate([w + moves, w - moves])
    return points.astype(w.dtype)


def spans(points: Vector, directions: Vector) -> Vector:
    """(n,) how far the ends of a stencil along (n, d) unit directions are apart, after rounding."""
    n = len(directions)
    points = np.asarray(points, dtype=float)
    apart: Vector = ((points[:n] - points[n:]) * directions).sum(axis=1)
    return apart


def quotients(gradients: Vector, points: Vector) -> Vector:
    """(d, ..., d) columns of a Hessian, column k in row k.

    Args:
        gradients: (2d, ..., d) at `points`.
        points: (2d, d), a stencil along the axes.
    """
    d = points.shape[1]
    apart = spans(points, np.eye(d)).reshape(-1, *[1] * (gradients.ndim - 1))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        columns: Vector = (gradients[:d] - gradients[d:]) / apart
    return columns


def around(w: Vector) -> Vector:
    """(2d + 1, d): w, and its stencil along the axes."""
    steps = steps_of(w, float(np.finfo(w.dtype).eps))
    return np.concatenate([w[None], stencil(w, np.diag(steps))])


def hessian(gradients: Vector, points: Vector) -> Vector:
    """(d, d) symmetric: from (2d + 1, d) gradients of one function at the points `around` w.

    >>> A, points = np.array([[2.0, 1.0], [1.0, -1.0]]), around(np.array([1.0, 1e6]))
    >>> np.allclose(hessian(points @ A, points), A)
    True
    """
    columns = quotients(gradients[1:], points[1:])
    symmetric: Vector = columns / 2 + columns.T / 2
    return symmetric


def classical(
    gradients: Vector, points: Vector, inexactness: Vector, rho: float
) -> tuple[Vector, float]:
    """(d, d) symmetric H_hat of aggregates, and the bound of ||H_hat - H||_2; see the head.

    Args:
        gradients: (2d, d) aggregates at `points`.
        points: (2d, d), a stencil along the axes; its steps should be `wide`.
        inexactness: (2d,) Delta at each point.
        rho: Lipschitz constant of grad^2 F.
    """
    d = points.shape[1]
    columns, apart = quotients(gradients, points), spans(points, np.eye(d))
    matrix = columns / 2 + columns.T / 2
    errors = (inexactness[:d] + inexactness[d:]) / apart + rho * apart / 4
    if not (np.isfinite(matrix).all() and np.isfinite(errors).all()):
        return np.zeros((d, d)), np.inf
    return matrix, float(np.linalg.norm(errors))


def wide(steps: Vector, inexactness: float, rho: float) -> Vector:
    """Steps at which differences of aggregates err least, none below the given ones."""
    return np.maximum(steps, float(np.sqrt(2 * inexactness / rho)))


# --- one Hessian a worker -------------------------------------------------------------------------


def points_of(w: Vector, steps: Vector) -> Vector:
    """(4d, d): the stencil along the axes, and the same with h_k / 4."""
    moves = np.diag(steps)
    return np.concatenate([stencil(w, moves), stencil(w, moves / 4)])


def worker_hessians(
    stack: Vector, points: Vector, noises: Vector | None = None
) -> tuple[Vector, Vector]:
    """(m, d, d) symmetric Hessians, and (m,) bounds of the 2-norm of their errors.

    Args:
        stack: (4d, m, d) gradients.
        points: (4d, d) of `points_of`.
        noises: (m,) noise of each worker's gradients, where it was measured.
    """
    d, eps = points.shape[1], precisions(stack)
    stack, points = np.asarray(stack, dtype=float), np.asarray(points, dtype=float)
    outer, inner = slice(2 * d), slice(2 * d, None)
    far, near = quotients(stack[outer], points[outer]), quotients(stack[inner], points[inner])
    apart = spans(points[outer], np.eye(d))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        columns = np.moveaxis(far, 1, 0)  # (m, d, d), column k in row k
        # A gradient's terms are larger than the gradient: some |H| |w| more.
        terms = np.abs(stack).max(axis=0) + np.abs(points).max(axis=0) @ np.abs(columns)
        slack = ROUNDINGS * eps * np.linalg.norm(terms, axis=1) * np.linalg.norm(1 / apart)
        if noises is not None:
            slack = np.maximum(slack, 2 * NOISES * noises * np.linalg.norm(1 / apart))
        wrong = 2 * np.linalg.norm(far - near, axis=(0, 2)) + slack
        matrices = columns / 2 + np.swapaxes(columns, 1, 2) / 2
        errors = wrong + np.linalg.norm(columns - matrices, axis=(1, 2))
    lost = ~(np.isfinite(matrices).all(axis=(1, 2)) & np.isfinite(errors))
    matrices[lost], errors[lost] = 0.0, np.inf
    return matrices, errors


@dataclass(frozen=True)
class Measured:
    """One Hessian a worker.

    Attributes:
        matrices: (m, d, d) symmetric.
        errors: (m,) bounds of the 2-norm of what is wrong with each.
        workers: (m,) their names.
    """

    matrices: Vector
    errors: Vector
    workers: tuple[str, ...]

    def among(self, workers: tuple[str, ...]) -> Measured:
        """Without the workers that were not heard later: they may have been proved bad since."""
        rows = [i for i, name in enumerate(self.workers) if name in workers]
        kept = tuple(self.workers[i] for i in rows)
        return Measured(self.matrices[rows], self.errors[rows], kept)

    @property
    def wrong(self) -> float:
        """The median error, to choose a step by."""
        return float(np.median(self.errors))


@dataclass(frozen=True)
class Measurement:
    """The rounds that measure every worker's Hessian at w: smaller steps, until quotients agree.

    Attributes:
        w: (d,) the point.
        eps: rounding of the workers' arithmetic.
        share: of the first steps that the coming round takes.
        tries: rounds so far.
        best: what the round said in which most workers' quotients agreed best, of the workers that
            were heard in the last round too.
        ended: whether no further round is needed.
        noises: worker to the noise of its gradients, as the first round shows it.
    """

    w: Vector
    eps: float
    share: float = 1.0
    tries: int = 0
    best: Measured | None = None
    ended: bool = False
    noises: dict[str, float] = field(default_factory=dict)

    @classmethod
    def begin(cls, w: Vector) -> Measurement:
        """Before the first round."""
        return cls(w, float(np.finfo(w.dtype).eps))

    @property
    def points(self) -> Vector:
        """(q, d) of the coming round: the stencils, and in the first round lines for the noise."""
        stencils = points_of(self.w, self.share * steps_of(self.w, self.eps))
        if self.tries:
            return stencils
        return np.concatenate([stencils, noise.lines(self.w).astype(self.w.dtype)])

    def told(self, stack: Vector, workers: tuple[str, ...], b: int) -> Measurement:
        """The measurement after the round at `points`.

        Args:
            stack: (q, m, d) gradients.
            workers: (m,) names.
            b: the most Byzantine among them.
        """
        d = len(self.w)
        stack, lines = stack[: 4 * d], np.asarray(stack[4 * d :], dtype=float)
        best = None if self.best is None else self.best.among(workers)
        after = replace(self, tries=self.tries + 1, best=best)
        single = _single(stack)
        if not self.tries and len(lines):
            seen = [noise.of_lines(lines[:, i]) for i in range(len(workers))]
            after = replace(
                after, noises={w: found for w, (found, _) in zip(workers, seen, strict=True)}
            )
            single = single or 2 * sum(eps > _EPS for _, eps in seen) > len(seen)
        if self.share == 1.0 and self.eps < _EPS_SINGLE and single:
            return replace(after, eps=_EPS_SINGLE).onward()
        known = np.array([after.noises.get(worker, 0.0) for worker in workers])
        points = self.points[: 4 * d]
        found = Measured(*worker_hessians(stack, points, known), workers)
        worse = best is not None and found.wrong > WORSE * best.wrong
        if best is None or found.wrong < best.wrong:
            after = replace(after, best=found)
        tops = np.asarray(np.linalg.eigvalsh(found.matrices)[:, -1], dtype=float)
        if worse or found.wrong <= AGREE * max(float(median_bounds(tops, b)[0]), 0.0):
            return replace(after, ended=True)
        return replace(after, share=CUT * self.share).onward()

    def onward(self) -> Measurement:
        """Ended too where the rounds are spent, or the steps are lost beside w."""
        lost = bool((self.points[: 4 * len(self.w)] == self.w).all(axis=1).any())
        return replace(self, ended=self.tries >= TRIES or lost)


def _single(stack: Vector) -> bool:
    """Whether most workers compute in float32."""
    short = [precision(stack[:, i]) > _EPS for i in range(stack.shape[1])]
    return 2 * sum(short) > len(short)


# --- one direction --------------------------------------------------------------------------------


def line_of(w: Vector, v: Vector) -> Vector:
    """(4, d): w + h v, w - h v, and the same with h / 4."""
    h = first_step(w, v, float(np.finfo(w.dtype).eps))
    return np.concatenate([stencil(w, h * v[None]), stencil(w, h / 4 * v[None])])


@np.errstate(over="ignore", invalid="ignore")
def along(stack: Vector, points: Vector, v: Vector) -> tuple[Vector, Vector]:
    """(m,) v'H_i v by differences, and (m,) bounds of their errors.

    Args:
        stack: (4, m, d) gradients.
        points: (4, d) of `line_of`.
        v: (d,) unit vector.
    """
    eps = precisions(stack)
    stack = np.asarray(stack, dtype=float)
    apart = spans(points[:2], v[None])[0], spans(points[2:], v[None])[0]
    slopes = stack @ v
    far, near = (slopes[0] - slopes[1]) / apart[0], (slopes[2] - slopes[3]) / apart[1]
    bend = np.linalg.norm(stack[0] - stack[1], axis=1) / apart[0]
    terms = np.abs(stack).max(axis=(0, 2)) + bend * np.abs(points).max()
    slack = ROUNDINGS * eps * terms * np.sqrt(len(v)) / apart[1]
    error = 2 * np.abs(far - near) + slack
    return np.nan_to_num(far), np.nan_to_num(error, nan=np.inf)


def precisions(stack: Vector) -> NDArray[np.float64]:
    """(m,) eps of what computed the gradients of each worker."""
    return np.array([precision(stack[:, i]) for i in range(stack.shape[1])])
