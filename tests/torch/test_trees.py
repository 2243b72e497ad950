from __future__ import annotations

from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import saddleproof as sp
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.torch import aggregate


@settings(max_examples=25, deadline=None)
@given(m=st.integers(5, 9), b=st.integers(0, 2), seed=st.integers(0, 99))
def test_a_tree_goes_through_the_rule_as_one_message(m: int, b: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    trees = [[torch.randn(2, 3, generator=rng), torch.randn(4, generator=rng)] for _ in range(m)]
    flat = torch.stack([torch.cat([x.reshape(-1) for x in tree]) for tree in trees])
    rule = sp.NearestNeighborMixing()
    merged = torch.cat([x.reshape(-1) for x in aggregate(rule, trees, b)])
    torch.testing.assert_close(merged, rule(flat, b))


def test_state_dicts_come_back_as_one_that_loads() -> None:
    modules = [nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)) for _ in range(5)]
    for k, module in enumerate(modules):
        module[1].num_batches_tracked += k
    state = aggregate(sp.Median(), [module.state_dict() for module in modules], b=2)
    assert isinstance(state, OrderedDict)
    assert list(state) == list(modules[0].state_dict())
    assert state["1.num_batches_tracked"].dtype == torch.int64
    assert int(state["1.num_batches_tracked"]) == 2
    nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).load_state_dict(state)


def test_structure_dtypes_and_missing_gradients_survive() -> None:
    def tree(x: float) -> dict[str, object]:
        half = torch.full((2,), x, dtype=torch.bfloat16)
        return {"b": (half, None), "a": [torch.full((), x, dtype=torch.float64)]}

    merged = aggregate(sp.TrimmedMean(), [tree(x) for x in (1.0, 2.0, 3.0)], b=1)
    assert list(merged) == ["b", "a"]
    assert merged["b"][1] is None
    assert merged["b"][0].dtype == torch.bfloat16
    assert float(merged["a"][0]) == 2.0


@pytest.mark.parametrize(
    "lie",
    [
        {"w": torch.tensor([torch.nan])},
        {"w": torch.ones(2)},
        {"w": torch.ones(1, dtype=torch.float64)},
        {"v": torch.ones(1)},
        {"w": "nothing"},
        {},
    ],
    ids=["nan", "shape", "dtype", "key", "text", "empty"],
)
def test_a_bad_tree_is_left_out_and_charged_to_b(lie: dict[str, object]) -> None:
    good = [{"w": torch.tensor([x])} for x in (1.0, 2.0, 3.0, 4.0)]
    assert float(aggregate(sp.TrimmedMean(), [lie, *good], b=1)["w"]) == 2.5
    with pytest.raises(BreakdownError, match="2 of 6 trees"):
        aggregate(sp.TrimmedMean(), [lie, lie, *good], b=1)


def test_a_liar_cannot_move_a_counter_out_of_the_honest_range() -> None:
    trees = [{"n": torch.tensor(x)} for x in (10**9, 7, 8, 9, -(10**9))]
    assert int(aggregate(sp.Median(), trees, b=2)["n"]) in (7, 8, 9)


def test_too_many_liars_and_nothing_at_all_are_refused() -> None:
    trees = [{"w": torch.ones(1)}] * 4
    with pytest.raises(BreakdownError):
        aggregate(sp.Median(), trees, b=2)
    with pytest.raises(OptionError, match="at least one"):
        aggregate(sp.Median(), [], b=0)
    with pytest.raises(OptionError, match="no tensors"):
        aggregate(sp.Median(), [{}, {}], b=0)


def test_rules_take_lists_of_tensors() -> None:
    rows = [torch.tensor([float(k), 1.0]) for k in range(5)]
    assert torch.equal(sp.Median()(rows, b=2), torch.tensor([2.0, 1.0]))
    np.testing.assert_array_equal(sp.Median()([row.numpy() for row in rows], b=2), [2.0, 1.0])


def test_what_a_mapping_carries_beside_its_keys_survives() -> None:
    module = nn.Linear(2, 1)
    merged = aggregate(sp.Median(), [module.state_dict() for _ in range(3)], b=1)
    assert merged._metadata == module.state_dict()._metadata  # type: ignore[attr-defined]
    filled = aggregate(sp.Median(), [defaultdict(list, w=torch.ones(2)) for _ in range(3)], b=1)
    assert filled["other"] == []


@pytest.mark.parametrize("leaf", [0.1, torch.ones(2, dtype=torch.complex64)])
def test_what_no_rule_can_take_is_the_callers_mistake_and_no_lie(leaf: object) -> None:
    with pytest.raises(OptionError, match="Leave it out"):
        aggregate(sp.Median(), [{"w": torch.ones(2), "x": leaf} for _ in range(3)], b=1)
