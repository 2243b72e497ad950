"""Divide and conquer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators import DnC, Sever
from saddleproof.errors import OptionError
from saddleproof.testing import check_aggregator, check_scales


def scores(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=0)
    return (centred @ np.linalg.svd(centred, full_matrices=False)[2][0]) ** 2


@pytest.mark.parametrize("m", [3, 10, 11])
def test_dnc_passes_the_suite_but_for_far_rows(m: int) -> None:
    check_aggregator(DnC(), m=m, rotation=True, robust=False)
    check_aggregator(DnC(columns=3, rounds=2, key="k"), m=m, equivariant=False, robust=False)


@given(st.integers(0, 2**32), st.integers(3, 12), st.sampled_from([0.5, 1.0, 1.5]), st.data())
def test_one_round_of_all_coordinates_is_its_definition(
    seed: int, m: int, c: float, data: st.DataObject
) -> None:
    b = data.draw(st.integers(0, (m - 1) // 2))
    x = np.random.default_rng(seed).standard_normal((m, 4))
    x[:b] += 3.0
    left = np.argsort(scores(x), kind="stable")[: m - int(np.ceil(c * b))]
    np.testing.assert_allclose(DnC(c=c)(x, b), x[left].mean(axis=0), atol=1e-9)


@given(st.integers(0, 2**32), st.sampled_from([1e3, 1e9, 1e200, np.inf, np.nan]))
def test_liars_that_push_the_same_way_are_dropped(seed: int, size: float) -> None:
    x = np.random.default_rng(seed).standard_normal((11, 30))
    x[:5] = size
    for rule in (DnC(), DnC(columns=7, rounds=3)):
        found = rule.estimate(x, b=5)
        assert not found.kept[:5].any()
        assert np.linalg.norm(found.vector) < 10.0


def test_liars_in_different_directions_outlast_it_as_the_manual_says() -> None:
    x = np.random.default_rng(0).standard_normal((11, 4))
    x[0], x[1] = [1e6, 0, 0, 0], [0, 1e3, 0, 0]
    assert np.linalg.norm(DnC()(x, b=2)) > 50.0
    assert np.linalg.norm(Sever()(x, b=2)) < 5.0


def test_a_row_stays_that_every_round_marks() -> None:
    x = np.random.default_rng(1).standard_normal((15, 40))
    rule = DnC(columns=5, rounds=4, key="k")
    one = [DnC(columns=5, rounds=1, key="k").estimate(x, 3).kept]
    all_rounds = rule.estimate(x, 3).kept
    assert (all_rounds <= one[0]).all()  # round 0 of both draws the same coordinates
    assert 3 <= all_rounds.sum() < 12
    np.testing.assert_allclose(rule(x, 3), x[all_rounds].mean(axis=0))


def test_where_no_row_is_marked_every_time_the_most_marked_are_the_answer() -> None:
    x = np.random.default_rng(1).standard_normal((5, 400))
    found = DnC(columns=1, rounds=40, key="k").estimate(x, 2)
    assert found.kept.any()
    assert np.isfinite(found.vector).all()


def test_the_coordinates_hang_on_key_and_rows_and_on_no_order_or_scale() -> None:
    x = np.random.default_rng(2).standard_normal((11, 3000))
    rule = DnC(columns=50, key="k")
    check_scales(rule, x, 3, powers=(-1000, 40, 1000))
    turned = rule.estimate(x[::-1], 3).kept[::-1]
    np.testing.assert_array_equal(turned, rule.estimate(x, 3).kept)
    others = {tuple(DnC(columns=50, key=str(k)).estimate(x, 3).kept) for k in range(20)}
    assert len(others) > 5
    fresh = {tuple(DnC(columns=50).estimate(x, 3).kept) for _ in range(20)}
    assert len(fresh) > 5
    assert "key" not in repr(rule)


def test_torch_tensors_lose_the_same_rows() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(2).standard_normal((11, 300))
    rule = DnC(columns=20, rounds=2, key="k")
    found = rule.estimate(torch.from_numpy(x), 3)
    np.testing.assert_array_equal(found.kept.numpy(), rule.estimate(x, 3).kept)


@pytest.mark.parametrize("options", [{"columns": 0}, {"rounds": 0}, {"c": 0.0}, {"c": -1.0}])
def test_options_outside_their_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        DnC(**options)


def test_dropping_every_row_is_refused() -> None:
    with pytest.raises(OptionError, match=r"DnC drops c b = 6 rows .* m=5, b=2, c=3.0"):
        DnC(c=3.0)(np.zeros((5, 1)), b=2)
