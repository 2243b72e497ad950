"""The block kernel and its networks: the same answers as a sort, whatever the layout."""

from __future__ import annotations

import itertools
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.aggregators import Mean, Median, TrimmedMean
from saddleproof.aggregators.engine import kernels
from saddleproof.aggregators.engine.kernels_rows import LANES, rows_of
from saddleproof.aggregators.engine.networks import (
    ALONE,
    BUTTERFLY,
    UNUSED,
    ZIGZAG,
    network,
    pairwise,
    prune,
)
from saddleproof.aggregators.inexactness import rank_inexactness, stack_inexactness
from saddleproof.aggregators.mean_around_median import MeanAroundMedian
from saddleproof.errors import OptionError

RULES = (Mean(), Median(), TrimmedMean(), MeanAroundMedian())
BIG = (20, 8000)  # enough numbers for the kernel


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "SMALL", 0)


def normal(shape: tuple[int, ...], dtype: type = np.float32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def by_hand(labels: tuple[int, ...], x: np.ndarray) -> np.ndarray:
    """Run a network in plain NumPy."""
    rows = x.astype(float)

    def compare(i: int, j: int) -> None:
        rows[[i, j]] = np.minimum(rows[i], rows[j]), np.maximum(rows[i], rows[j])

    for kind, p, q, r, s in network(labels).tolist():
        compare(p, q)
        if kind in {BUTTERFLY, ZIGZAG}:
            compare(r, s)
        if kind == BUTTERFLY:
            compare(p, r)
            compare(q, s)
        if kind == ZIGZAG:
            compare(r, q)
    return rows


@pytest.mark.parametrize("m", range(1, 13))
def test_networks_sort_every_input_of_zeros_and_ones(m: int) -> None:
    # Knuth's zero-one principle: then they sort everything.
    x = np.array(list(itertools.product([0, 1], repeat=m))).T
    np.testing.assert_array_equal(by_hand((ALONE,) * m, x), np.sort(x, axis=0))


@given(m=st.integers(1, 70), data=st.data(), seed=st.integers(0, 2**32))
def test_pruned_networks_bring_up_what_was_asked_for(
    m: int, data: st.DataObject, seed: int
) -> None:
    labels = tuple(data.draw(st.lists(st.sampled_from([-1, 0, 1, 2]), min_size=m, max_size=m)))
    x = normal((m, 20), float, seed)
    found, ordered = by_hand(labels, x), np.sort(x, axis=0)
    for label in set(labels) - {UNUSED}:
        ranks = [rank for rank, one in enumerate(labels) if one == label]
        expected = ordered[ranks] if label == ALONE else np.sort(ordered[ranks], axis=0)
        got = found[ranks] if label == ALONE else np.sort(found[ranks], axis=0)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("m", "count"), [(8, 16), (20, 72), (50, 295), (100, 775), (300, 3596)])
def test_a_median_takes_few_comparators_and_fewer_steps(m: int, count: int) -> None:
    labels = kernels.Window((m - 1) // 2, m // 2 + 1).labels(m)
    assert len(prune(list(pairwise(m)), labels)) == count
    assert len(network(labels)) < 0.6 * count


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 7, LANES - 1, LANES, LANES + 1, 3 * LANES + 5])
@pytest.mark.parametrize("m", [1, 2, 3, 8, 21, 100])
def test_the_kernels_median_is_numpys_to_the_bit(m: int, d: int, dtype: type) -> None:
    x = normal((m, d), dtype, seed=m * d)
    found = Median()(x, b=0)
    assert found.dtype == dtype
    assert found.tobytes() == np.median(x, axis=0).tobytes()


@pytest.mark.usefixtures("always")
@settings(max_examples=40)
@given(m=st.integers(3, 40), d=st.integers(1, 600), q=st.integers(1, 3), seed=st.integers(0, 99))
def test_both_ways_give_the_same_estimate(m: int, d: int, q: int, seed: int) -> None:
    stack = normal((q, m, d), np.float64, seed)
    stack[:, 0] *= 1e6  # one row that does not enter everywhere
    b = (m - 1) // 3
    for rule in RULES:
        one = rule.estimates(stack, b)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "SMALL", 10**9)
            other = rule.estimates(stack, b)
            np.testing.assert_allclose(rule(stack[0], b), one.vector[0], rtol=1e-14, atol=1e-300)
        np.testing.assert_allclose(one.vector, other.vector, rtol=1e-14, atol=1e-300)
        np.testing.assert_allclose(one.inexactness, other.inexactness, rtol=1e-12)
        np.testing.assert_array_equal(one.kept, other.kept)


@pytest.mark.parametrize("rule", RULES)
def test_the_answer_does_not_depend_on_the_number_of_threads(rule: Mean) -> None:
    x = normal((20, 60_000))
    one, *others = (type(rule)(threads=n).estimate(x, 6) for n in (1, 2, 3, 8))
    for other in others:
        assert one.vector.tobytes() == other.vector.tobytes()
        assert one.inexactness == other.inexactness
        np.testing.assert_array_equal(one.kept, other.kept)
    assert one.vector.tobytes() == type(rule)(threads=5)(x, 6).tobytes()


