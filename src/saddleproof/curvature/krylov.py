"""Block Lanczos with inexact products: the lowest curvature within reach of k rounds.

    q_1..q_p          p random orthonormal directions, `block`; p + k p directions in the end
    H_i q             (g_i(w + h q) - g_i(w - h q)) / 2h, inside each worker
    z                 the rule's word on H q: where the space grows to
    T_jl              1-D median over workers of q_j'H_i q_l, with its interval by ranks
    theta, v          lowest eigenvalue of T, and its vector in R^d

One round multiplies one block. The coefficients T come from one number per worker, not from the
aggregated products: whatever rule made the space, Q'HQ is read off the workers themselves.

**What it is for**: it finds a direction. |theta - lambda_min(Q'HQ)| <= ||W||_2 rests on ranks and
two standard errors, and proves nothing about the mean; what v'Hv is, workers are asked again
(`stencils.along`). `unseen` puts a number on what may lie below in the rest of R^d: evidence too.

References: Lanczos 1950; Kuczynski and Wozniakowski, SIAM J. Matrix Anal. Appl. 13 (1992), for
the random start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.curvature.differences import first_step
from saddleproof.curvature.stencils import ROUNDINGS, spans, stencil
from saddleproof.ranks import Interval

#: Directions that are multiplied in one round. One start alone is hidden by liars too easily.
BLOCK = 4
#: Rounds where nobody says how many.
ROUNDS = 12
#: A direction that keeps less than this of its length outside the space is inside it.
INSIDE = 1e-6
#: Admitted probability that something steeper than `unseen` says was missed.
DELTA = 0.05


class Products(Protocol):
    """The rule over one combination of each worker's messages."""

    @property
    def vector(self) -> Vector:
        """(p, d)."""

    @property
    def inexactness(self) -> Vector | None:
        """(p,); None where the rule knows none."""


class Round(Protocol):
    """What a space needs of a round of q gradients; a `saddleproof.optimizers.base.Reading`."""

    @property
    def gradient(self) -> Vector:
        """(q, d) aggregates."""

    def combination(self, coefficients: Vector) -> Products:
        """(p, q) coefficients to p aggregates."""

    def contrast(self, coefficients: Vector, directions: Vector) -> Interval:
        """(p, q) coefficients and (p, d) directions to p intervals that steer."""


