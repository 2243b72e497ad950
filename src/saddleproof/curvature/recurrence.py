"""The three-term recurrence of Lanczos for many matrices, orthogonal as far as a bound needs it.

    beta_j q_{j+1}  =  A q_j - alpha_j q_j - beta_{j-1} q_{j-1}

**Orthogonality.** The q_j lose it as Ritz values converge, by factors that alpha and beta tell
beforehand: with w_ij = q_i'q_j,

    beta_j w_{i,j+1}  =  beta_i w_{i+1,j} + (alpha_i - alpha_j) w_ij + beta_{i-1} w_{i-1,j}
                         - beta_{j-1} w_{i,j-1}  +  rounding

(Simon, "The Lanczos algorithm with partial reorthogonalization", Math. Comp. 42, 1984). Only where
this estimate passes LOSS, all parts along q_1..q_j are subtracted from q_{j+1}, and from q_{j+2}
too, since the recurrence looks two steps back. Products that are less exact than LOSS have it done
in every step. What is subtracted is no part of the recurrence: its norm counts into e_j.

**Symmetry.** In the end Q'AQ follows from Q'Q and the recurrence, by one product of matrices. For
a symmetric A it is symmetric. By how much column j is not, above the diagonal, counts into e_j,
where that is more than what was subtracted: products err by more than they state then.

The estimate decides about time and about how tight a bound is. No bound rests on it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.curvature.noise import dots

#: Estimated loss of orthogonality at which all parts along the earlier vectors are subtracted. A
#: bound of exact products is then below that of a subtraction in every step by less than about
#: 1e-9 of the spread.
LOSS = 1e-10
#: A subtraction that leaves less than this share of a vector is made again.
SHARE = 0.7
#: Rounding errors of the recurrence, in units of the last place of the largest Ritz value.
ROUNDINGS = 16.0
#: Numbers below this vanish when they are squared.
SMALL = 1e-150
#: Numbers of some rows that stay in a cache from one line of `_three_terms` to the next.
CACHED = 2**16
_EPS = float(np.finfo(float).eps)


class Recurrence:
    """Lanczos for n matrices, side by side; rows that broke down stand still.

    Args:
        starts: (n, d) unit vectors.
        steps: the most products with each matrix.

    Attributes:
        k: steps so far.
        d: dimensions.
        lost: (n,) whether a product overflowed.

    Cost: n d (steps + 1) numbers.
    """

    def __init__(self, starts: Vector, steps: int) -> None:
        n, d = starts.shape
        self.k, self.d = 0, d
        self.lost = np.zeros(n, dtype=bool)
        self._basis = np.empty((n, steps + 1, d))
        self._basis[:, 0] = starts
        self._alpha, self._beta = np.zeros((n, steps)), np.zeros((n, steps))
        self._error = np.zeros((n, steps))  # e_j but for what is subtracted and the symmetry
        self._taken: list[dict[int, Vector]] = [{} for _ in range(n)]  # step to parts, (j,)
        self._size = np.full(n, steps)  # steps until the space was invariant
        self._loss = np.zeros((2, n, steps + 1))  # w_{i,j-1} and w_ij
        self._loss[1, :, 0] = 1.0
        self._again = np.zeros(n, dtype=bool)

    @property
    def last(self) -> Vector:
        """(n, d) the vectors to be multiplied; zero where a row stands still."""
        last: Vector = self._basis[:, self.k]
        return last

    @property
    def going(self) -> NDArray[np.bool_]:
        """(n,) whether a row takes in more products."""
        going: NDArray[np.bool_] = ~self.lost & (self._size > self.k)
        return going

    def end(self, i: int) -> None:
        """Row i takes in no more."""
        self._size[i] = min(self._size[i], self.k)

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def step(self, image: Vector, error: Vector) -> None:
        """Take in the (n, d) products with `last`, and bounds of what is wrong with them, (n,)."""
        k = self.k
        going = self._size > k
        rest = self._basis[:, k + 1]
        squares, beta = self._three_terms(image, rest)
        scale = np.abs(self._alpha[:, : k + 1]).max(axis=1) + self._beta[:, : k + 1].max(axis=1)
        size = np.sqrt(squares)
        if k:
            size = np.maximum(size, self._beta[:, k - 1])
        self._forget(rest, beta, size, error, going)
        # A zero vector is exact.
        zero = [not (square > 0 or row.any()) for square, row in zip(squares, image, strict=True)]
        small = np.where(zero, 0.0, SMALL)
        self._error[:, k] = np.where(going, error + ROUNDINGS * _EPS * size + small, 0.0)
        self.lost |= going & ~np.isfinite(self._error[:, k] + beta + self._alpha[:, k])
        over = going & (beta <= 4 * _EPS * np.sqrt(k + 1) * scale + small)
        self._size = np.where(over, k + 1, self._size)
        self._error[:, k] += np.where(over, beta, 0.0)
        going &= ~over & ~self.lost
        self._alpha[self.lost, k] = 0.0
        self._beta[:, k] = np.where(going, beta, 0.0)
        for i, goes in enumerate(going):
            if goes:
                rest[i] /= beta[i]
            else:
                rest[i] = 0.0
        self.k = k + 1

    def ritz(self, i: int) -> tuple[Vector, Vector, Vector]:
        """theta (k,), beta (k,) and the eigenvectors (k, k) of T of row i."""
        from scipy.linalg import eigh_tridiagonal

        k = self._steps(i)
        thetas, vectors = eigh_tridiagonal(self._alpha[i, :k], self._beta[i, : k - 1])
        return thetas, self._beta[i, :k], vectors

    def errors(self, i: int) -> Vector:
        """(k,) e_j of row i."""
        k = self._steps(i)
        taken = np.zeros((k, k))
        for j, parts in self._taken[i].items():
            if j < k:
                taken[: j + 1, j] = parts
        column = np.zeros((k + 1, k))
        step = np.arange(k)
        column[step, step] = self._alpha[i, :k]
        column[step + 1, step] = self._beta[i, :k]
        column[step[:-1], step[1:]] = self._beta[i, : k - 1]
        basis = self._basis[i, : k + 1]
        gram = (basis @ basis.T)[:k]  # of one array with itself: half of the multiplications
        along = gram[:, :k] @ taken
        matrix = gram @ column + along  # Q'AQ
        skew = np.linalg.norm(np.triu(matrix - matrix.T, 1), axis=0)
        parts = np.linalg.norm(taken, axis=0)
        # The length of what they stand for; another one where the q_j are not orthogonal.
        length = np.sqrt(np.maximum((taken * along).sum(axis=0), 0.0))
        found: Vector = self._error[i, :k] + np.maximum.reduce([parts, length, skew])
        return found

    def combined(self, i: int, parts: Vector) -> Vector:
        """(d,) the unit vector with (k,) these parts along the vectors of row i."""
        vector = parts @ self._basis[i, : len(parts)]
        found: Vector = vector / float(np.linalg.norm(vector))
        return found

    def _steps(self, i: int) -> int:
        return min(self.k, int(self._size[i]))

    def _three_terms(self, image: Vector, rest: Vector) -> tuple[Vector, Vector]:
        """|A q_j|^2 and |rest| (n,); writes alpha, and what is left of A q_j into `rest`."""
        k, (n, d) = self.k, image.shape
        squares, beta = np.empty(n), np.empty(n)
        height = max(CACHED // d, 1)
        scratch = np.empty((height, d))
        for rows in _slices(n, height):
            own, left = image[rows], rest[rows]
            q, part = self._basis[rows, k], scratch[: len(own)]
            squares[rows] = dots(own, own)
            left[:] = own
            if k:
                left -= np.multiply(
                    self._basis[rows, k - 1], self._beta[rows, k - 1, None], out=part
                )
            alpha = dots(q, left)
            left -= np.multiply(q, alpha[:, None], out=part)
            self._alpha[rows, k] = np.where(self._size[rows] > k, alpha, 0.0)
            beta[rows] = np.sqrt(dots(left, left))
        return squares, beta

    def _forget(
        self, rest: Vector, beta: Vector, size: Vector, error: Vector, going: NDArray[np.bool_]
    ) -> None:
        """Subtract what `rest` has of the earlier vectors, where the estimate asks for it."""
        k = self.k
        loss = self._estimate(beta, size, error)
        # Also where the estimate is NaN: nothing is known there.
        high = ~(loss[:, : k + 1].max(axis=1) <= LOSS)
        for i in np.flatnonzero(going & ~self.lost & (high | self._again)):
            basis, taken = self._basis[i, : k + 1], np.zeros(k + 1)
            before = np.inf
            while beta[i] < SHARE * before:
                parts = basis @ rest[i]
                rest[i] -= parts @ basis
                taken += parts
                before, beta[i] = beta[i], np.sqrt(dots(rest[i : i + 1], rest[i : i + 1])[0])
            self._taken[i][k] = taken
            loss[i, : k + 1] = _EPS * np.sqrt(k + 1)
        self._again = high & ~self._again
        loss[:, k + 1] = 1.0
        self._loss = np.stack([self._loss[1], loss])

    def _estimate(self, beta: Vector, size: Vector, error: Vector) -> Vector:
        """(n, steps + 1): w_{i,j+1} for all i <= j, from above."""
        k, a, b = self.k, self._alpha, self._beta
        before, now = self._loss
        found = np.zeros_like(now)
        if k:
            moved = b[:, :k] * now[:, 1 : k + 1] + (a[:, :k] - a[:, k, None]) * now[:, :k]
            moved -= b[:, k - 1, None] * before[:, :k]
            moved[:, 1:] += b[:, : k - 1] * now[:, : k - 1]
            found[:, :k] = np.abs(moved) + (2 * _EPS * size + error / ROUNDINGS)[:, None]
        found[:, k] = 0.5 * _EPS * np.sqrt(self.d) * size
        return found / beta[:, None]


def _slices(n: int, size: int) -> Iterator[slice]:
    for i in range(0, n, size):
        yield slice(i, min(i + size, n))
