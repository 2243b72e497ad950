"""The direction of largest variance: the same by whichever method, with whichever rows gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators import IterativeFiltering
from saddleproof.aggregators.algorithm2 import largest as module
from saddleproof.aggregators.algorithm2.largest import largest_variance

METHODS = ("LAPACK, one pair", "Lanczos")


@contextmanager
def few_rows_by(method: str) -> Iterator[pytest.MonkeyPatch]:
    """A method that is for many rows, for few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ONE_FROM", 1)
        patch.setattr(module, "LANCZOS_FROM", 1 if method == "Lanczos" else 10**6)
        patch.setattr(module, "BASIS", 5)
        yield patch


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows with one direction that stands out, weights of which some are 0, and those of u."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 30))
    x = rng.standard_normal((m, 12)) + 30.0 * rng.standard_normal((m, 1)) * np.eye(12)[3]
    c = np.where(rng.random(m) < 0.3, 0.0, rng.uniform(0.5, 1.0, m))
    u = c if rng.random() < 0.5 else (c > 0).astype(float)
    return x, c, u / max(u.sum(), 1e-300)


def by_rows(x: np.ndarray, c: np.ndarray, u: np.ndarray) -> tuple[float, np.ndarray]:
    """The same from the rows themselves, by a singular value decomposition."""
    centred = x - u @ x
    _, values, directions = np.linalg.svd(np.sqrt(c)[:, None] * centred, full_matrices=False)
    return float(values[0] ** 2), centred @ directions[0]


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 2**32 - 1))
def test_all_methods_find_the_variance_and_the_projections_of_the_rows(
    method: str, seed: int
) -> None:
    x, c, u = drawn(seed)
    K = x @ x.T
    with few_rows_by(method):
        spread, p = largest_variance(np.stack([K, K]), np.stack([c, c]), np.stack([u, u]))
    variance, projections = by_rows(x, c, u)
    if np.count_nonzero(c) < 2:
        assert (np.abs(spread) <= 1e-9).all()
        return
    np.testing.assert_allclose(spread, variance, rtol=1e-9)
    inside = c > 0
    for found in p:
        sign = np.sign(found[inside] @ projections[inside])
        np.testing.assert_allclose(
            sign * found[inside], projections[inside], atol=1e-3 * np.sqrt(variance)
        )


@pytest.mark.parametrize(
    ("method", "solver"),
    [(METHODS[0], "scipy.linalg.lapack.dsyevr"), (METHODS[1], "scipy.sparse.linalg.eigsh")],
)
def test_where_a_solver_gives_up_all_pairs_are_found(method: str, solver: str) -> None:
    from scipy.sparse.linalg import ArpackError

    def gives_up(*_: object, **__: object) -> tuple[np.ndarray, np.ndarray, int, np.ndarray, int]:
        if method == "Lanczos":
            raise ArpackError(-9999)
        return np.zeros(1), np.zeros((9, 1)), 1, np.zeros(2), 1

    x, _, _ = drawn(3)
    c = np.ones(len(x))
    with few_rows_by(method) as patch:
        patch.setattr(solver, gives_up)
        spread, _ = largest_variance((x @ x.T)[None], c[None], c[None] / len(x))
    assert spread[0] == pytest.approx(by_rows(x, c, c / len(x))[0], rel=1e-9)


@pytest.mark.parametrize("m", [module.ONE_FROM, module.LANCZOS_FROM])
def test_filtering_of_many_rows_ends_where_sigma_is_met_or_no_row_stands_out(m: int) -> None:
    x = np.random.default_rng(0).standard_normal((m, 20))
    found = IterativeFiltering(sigma=5.0).estimate(x, m // 10)
    assert found.kept.all()
    np.testing.assert_allclose(found.vector, x.mean(axis=0), rtol=1e-12)
    assert IterativeFiltering().estimate(np.ones((m, 20)), m // 10).kept.all()