@dataclass(frozen=True)
class Krylov:
    """The space after some rounds.

    Attributes:
        basis: (s, d) orthonormal rows; the first n were multiplied, the rest wait.
        products: (n, d) the rule's H_hat q of the first n.
        centre: (n, n) T.
        halfwidth: (n, n) W, with |Q'HQ - T| <= W.
        spread: Delta_H, the largest inexactness of a product.
        rounds: how many there were.
    """

    basis: Vector
    products: Vector
    centre: Vector
    halfwidth: Vector
    spread: float = 0.0
    rounds: int = 0

    @classmethod
    def begin(cls, generator: np.random.Generator, d: int) -> Krylov:
        """A random block in R^d; uniform, so that no direction is favoured."""
        block = np.linalg.qr(generator.standard_normal((d, min(BLOCK, d))))[0].T
        return cls(block, np.empty((0, d)), np.empty((0, 0)), np.empty((0, 0)))

    @property
    def block(self) -> Vector:
        """(p, d): the directions that the next round multiplies; none when nothing is left."""
        waiting: Vector = self.basis[len(self.products) :]
        return waiting

    def steps(self, w: Vector) -> Vector:
        """(p,): the longest steps along the block that move no coordinate k by much beside w_k."""
        eps = float(np.finfo(w.dtype).eps)
        return np.array([first_step(w, q, eps) for q in self.block])

    def points(self, w: Vector, steps: Vector) -> Vector:
        """(1 + 2p, d): w and the stencil of the block."""
        return np.concatenate([w[None], stencil(w, steps[:, None] * self.block)])

    @np.errstate(over="ignore", invalid="ignore")
    def grow(self, reading: Round, points: Vector, error: float = 0.0) -> Krylov:
        """The space after the round at `points`.

        Args:
            reading: the round.
            points: (1 + 2p, d) that were asked for.
            error: what else a product may be wrong by, in the 2-norm.
        """
        block, n, s = self.block, len(self.products), len(self.basis)
        apart = spans(points[1:], block)
        central, bend = _coefficients(apart)
        found = reading.combination(central)
        known = np.full(len(block), np.inf) if found.inexactness is None else found.inexactness
        # Row by row of the new part of T: each new product against every direction so far.
        ways = np.tile(self.basis, (len(block), 1))
        entries = reading.contrast(np.repeat(central, s, axis=0), ways)
        bent = reading.contrast(np.repeat(bend, s, axis=0), ways)
        half = entries.halfwidth + np.abs(entries.mid - (entries.low + entries.high) / 2)
        half = half + np.maximum(np.abs(bent.low), np.abs(bent.high)) + error
        half = half + _rounding(reading.gradient, found.vector, apart, points)
        return Krylov(
            basis=np.concatenate([self.basis, self._outside(found.vector)]),
            products=np.concatenate([self.products, found.vector]),
            centre=_bordered(self.centre, entries.mid.reshape(-1, s), n),
            halfwidth=_bordered(self.halfwidth, half.reshape(-1, s), n),
            spread=max(self.spread, float(known.max()) + error),
            rounds=self.rounds + 1,
        )

    def _outside(self, products: Vector) -> Vector:
        """What the products add to the space: orthonormal rows, none that were in it already."""
        if not np.isfinite(products).all():
            return np.empty((0, products.shape[1]))
        rest = products
        for _ in range(2):  # twice is enough
            rest = rest - (rest @ self.basis.T) @ self.basis
        _, lengths, rows = np.linalg.svd(rest, full_matrices=False)
        size = np.linalg.norm(products, axis=1).max(initial=0.0)
        kept: Vector = rows[lengths > INSIDE * size][: self.basis.shape[1] - len(self.basis)]
        return kept

    @property
    def finite(self) -> bool:
        """Whether every point of every round could be read."""
        return bool(np.isfinite(self.centre).all() and np.isfinite(self.products).all())

    def lowest(self) -> tuple[float, Vector]:
        """theta and its unit vector v, (d,)."""
        values, vectors = np.linalg.eigh(self.centre)
        v = self.basis[: len(values)].T @ vectors[:, 0]
        return float(values[0]), v / np.linalg.norm(v)

    @property
    def error(self) -> float:
        """||W||_2."""
        if not np.isfinite(self.halfwidth).all():
            return np.inf
        return float(np.linalg.norm(self.halfwidth, 2))

    @property
    def size(self) -> float:
        """The largest eigenvalue of T in magnitude."""
        return float(np.abs(np.linalg.eigvalsh(self.centre)).max())

    def residual(self) -> float:
        """||H_hat v - theta v||, of the aggregated products."""
        theta, v = self.lowest()
        weights = v @ self.basis[: len(self.products)].T
        return float(np.linalg.norm(weights @ self.products - theta * v))

    def unseen(self, delta: float = DELTA) -> float:
        """gamma: lambda_min(H) < -gamma would have shown with probability 1 - delta. Evidence.

        Two ways to miss a direction, each given a third of delta (an end of the spectrum each):

        * the rounds were too few. For exact products and p random starts, the lowest Ritz value
          is within x (lambda_max - lambda_min) of lambda_min, sqrt(x) (2k - 1) =
          log(1.648 sqrt(d) / delta^(1/p)) (Kuczynski and Wozniakowski 1992, Theorem 4.2);
        * the liars hid it. A start has the share N(0, 1/d) of it, and a product that is wrong by
          Delta_H may deny curvature gamma whose part gamma * share is below Delta_H.
        """
        if not self.finite or not math.isfinite(self.error + self.spread):
            return math.inf
        d, p = self.basis.shape[1], min(BLOCK, self.basis.shape[1])
        miss = (delta / 3) ** (1 / p)
        hidden = self.spread * math.sqrt(d) / NormalDist().inv_cdf((1 + miss) / 2)
        x = 0.0
        if len(self.block):  # otherwise the space is invariant, and holds all that a start can see
            x = (math.log(1.648 * math.sqrt(d) / miss) / (2 * self.rounds - 1)) ** 2
        if x >= 1 / 2:
            return math.inf
        values = np.linalg.eigvalsh(self.centre)
        across = float(values[-1] - values[0]) + 2 * self.error
        return max(self.error - float(values[0]) + across * x / (1 - 2 * x), hidden)


def _coefficients(apart: Vector) -> tuple[Vector, Vector]:
    """(p, 1 + 2p) central quotients of a stencil, and half of forward less backward quotients."""
    p = len(apart)
    rows = np.eye(1 + 2 * p)
    here, plus, minus = rows[0], rows[1 : p + 1], rows[p + 1 :]
    return (plus - minus) / apart[:, None], (plus + minus - 2 * here) / apart[:, None]


def _rounding(gradient: Vector, products: Vector, apart: Vector, points: Vector) -> float:
    """Rounding errors of a difference quotient: some eps (|g| + |H| |w|) / h an entry."""
    size = np.abs(gradient).max() + np.abs(products).max() * max(1.0, np.abs(points[0]).max())
    return float(2 * ROUNDINGS * np.finfo(points.dtype).eps * size / apart.min())


def _bordered(old: Vector, rows: Vector, n: int) -> Vector:
    """A symmetric matrix, grown by the (p, n + p) `rows`; what was read twice is averaged."""
    side, corner = rows[:, :n], rows[:, n:]
    grown: Vector = np.block([[old, side.T], [side, corner / 2 + corner.T / 2]])
    return grown
