"""The kernel with hundreds of rows: exact for ties, infinities, liars and rows at odd addresses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from saddleproof.aggregators import Median, NearestNeighborMixing, TrimmedMean
from saddleproof.aggregators import mixing as mixing_module
from saddleproof.aggregators.algorithm2 import IterativeFiltering
from saddleproof.aggregators.engine import kernels, row_blocks
from saddleproof.aggregators.engine.gram import combine, gram
from saddleproof.aggregators.engine.kernels_rows import LANES
from saddleproof.aggregators.mean_around_median import MeanAroundMedian

#: Two blocks, and a part of a line of float32 and of float64.
COLUMNS = 2 * LANES + 5
KINDS = ("normal", "equal", "signs", "levels", "infinite", "liars in front", "liars far off")


def columns(kind: str, m: int, dtype: type) -> np.ndarray:
    """(m, COLUMNS) messages that are hard to select from."""
    rng = np.random.default_rng([m, KINDS.index(kind)])
    x = rng.standard_normal((m, COLUMNS))
    b = (m - 1) // 3
    if kind == "equal":
        x[:] = x[0]
    if kind == "signs":
        x = np.sign(x)
    if kind == "levels":
        x = np.round(4 * x) + 0.0  # one zero only
    if kind == "infinite":
        x[:b] = np.where(rng.random((b, COLUMNS)) < 0.5, np.inf, -np.inf)
    if kind == "liars in front":
        x[:b] = 3.0
    if kind == "liars far off":
        x[rng.permutation(m)[:b]] = 1e30
    return x.astype(dtype)


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "SMALL", 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("m", [200, 301])
def test_a_median_of_hundreds_of_rows_is_numpys_to_the_bit(m: int, kind: str, dtype: type) -> None:
    x = columns(kind, m, dtype)
    found = Median()(x, (m - 1) // 3)
    assert found.tobytes() == np.median(x, axis=0).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_a_trimmed_mean_of_hundreds_of_rows_is_within_two_ulp(kind: str, dtype: type) -> None:
    m, b = 301, 100
    x = columns(kind, m, dtype)
    ordered = np.sort(x.astype(float), axis=0)[b : m - b].T.tolist()
    exact = np.array([math.fsum(each) / (m - 2 * b) for each in ordered])
    error = np.abs(TrimmedMean()(x, b).astype(float) - exact)
    assert (error <= 2 * np.spacing(np.abs(exact).astype(dtype))).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("first", range(1, 9))
def test_rows_may_begin_at_any_number_of_a_line(first: int, dtype: type) -> None:
    x = columns("normal", 31, dtype)
    x[3, ::7] = np.nan
    found = Median()(x[:, first:], 10)
    np.testing.assert_array_equal(found, np.sort(x[:, first:], axis=0)[15])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("m", [40, 41])
def test_no_bit_depends_on_how_much_of_a_block_is_sorted_at_once(
    m: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = columns("normal", m, dtype)
    x[0] *= 1e6
    for rule in (Median(), TrimmedMean(), MeanAroundMedian()):
        monkeypatch.setattr(kernels, "SCRATCH", 2**30)
        whole = rule.estimate(x, 13)
        monkeypatch.setattr(kernels, "SCRATCH", 0)
        halves = rule.estimate(x, 13)
        assert whole.vector.tobytes() == halves.vector.tobytes()
        assert whole.inexactness == halves.inexactness
        np.testing.assert_array_equal(whole.kept, halves.kept)


@pytest.mark.parametrize("rows", [700, 900])
def test_wider_blocks_of_many_rows_change_no_product_by_more_than_rounding(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).standard_normal((rows, 2500))
    wide = gram(x).matrix
    monkeypatch.setattr(row_blocks, "SQUARE", 0)
    narrow = gram(x).matrix
    np.testing.assert_allclose(wide, narrow, rtol=1e-12, atol=1e-12 * np.abs(narrow).max())
    if rows == 700:  # blocks are as wide as before, so it is the same to the bit
        assert wide.tobytes() == narrow.tobytes()


def test_filtering_after_mixing_never_forms_the_mixtures(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).standard_normal((30, 2000))
    x[:6] += 4.0
    rule = NearestNeighborMixing(IterativeFiltering())
    A = rule.matrix(x, gram(x), 6)
    mixtures = combine(x, A)
    inner = IterativeFiltering().estimate(mixtures, 6)
    shapes = []

    def watched(messages: np.ndarray, weights: np.ndarray) -> np.ndarray:
        shapes.append(weights.shape)
        return combine(messages, weights)

    monkeypatch.setattr(mixing_module, "combine", watched)
    found = rule.estimate(x, 6)
    np.testing.assert_allclose(found.vector, inner.vector, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(found.kept, (A[inner.kept] > 0).any(axis=0))
    np.testing.assert_allclose(rule(x, 6), inner.vector, rtol=1e-10, atol=1e-12)
    assert shapes == [(30,), (30,)]
