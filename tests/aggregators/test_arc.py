"""Clipping about the origin: adaptive (ARC) and with a radius."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators import (
    ARC,
    Clipping,
    GeometricMedian,
    Mean,
    Median,
    NearestNeighborMixing,
    TrimmedMean,
    stream,
)
from saddleproof.aggregators.base import Aggregator
from saddleproof.errors import OptionError
from saddleproof.testing import check_aggregator, check_scales

ABOUT = Clipping(Mean(), radius=1.5, about="origin")


def definition(x: np.ndarray, b: int) -> np.ndarray:
    """The clipped rows, as the paper writes them."""
    norms = np.linalg.norm(x, axis=1)
    k = math.floor(2 * b / len(x) * (len(x) - b) + 1e-9)
    limit = np.sort(norms)[::-1][k]
    return x * np.minimum(1.0, limit / norms)[:, None]


@pytest.mark.parametrize("m", [3, 10, 11])
@pytest.mark.parametrize(
    "rule",
    [
        ARC(),
        ARC(NearestNeighborMixing()),
        ARC(GeometricMedian()),
        Clipping(radius=2.0, about="origin"),
        Clipping(about="origin"),
    ],
)
def test_clipping_about_the_origin_passes_the_suite(rule: Aggregator, m: int) -> None:
    check_aggregator(rule, m=m, equivariant=False)


@given(st.integers(0, 2**32), st.integers(1, 14), st.sampled_from([0.1, 1.0, 1e5]), st.data())
def test_arc_is_its_definition(seed: int, m: int, size: float, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, (m - 1) // 2))
    x = np.random.default_rng(seed).standard_normal((m, 3))
    x[:b] *= size
    for inner in (Mean(), TrimmedMean(), GeometricMedian()):
        expected = inner(definition(x, b), b)
        np.testing.assert_allclose(ARC(inner)(x, b), expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(Clipping(inner, about="origin")(x, b), ARC(inner)(x, b))


@given(st.integers(0, 2**32), st.floats(0.01, 100.0))
def test_a_radius_is_the_largest_norm(seed: int, radius: float) -> None:
    x = np.random.default_rng(seed).standard_normal((7, 3))
    norms = np.linalg.norm(x, axis=1)
    expected = (x * np.minimum(1.0, radius / norms)[:, None]).mean(axis=0)
    rule = Clipping(Mean(), radius=radius, about="origin")
    np.testing.assert_allclose(rule(x, 2), expected, rtol=1e-12, atol=1e-13)


def test_rows_that_fit_pass_to_the_bit() -> None:
    x = np.random.default_rng(0).standard_normal((9, 4))
    np.testing.assert_array_equal(ARC(Median())(x, 0), Median()(x, 0))
    loose = Clipping(Median(), radius=100.0, about="origin")
    np.testing.assert_array_equal(loose(x, 2), Median()(x, 2))


def test_a_scale_of_all_rows_changes_no_bit() -> None:
    x = np.random.default_rng(0).standard_normal((11, 4))
    check_scales(ARC(), x, 4)
    x[0], x[1, 0] = np.nan, np.inf
    check_scales(ARC(), x, 4)
    check_scales(
        ABOUT, x, 4, powers=(-1000, -530, 530, 1000),
        scaled=lambda k: Clipping(Mean(), radius=float(np.ldexp(1.5, k)), about="origin"),
    )  # fmt: skip


@pytest.mark.parametrize("size", [1e3, 1e160, 1.7e308, np.inf, np.nan])
def test_a_mean_of_clipped_rows_is_no_longer_than_the_longest_honest_row(size: float) -> None:
    x = np.random.default_rng(0).standard_normal((9, 4))
    x[:4] = size
    longest = np.linalg.norm(x[4:], axis=1).max()
    found = ARC(Mean()).estimate(x, 4)
    assert np.linalg.norm(found.vector) <= longest
    assert found.kept[:4].all() == np.isfinite(size)


def test_where_it_clips_decides() -> None:
    x = np.random.default_rng(0).standard_normal((9, 3))
    x[:, 0] += 50.0
    origin = Clipping(Median(), radius=10.0, about="origin")(x, 2)
    assert np.linalg.norm(origin) < 10.5
    assert np.linalg.norm(Clipping(Median(), radius=10.0)(x, 2)) > 48.0


def test_what_cannot_be_streamed_is_refused() -> None:
    x = np.random.default_rng(0).standard_normal((9, 40))
    for rule in (Clipping(GeometricMedian(), about="origin"), ARC(GeometricMedian())):
        with pytest.raises(OptionError, match="in one piece"):
            stream(rule, x, 2, columns=7)


def test_byzfl_agrees() -> None:
    byzfl = pytest.importorskip("byzfl")
    for seed in range(30):
        x = np.random.default_rng(seed).standard_normal((9, 4))
        np.testing.assert_allclose(ARC(Mean())(x, 3), byzfl.ARC(3)(x.copy()).mean(axis=0))
        np.testing.assert_allclose(ABOUT(x, 3), byzfl.Clipping(1.5)(x.copy()).mean(axis=0))
