"""Splits of data among workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.problems import partition

SPLITS: dict[str, Callable[..., list[np.ndarray]]] = {
    "iid": partition.iid,
    "extreme": lambda y, m, seed, **more: partition.extreme(y, m, **more),
    "similar": lambda y, m, **more: partition.gamma_similarity(y, m, 0.3, **more),
    "dirichlet": lambda y, m, **more: partition.dirichlet(y, m, 0.1, **more),
    "tiny alpha": lambda y, m, **more: partition.dirichlet(y, m, 1e-300, **more),
    "quantity": lambda y, m, **more: partition.by_quantity(y, m, alpha=0.2, **more),
    "shares": lambda y, m, **more: partition.by_quantity(y, m, shares=np.arange(1, m + 1), **more),
}
labels = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)


def is_partition(parts: list[np.ndarray], n: int) -> bool:
    together = np.concatenate(parts)
    ascending = all((np.diff(part) > 0).all() for part in parts)
    whole = np.array_equal(np.sort(together), np.arange(n))
    return ascending and whole and all(part.dtype == np.intp for part in parts)


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=40)
@given(y=labels, m=st.integers(1, 70), seed=st.integers(0, 2**63), empty=st.booleans())
def test_every_row_is_in_one_shard_and_seeds_reproduce(
    name: str, y: np.ndarray, m: int, seed: int, empty: bool
) -> None:
    split = SPLITS[name]
    if len(y) < m and not empty:
        with pytest.raises(OptionError, match=f"{len(y)} rows leave some of m={m} workers without"):
            split(y, m, seed=seed)
        return
    parts = split(y, m, seed=seed, empty=empty)
    assert len(parts) == m
    assert is_partition(parts, len(y))
    assert empty or all(len(part) for part in parts)
    again = split(y, m, seed=seed, empty=empty)
    assert all(np.array_equal(p, q) for p, q in zip(parts, again, strict=True))


@given(y=labels, m=st.integers(1, 12), k=st.integers(1, 5), seed=st.integers(0, 99))
def test_per_label_gives_k_labels_and_no_more(y: np.ndarray, m: int, k: int, seed: int) -> None:
    there = len(np.unique(y))
    if not k <= there <= m * k:
        with pytest.raises(OptionError, match="Take another k" if len(y) >= m else "without any"):
            partition.per_label(y, m, k, seed=seed)
        return
    parts = partition.per_label(y, m, k, seed=seed, empty=True)
    assert is_partition(parts, len(y))
    assert max(len(np.unique(y[part])) for part in parts) <= k
    sizes = np.array([[np.sum(y[part] == label) for part in parts] for label in np.unique(y)])
    for row in sizes:  # holders share evenly
        held = row[row > 0]
        assert held.max() - held.min() <= 1
        assert len(held) <= -(-m * k // there)
    holders = [min(count, m * k // there) for count in np.bincount(y)[np.unique(y)]]
    assert all((row > 0).sum() >= least for row, least in zip(sizes, holders, strict=True))


def test_per_label_refuses_to_break_its_promise() -> None:
    with pytest.raises(OptionError, match=r"label np.int64\(1\) has 1 rows for 2 holders"):
        partition.per_label([0, 0, 0, 0, 1], 4, 1, seed=0)


@given(y=labels, m=st.integers(1, 12), gamma=st.floats(0, 1), seed=st.integers(0, 99))
def test_similar_shards_have_one_size(y: np.ndarray, m: int, gamma: float, seed: int) -> None:
    parts = partition.gamma_similarity(y, m, gamma, seed=seed, empty=True)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_gamma_is_the_share_of_rows_that_are_dealt_at_random() -> None:
    y = np.repeat(np.arange(10), 1000)
    for gamma in (0.0, 0.25, 0.5, 1.0):
        parts = partition.gamma_similarity(y, 10, gamma, seed=1)
        own = np.mean([np.bincount(y[part], minlength=10).max() / len(part) for part in parts])
        assert own == pytest.approx(1 - gamma + gamma / 10, abs=0.05)
    zero = partition.gamma_similarity(y, 10, 0.0, seed=1)
    assert all(np.array_equal(p, q) for p, q in zip(zero, partition.extreme(y, 10), strict=True))


def test_dirichlet_shares_have_the_variance_of_the_distribution() -> None:
    y = np.repeat(np.arange(400), 1000)
    m = 5
    for alpha in (0.1, 1.0, 10.0):
        parts = partition.dirichlet(y, m, alpha, seed=2)
        share = np.stack([np.bincount(y[part], minlength=400) for part in parts]) / 1000
        assert share.mean() == pytest.approx(1 / m)
        expected = (m - 1) / (m * m * (m * alpha + 1))  # Var of a Dirichlet share
        assert share.var() == pytest.approx(expected, rel=0.1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("alpha", [1e12, 1e308])
def test_a_huge_alpha_splits_every_label_evenly(alpha: float) -> None:
    y = np.repeat([0, 1, 2], 1000)
    for part in partition.dirichlet(y, 5, alpha, seed=0):
        np.testing.assert_allclose(np.bincount(y[part]), 200, atol=1)


@given(st.lists(st.floats(0.01, 50), min_size=1, max_size=9), st.integers(9, 500))
def test_sizes_are_in_proportion_to_the_shares(shares: list[float], n: int) -> None:
    parts = partition.by_quantity(n, len(shares), shares=shares, seed=0, empty=True)
    expected = np.array(shares) / sum(shares) * n
    assert (np.abs([len(part) for part in parts] - expected) <= 1 + 1e-6).all()


def test_iid_shards_hold_labels_in_the_same_shares() -> None:
    y = np.repeat([0, 1], [9000, 1000])
    for part in partition.iid(y, 5, seed=0):
        assert len(part) == 2000
        assert np.mean(y[part]) == pytest.approx(0.1, abs=0.03)


def test_labels_may_be_words_and_rows_a_number() -> None:
    words = ["cat", "dog", "cat", "ape"]
    assert [part.tolist() for part in partition.extreme(words, 3)] == [[0, 3], [2], [1]]
    assert is_partition(partition.iid(7, 3, seed=np.random.default_rng(0)), 7)


def test_shards_fit_a_problem_and_a_data_set_of_torch() -> None:
    y = np.random.default_rng(0).integers(0, 3, 50)
    X = np.random.default_rng(1).standard_normal((50, 2))
    parts = partition.dirichlet(y, 4, 0.5, seed=0)

    class Squares:
        d = 2

        def value(self, w: np.ndarray, data: Any) -> float:
            return float(0.5 * ((w - data[0]) ** 2).sum(axis=1).mean())

        def gradient(self, points: np.ndarray, data: Any) -> np.ndarray:
            return points - data[0].mean(axis=0)

    problem = sp.Problem(Squares(), [(X[part], y[part]) for part in parts])
    np.testing.assert_allclose(
        problem.gradients(np.zeros((1, 2)))[0], [-X[part].mean(axis=0) for part in parts]
    )
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    again = partition.dirichlet(data.tensors[1], 4, 0.5, seed=0)
    subsets = [torch.utils.data.Subset(data, part.tolist()) for part in again]
    assert [len(subset) for subset in subsets] == [len(part) for part in parts]
    np.testing.assert_array_equal(subsets[1][0][0].numpy(), X[parts[1][0]])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: partition.iid(10, 0), "workers must be a whole number of at least 1; got 0"),
        (lambda: partition.iid(10, 2.0), "workers must be a whole number"),
        (lambda: partition.iid(0, 1), "data must be a whole number of at least 1"),
        (lambda: partition.iid(10, 2, seed="a"), "seed must be"),
        (lambda: partition.iid(10, 2, empty=1), "empty must be True or False"),
        (lambda: partition.extreme(10, 2), "labels must be n numbers or n words"),
        (lambda: partition.extreme(np.zeros((5, 2)), 2), r"got ndarray of shape \(5, 2\)"),
        (lambda: partition.extreme([0.0, np.nan], 2), "labels must not be NaN"),
        (lambda: partition.dirichlet([0, 1], 2, 0.0), "alpha must be a finite number above 0"),
        (lambda: partition.dirichlet([0, 1], 2, np.inf), "alpha must be a finite number above 0"),
        (lambda: partition.gamma_similarity([0, 1], 2, 1.5), r"in \[0, 1\]; got 1.5"),
        (lambda: partition.by_quantity(9, 3, shares=[1, 2]), "one number for each of m=3 workers"),
        (lambda: partition.by_quantity(9, 2, shares=[1, 0]), "shares must be a finite number"),
        (lambda: partition.per_label([0, 1], 2, 0), "k must be a whole number of at least 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_refused(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        call()
