"""A matrix of no more dimensions than steps is known as a whole, and its bound is certain."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.arrays import Vector
from saddleproof.curvature.lanczos import least_eigenvalues


def positive(matrix: Vector, t: float) -> bool:
    """Whether A - t I has no negative eigenvalue, by elimination without rounding."""
    d = len(matrix)
    left = [[Fraction(x) - (Fraction(t) if i == j else 0) for j, x in enumerate(row)]
            for i, row in enumerate(matrix.tolist())]  # fmt: skip
    for k in range(d):
        pivot = left[k][k]
        if pivot < 0 or (pivot == 0 and any(left[k][k:])):
            return False
        for i in range(k + 1, d if pivot else 0):
            factor = left[i][k] / pivot
            left[i] = [x - factor * y for x, y in zip(left[i], left[k], strict=True)]
    return True


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    d=st.integers(1, 6),
    scale=st.sampled_from([1.0, 1e300, 1e-300, 1e-308, 1e-310, 1e-320, 1e-323, 0.0]),
    rank=st.integers(1, 6),
)
def test_the_bound_of_a_whole_matrix_holds_without_any_rounding(
    seed: int, d: int, scale: float, rank: int
) -> None:
    rows = np.random.default_rng(seed).standard_normal((rank, d))
    matrix = scale * (rows.T @ rows)
    matrix = np.triu(matrix) + np.triu(matrix, 1).T
    (bound,) = least_eigenvalues(
        lambda v: (matrix[v.argmax(axis=1)], np.zeros(1)), np.ones((1, d)), steps=d, delta=0.1
    )
    assert positive(matrix, bound.low)
    assert scale or bound.low == 0


def test_what_columns_hide_within_their_stated_errors_is_not_denied() -> None:
    """diag(-1, 1, 2), given as diag(1, 1, 2)."""
    told = np.diag([1.0, 1.0, 2.0])
    (bound,) = least_eigenvalues(
        lambda v: (v @ told, 2.0 * np.abs(v[:, 0])), np.ones((1, 3)), steps=3, delta=0.1
    )
    assert -1.001 <= bound.low <= -1.0
