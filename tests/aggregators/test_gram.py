"""Distances are exact to the last few digits, wherever the rows are and whoever lies."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators.engine import gram as gram_module
from saddleproof.aggregators.engine import row_blocks
from saddleproof.aggregators.engine.gram import combine, distances, gram, grams, mixed
from saddleproof.aggregators.multi_krum import MultiKrum


def between(x: np.ndarray) -> np.ndarray:
    """Squared distances by their definition, in float64."""
    x = np.asarray(x, dtype=np.float64)
    return ((x[:, None] - x) ** 2).sum(axis=2)


def close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    apart = ~np.eye(len(expected), dtype=bool)
    return bool((np.abs(found - expected) <= tolerance * expected)[apart].all())


@pytest.fixture
def small_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "BUFFER", 1)  # 256 columns at a time


@pytest.mark.usefixtures("small_buffer")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("m", "d"), [(1, 1), (2, 1), (3, 257), (7, 1000), (20, 255)])
def test_distances_are_those_of_the_definition(dtype: type, m: int, d: int) -> None:
    x = np.random.default_rng(m).standard_normal((m, d)).astype(dtype)
    for messages in (x, list(x), np.asfortranarray(x)):
        assert close(distances(gram(messages).products), between(x), 1e-12)


@given(
    seed=st.integers(0, 2**32), m=st.integers(1, 9), d=st.integers(1, 9), power=st.integers(-30, 30)
)
def test_the_gram_matrix_is_symmetric_and_distances_are_not_negative(
    seed: int, m: int, d: int, power: int
) -> None:
    x = 10.0**power * np.random.default_rng(seed).standard_normal((m, d)).round(1)
    K = gram(x).products
    assert K.dtype == np.float64
    np.testing.assert_array_equal(K, K.T)
    assert (distances(K) >= 0).all()
    assert (np.diagonal(distances(K)) == 0).all()
    np.testing.assert_allclose(distances(K), between(x), rtol=1e-9, atol=1e-13 * 100.0**power)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
def test_a_common_offset_costs_float32_rows_no_digit(offset: float) -> None:
    x = (np.random.default_rng(0).standard_normal((30, 5000)) + offset).astype(np.float32)
    assert close(distances(gram(x).products), between(x), 1e-12)
    raw = x @ x.T  # what costs everything
    assert offset < 1e4 or not close(distances(raw.astype(float)), between(x), 1.0)


@given(seed=st.integers(0, 2**32), q=st.integers(1, 5), m=st.integers(1, 9), d=st.integers(1, 600))
def test_many_points_at_once_say_what_each_says_alone(seed: int, q: int, m: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    stack = rng.standard_normal((q, m, d)) + 1e3
    stack[rng.integers(q), rng.integers(m)] *= 10.0 ** rng.integers(0, 200)
    stack[rng.integers(q), rng.integers(m), 0] = rng.choice([1e12, np.inf, np.nan, 0.0])
    for together, x in zip(distances(grams(stack).products), stack, strict=True):
        np.testing.assert_allclose(together, distances(gram(x).products), rtol=1e-9)


def test_liars_who_know_the_sample_mislead_no_batch_either() -> None:
    x = np.random.default_rng(0).standard_normal((3, 5, 4 * gram_module.SAMPLE))
    honest = between(x[1, 2:])
    x[1, :2] = x[1, 2:].mean(axis=0)
    x[1, :2, 7] = 1e12
    assert close(distances(grams(x).products)[1, 2:, 2:], honest, 1e-9)


def test_an_offset_of_a_thousand_million_spreads_costs_float64_rows_none() -> None:
    x = np.random.default_rng(0).standard_normal((30, 500)) + 1e9
    assert close(distances(gram(x).products), between(x), 1e-12)


@pytest.mark.parametrize("far", [1e30, 1e150, 1e200, np.inf, -np.inf, np.nan])
def test_far_rows_leave_the_distances_of_the_others_alone(far: float) -> None:
    x = np.random.default_rng(0).standard_normal((20, 300)) + 100.0
    honest = between(x[6:])
    x[:6] = far
    found = distances(gram(x).products)
    assert close(found[6:, 6:], honest, 1e-12)
    assert (found[:6, 6:] > 1e50).all()  # not NaN either


def test_liars_who_know_the_sample_cannot_become_the_reference() -> None:
    x = np.random.default_rng(0).standard_normal((20, 10 * gram_module.SAMPLE))
    honest = between(x[9:])
    x[:9] = x[9:].mean(axis=0)  # as central as can be where the sample looks
    x[:9, 7] = 1e12  # and elsewhere far away
    assert close(distances(gram(x).products)[9:, 9:], honest, 1e-9)


def test_half_the_rows_being_one_row_is_no_reason_to_look_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.random.default_rng(0).standard_normal((20, 50))
    x[:12] = x[0]
    passes = []
    centred = gram_module._centred
    monkeypatch.setattr(
        gram_module, "_centred", lambda *given: passes.append(given[1]) or centred(*given)
    )
    assert close(distances(gram(x).products)[12:, 12:], between(x[12:]), 1e-12)
    assert None not in passes  # about the median


@pytest.mark.usefixtures("small_buffer")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_sums_are_rounded_once(dtype: type) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((9, 700)).astype(dtype), rng.standard_normal((3, 9))
    exact = w @ x.astype(np.float64)
    for messages in (x, list(x)):
        found = combine(messages, w)
        assert found.dtype == dtype
        assert (np.abs(found - exact) <= np.finfo(dtype).eps * np.abs(exact) + 1e-15).all()
        np.testing.assert_allclose(
            combine(messages, w[1]), found[1], rtol=np.finfo(dtype).eps, atol=1e-14
        )


def test_a_row_of_weight_zero_may_hold_anything() -> None:
    x = np.ones((3, 4))
    x[2] = [np.nan, np.inf, -np.inf, 1e308]
    np.testing.assert_array_equal(combine(x, np.array([0.5, 0.5, 0.0])), np.ones(4))
    found = combine(x, np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]))
    np.testing.assert_array_equal(found[0], np.ones(4))
    assert not np.isfinite(found[1]).any()


@given(seed=st.integers(0, 2**32), m=st.integers(1, 8), k=st.integers(1, 8))
def test_the_gram_of_mixtures_needs_no_mixtures(seed: int, m: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((m, 5))
    A = rng.dirichlet(np.ones(m), size=k)
    expected = between(combine(x, A))
    np.testing.assert_allclose(distances(mixed(gram(x), A).products), expected, atol=1e-12)


def test_a_bad_row_spoils_the_mixtures_it_enters_and_no_others() -> None:
    x = np.random.default_rng(0).standard_normal((4, 5))
    A = np.array([[0.5, 0.5, 0, 0], [0.0, 0.5, 0.5, 0], [0.0, 0.0, 0.5, 0.5]])
    honest = between(A[:2] @ x)
    x[3] = np.nan
    found = distances(mixed(gram(x), A).products)
    np.testing.assert_allclose(found[:2, :2], honest, atol=1e-12)
    assert (found[2, :2] == np.inf).all()


def test_rows_on_disk_pass_in_bounded_memory(tmp_path: Path) -> None:
    m, d = 20, 400_000
    rows = [np.memmap(tmp_path / f"{i}", np.float32, "w+", shape=(d,)) for i in range(m)]
    rng = np.random.default_rng(0)
    for row in rows:
        row[:] = rng.standard_normal(d, dtype=np.float32)
    tracemalloc.start()
    K = gram(rows)
    tracemalloc.stop()
    tracemalloc.start()
    gram(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 8 * row_blocks.BUFFER  # 64 MB of float64, were they all read at once
    stack = np.stack(rows).astype(np.float64)
    stack -= stack.mean(axis=0)
    square = (stack**2).sum(axis=1)
    expected = square[:, None] + square - 2 * (stack @ stack.T)
    np.testing.assert_allclose(distances(K.products), np.where(np.eye(m), 0.0, expected), rtol=1e-9)


def test_a_rule_reads_rows_on_disk_where_they_are(tmp_path: Path) -> None:
    m, d = 20, 400_000
    rows = [np.memmap(tmp_path / f"{i}", np.float32, "w+", shape=(d,)) for i in range(m)]
    for i, row in enumerate(rows):
        row[:] = i if i < 14 else 1e30
    MultiKrum()(rows, 6)
    tracemalloc.start()
    found = MultiKrum()(rows, 6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 8 * row_blocks.BUFFER
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, np.full(d, np.mean(range(14)), dtype=np.float32))