def test_rules_may_be_called_from_many_threads_at_once() -> None:
    x = normal((20, 30_000))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: Median(threads=2)(x, 6).tobytes(), range(12)))
    assert set(answers) == {np.median(x, axis=0).tobytes()}


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[:, ::2],
        lambda x: x[:, ::-1],
        lambda x: x[::-1, 3:-3],
        np.asfortranarray,
        lambda x: np.broadcast_to(x[:, :1], (20, 8000)),
        lambda x: x.astype(">f4"),
    ],
    ids=["every second", "backwards", "part", "by columns", "stride 0", "foreign bytes"],
)
def test_any_layout_is_read_as_it_is(view) -> None:
    x = view(normal((20, 16_000)))
    np.testing.assert_array_equal(Median()(x, 6), np.median(x, axis=0))


@pytest.mark.parametrize("rule", RULES)
def test_separate_rows_give_what_their_stack_gives(rule: Mean) -> None:
    x = normal(BIG)
    one, other = rule.estimate([row.copy() for row in x], 6), rule.estimate(x, 6)
    assert one.vector.tobytes() == other.vector.tobytes()
    assert one.inexactness == other.inexactness
    np.testing.assert_array_equal(one.kept, other.kept)
    assert rule(tuple(x), 6).tobytes() == rule(x, 6).tobytes()
    refused = rule.estimate(list(x), 7)
    assert refused.inexactness is None
    assert "b=7 of m=20" in refused.reason


def test_rows_that_are_not_alike_are_stacked_or_refused() -> None:
    rows = list(normal(BIG))
    rows[3] = rows[3].astype(np.float64)
    np.testing.assert_array_equal(Median()(rows, 6), np.median(np.array(rows), axis=0))
    with pytest.raises(OptionError, match="do not stack"):
        Median()([*rows[:-1], rows[-1][:-1]], 6)
    with pytest.raises(OptionError, match="got int64"):
        Median()([np.zeros(8000, dtype=int)] * 20, 6)


@pytest.mark.parametrize("make", [lambda x: x, list], ids=["stack", "list"])
@pytest.mark.parametrize("rule", RULES)
def test_no_copy_of_the_messages_is_made(rule: Mean, make) -> None:
    x = make(normal((50, 100_000)))
    rule(x, 10)  # compiled, and its network built
    tracemalloc.start()
    rule(x, 10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 0.05 * 50 * 100_000 * 4  # the answer is 2 % of it


def test_nan_counts_as_plus_infinity() -> None:
    for d in (50, 8000):  # both ways
        x = normal((20, d))
        poisoned, infinite = x.copy(), x.copy()
        poisoned[:6], infinite[:6] = np.nan, np.inf
        for rule in (Median(), TrimmedMean(), MeanAroundMedian()):
            found = rule.estimate(poisoned, 6)
            assert np.isfinite(found.vector).all()
            assert not found.kept[:6].any()
            np.testing.assert_array_equal(found.vector, rule(infinite, 6))
        with np.errstate(invalid="ignore"):
            Median().estimate(np.full_like(x, np.nan), 6)  # and never a crash


def test_the_bound_of_any_vector_comes_from_one_pass() -> None:
    for d in (30, 6000):
        stack, vector = normal((2, 30, d), np.float64), normal((2, d), np.float64, seed=1)
        found = stack_inexactness(stack, vector, 9)
        expected = rank_inexactness(np.sort(stack, axis=1), vector, 9)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert stack_inexactness(stack, vector, 10) is None


def test_the_number_of_threads_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert kernels.thread_count(None) == 3
    assert kernels.thread_count(5) == 5
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert kernels.thread_count(None) >= 1
    with pytest.raises(OptionError, match="got 0"):
        Median(threads=0)
    assert Median(threads=2) == Median()  # it is no part of what the rule computes


def test_torch_tensors_are_read_where_they_are() -> None:
    torch = pytest.importorskip("torch")
    x = normal(BIG)
    tensor = torch.from_numpy(x.copy())
    rows = rows_of(tensor[None])
    assert rows is not None
    assert rows.addresses[0, 0] == tensor.data_ptr()
    for rule in RULES:
        found = rule.estimate(tensor, 6)
        assert found.vector.dtype == torch.float32
        assert found.kept.dtype == torch.bool
        assert found.vector.numpy().tobytes() == rule(x, 6).tobytes()
        assert rule(list(tensor), 6).numpy().tobytes() == rule(x, 6).tobytes()


def test_inside_a_gradient_torch_keeps_its_own_way() -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(normal(BIG)).requires_grad_()
    TrimmedMean()(x, 6).sum().backward()
    assert x.grad.sum() == pytest.approx(8000, rel=1e-4)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("d", [50, 8000])
def test_sixteen_bits_are_widened_and_come_back(rule: Mean, d: int) -> None:
    torch = pytest.importorskip("torch")
    x = normal((20, d))
    half = x.astype(np.float16)
    found = rule(half, 6)
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, rule(half.astype(np.float32), 6).astype(np.float16))
    short = torch.from_numpy(x).to(torch.bfloat16)
    for given_ in (short, list(short)):
        answer = rule.estimate(given_, 6).vector
        assert answer.dtype == torch.bfloat16
        assert torch.equal(answer, rule(short.to(torch.float32), 6).to(torch.bfloat16))


def test_jax_arrays_are_read_where_they_are() -> None:
    jax = pytest.importorskip("jax")
    x = normal(BIG)
    for rule in RULES:
        found = rule.estimate(jax.numpy.asarray(x), 6)
        assert isinstance(found.vector, jax.Array)
        assert np.asarray(found.vector).tobytes() == rule(x, 6).tobytes()
