"""Order statistics by counting in a tree, and how far liars push a tree of medians."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.ranks import rank_bounds

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NUMBERS = st.lists(st.floats(allow_nan=False), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def counting() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return importlib.import_module("engines.counting")


def tree(counting: ModuleType, numbers: np.ndarray, cuts: list[int]):
    """Three levels: leaves between the cuts, two inner nodes, the root."""
    leaves = [counting.Leaf(part) for part in np.split(numbers, sorted(cuts))]
    half = len(leaves) // 2
    groups = [group for group in (leaves[:half], leaves[half:]) if group]
    return counting.Inner([counting.Inner(group) for group in groups])


@settings(max_examples=60, deadline=None)
@given(numbers=NUMBERS, data=st.data(), bits=st.sampled_from([1, 2, 4, 8, 16]))
def test_counts_in_a_tree_find_every_order_statistic_to_the_bit(counting, numbers, data, bits):
    cuts = data.draw(st.lists(st.integers(0, len(numbers)), max_size=4))
    rank = data.draw(st.integers(0, len(numbers) - 1))
    found = counting.order_statistic(tree(counting, np.array(numbers), cuts), rank, bits)
    assert np.float64(found).tobytes() == (np.sort(numbers)[rank] + 0.0).tobytes()


def test_zeros_of_both_signs_are_one_number(counting):
    root = counting.Inner([counting.Leaf(np.array([0.0, -0.0])), counting.Leaf(np.array([-0.0]))])
    found = [counting.order_statistic(root, rank) for rank in range(3)]
    assert np.array(found).tobytes() == np.zeros(3).tobytes()


class Liar:
    """Numbers that a liar chooses: all of its workers in one part of every interval."""

    def __init__(self, workers: int, part: int, extra: int = 0) -> None:
        self.workers, self.part, self.extra, self.said = workers, part, extra, 0

    def counts(self, chosen: int, known: int, bits: int) -> np.ndarray:
        if not known:
            due = self.workers
        else:
            due = self.said if chosen % 2**bits == self.part % 2**bits else 0
        found = np.zeros(2**bits, dtype=int)
        found[self.part] = due + (self.extra if known else 0)
        self.said = due
        return found


@given(honest=NUMBERS, liars=st.integers(1, 12), part=st.sampled_from([0, 1, 2, 3, -1]))
def test_a_lying_node_is_worth_the_workers_below_it_and_no_more(counting, honest, liars, part):
    m = len(honest) + liars
    root = counting.Inner([counting.Leaf(np.array(honest)), Liar(liars, part)])
    low, high = rank_bounds(m, liars)
    found = [
        counting.order_statistic(counting.Inner(root.children), rank, 2) for rank in (low, high)
    ]
    lower, upper = counting.keys_of(found)  # a NaN is in order too, by its sign
    least, most = counting.keys_of(np.sort(honest)[[(len(honest) - 1) // 2, len(honest) // 2]])
    assert lower <= least
    assert most <= upper


@pytest.mark.parametrize("extra", [1, -1, 1000])
def test_a_node_that_counts_other_numbers_than_before_is_proved_bad(counting, extra):
    root = counting.Inner([counting.Leaf(np.arange(5.0)), Liar(3, 3, extra)])
    with pytest.raises(counting.ProvedBadError, match="child 1"):
        counting.order_statistic(root, 7, 2)


@given(f=st.sampled_from([3, 5]), k=st.integers(1, 3), seed=st.integers(0, 99), data=st.data())
@settings(deadline=None)
def test_liars_push_a_tree_of_medians_as_far_as_said_and_no_farther(counting, f, k, seed, data):
    rng, m = np.random.default_rng(seed), f**k
    enough = ((f + 1) // 2) ** k
    b = data.draw(st.integers(0, enough - 1))
    honest = np.sort(rng.standard_normal(m - b))
    taken = counting.seats(f, k)
    numbers = np.empty(m)
    numbers[taken] = np.concatenate([np.full(b, 1e9), honest[m - enough :]])
    rest = np.setdiff1d(np.arange(m), taken)
    numbers[rest] = honest[: m - enough]
    assert counting.tree_of_medians(numbers, f) == honest[m - enough]  # (A - b)-th largest
    anywhere = rng.permutation(np.concatenate([rng.choice([-1e9, 1e9], b), honest]))
    found = counting.tree_of_medians(anywhere, f)
    assert honest[enough - b - 1] <= found <= honest[m - enough]


def test_a_tree_of_medians_is_not_a_median_and_counts_are(counting):
    numbers = np.array([0.0, 9, 9, 0, 9, 9, 0, 0, 0])
    root = counting.Inner([counting.Leaf(group) for group in numbers.reshape(3, 3)])
    assert counting.tree_of_medians(numbers, 3) == 9.0
    assert counting.order_statistic(root, 4) == np.median(numbers) == 0.0


@pytest.mark.parametrize(("f", "k"), [(3, 2), (3, 4), (9, 2), (11, 2)])
def test_a_majority_of_every_majority_chooses_the_root(counting, f, k):
    numbers = np.random.default_rng(0).standard_normal(f**k)
    numbers[counting.seats(f, k)] = 1e6
    assert counting.tree_of_medians(numbers, f) == 1e6
    assert len(counting.seats(f, k)) < (f**k + 1) / 2
    assert abs(np.median(numbers)) < 10
