"""Lies that hide among the honest rows: ALIE, Mimic, Min-Max, Min-Sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.attacks import ALittleIsEnough, Mimic, MinMax, MinSum
from saddleproof.errors import OptionError

SEEDS = st.integers(0, 2**32)
PERTURBATIONS = ("std", "unit", "sign")


# --- A little is enough ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("m", "k", "z"), [(50, 12, 0.336), (10, 4, 0.4307), (25, 5, 0.2533), (20, 4, 0.1573)]
)
def test_alie_shifts_as_far_as_the_paper_allows(m: int, k: int, z: float) -> None:
    assert ALittleIsEnough.largest_shift(m, k) == pytest.approx(z, abs=1e-4)


@pytest.mark.parametrize(("m", "k"), [(4, 1), (2, 1), (7, 0), (5, 4), (5, 5)])
def test_alie_stays_at_the_mean_where_the_formula_is_negative_or_says_nothing(
    m: int, k: int
) -> None:
    assert ALittleIsEnough.largest_shift(m, k) >= 0


@given(st.integers(4, 30), SEEDS, st.data())
def test_alie_hides_in_the_honest_range_of_every_coordinate(
    make_view: Callable[..., Any], m: int, seed: int, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, (m - 1) // 2))
    view = make_view(m=m, k=k, seed=seed)
    heavy = np.random.default_rng(seed).standard_cauchy(view.messages.shape)
    z = 1 / np.sqrt(m - k - 1)
    for messages in (view.messages, heavy):
        seen = make_view(m=m, k=k, seed=seed, messages=messages)
        lies = ALittleIsEnough(z=z)(seen)
        slack = 1e-9 * np.abs(seen.honest).max()
        assert (lies >= seen.honest.min(axis=1)[:, None] - slack).all()
        assert (lies <= seen.honest.max(axis=1)[:, None] + slack).all()


def test_alie_hides_among_normal_rows_at_its_own_shift(make_view: Callable[..., Any]) -> None:
    outside = []
    for seed in range(20):
        view = make_view(m=20, k=6, seed=seed)
        outside.append(ALittleIsEnough()(view)[:, 0] < view.honest.min(axis=1))
    assert np.mean(outside) == 0


def test_alie_is_mean_minus_z_standard_deviations(make_view: Callable[..., Any]) -> None:
    messages = np.array([0.0, 2.0, 7.0]).reshape(1, 3, 1)  # mean 1, std 1, and a liar
    view = make_view(messages=messages, members=(2,))
    np.testing.assert_allclose(ALittleIsEnough(z=3.0)(view), [[[-2.0]]])


def test_alie_goes_the_other_way_when_told_so(make_view: Callable[..., Any]) -> None:
    messages = np.array([0.0, 2.0, 7.0]).reshape(1, 3, 1)
    view = make_view(messages=messages, members=(2,))
    np.testing.assert_allclose(ALittleIsEnough(z=3.0, direction="plus")(view), [[[4.0]]])
    view = make_view(seed=1)
    both = ALittleIsEnough()(view) + ALittleIsEnough(direction="plus")(view)
    np.testing.assert_allclose(both, np.repeat(2 * view.honest_mean[:, None], 3, axis=1))


# --- Mimic ----------------------------------------------------------------------------------------


def test_mimic_copies_one_honest_worker_in_all_rounds(make_view: Callable[..., Any]) -> None:
    for seed in range(4):
        view = make_view(seed=seed)
        copied = np.repeat(view.honest[:, [2]], 3, axis=1)
        np.testing.assert_array_equal(Mimic(2)(view), copied)
        np.testing.assert_array_equal(Mimic(2 + 8)(view), copied)  # 8 honest rows, in a circle


def test_mimic_finds_the_worker_whose_data_differ_most(make_view: Callable[..., Any]) -> None:
    view = make_view()
    messages = view.messages.copy()
    odd = next(i for i in range(5, 11) if i not in view.members)
    messages[:, odd, 1] += 50.0
    view = make_view(messages=messages)
    for row in Mimic(worker=None)(view).swapaxes(0, 1):
        np.testing.assert_array_equal(row, messages[:, odd])


# --- Min-Max and Min-Sum --------------------------------------------------------------------------


def bisected(view: Any, p: np.ndarray, allowed: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The largest gamma at each point, by the paper's halving: (q,)."""
    low, high = np.zeros(len(p)), np.full(len(p), 1e3)
    for _ in range(80):
        middle = (low + high) / 2
        fits = allowed(view.honest_mean - middle[:, None] * p)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return low


def distances(view: Any, row: np.ndarray) -> np.ndarray:
    return np.linalg.norm(view.honest - row[:, None], axis=2)


def between(view: Any) -> np.ndarray:
    x = view.honest
    return np.linalg.norm(x[:, :, None] - x[:, None], axis=3)  # (q, h, h)


def p_of(view: Any, kind: str) -> np.ndarray:
    g = view.honest_mean
    length = np.linalg.norm(g, axis=1, keepdims=True)
    return {"std": view.honest.std(axis=1), "unit": g / length, "sign": np.sign(g)}[kind]


@given(st.sampled_from(PERTURBATIONS), st.integers(4, 14), SEEDS)
def test_min_max_is_no_farther_from_anyone_than_two_honest_rows_are_apart(
    make_view: Callable[..., Any], kind: Any, m: int, seed: int
) -> None:
    view = make_view(m=m, k=m // 3, seed=seed)
    lie, p, most = MinMax(kind)(view)[:, 0], p_of(view, kind), between(view).max(axis=(1, 2))
    np.testing.assert_allclose(distances(view, lie).max(axis=1), most, rtol=1e-9)
    gamma = bisected(view, p, lambda row: distances(view, row).max(axis=1) <= most)
    np.testing.assert_allclose(lie, view.honest_mean - gamma[:, None] * p, rtol=1e-7, atol=1e-7)


@given(st.sampled_from(PERTURBATIONS), st.booleans(), st.integers(4, 14), SEEDS)
def test_min_sum_is_no_farther_from_all_than_one_honest_row(
    make_view: Callable[..., Any], kind: Any, far: bool, m: int, seed: int
) -> None:
    view = make_view(m=m, k=m // 3, seed=seed)
    lie = MinSum(kind, "farthest" if far else "nearest")(view)[:, 0]
    sums = (between(view) ** 2).sum(axis=2)
    most = sums.max(axis=1) if far else sums.min(axis=1)
    np.testing.assert_allclose((distances(view, lie) ** 2).sum(axis=1), most, rtol=1e-9)
    p = p_of(view, kind)
    gamma = bisected(view, p, lambda row: (distances(view, row) ** 2).sum(axis=1) <= most)
    np.testing.assert_allclose(lie, view.honest_mean - gamma[:, None] * p, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("attack", [MinMax(), MinSum(), MinMax("unit"), MinSum("sign")])
def test_where_honest_workers_agree_there_is_nowhere_to_hide(
    make_view: Callable[..., Any], attack: Any
) -> None:
    view = make_view(messages=np.ones((3, 11, 5)))
    np.testing.assert_allclose(attack(view), 1.0)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ALittleIsEnough(z=-1.0), "at least 0"),
        (lambda: ALittleIsEnough(direction="up"), "direction must be"),
        (lambda: Mimic(-1), "must not be negative"),
        (lambda: MinMax("norm"), "std, unit, sign; got 'norm'"),
        (lambda: MinSum("norm"), "std, unit, sign; got 'norm'"),
        (lambda: MinSum(compared_with="mean"), "farthest, nearest; got 'mean'"),
    ],
)
def test_misuse_says_what_is_needed(make: Callable[[], object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        make()
