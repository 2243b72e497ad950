"""Lies that are tried on the server's own rule first: InnerProduct, OptimisedScale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof import Mean, Median, TrimmedMean
from saddleproof.aggregators import Krum, MeanAroundMedian, MultiKrum
from saddleproof.attacks import (
    ALittleIsEnough,
    Gaussian,
    InnerProduct,
    Malformed,
    OptimisedScale,
    SignFlip,
)
from saddleproof.attacks.inner_product import SCALES
from saddleproof.attacks.line_search import LADDER
from saddleproof.errors import OptionError

SEEDS = st.integers(0, 2**32)
RULES = (Mean(), Median(), TrimmedMean(), Krum())


def inner(view: Any, answer: np.ndarray) -> np.ndarray:
    return (answer * view.honest_mean).sum(axis=1)


def harm(view: Any, answer: np.ndarray) -> np.ndarray:
    return np.linalg.norm(answer - view.honest_mean, axis=1)


@given(st.integers(3, 12), SEEDS, st.data())
def test_the_mean_turns_around_beyond_h_over_k(
    make_view: Callable[..., Any], told: Callable[..., Any], m: int, seed: int, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, (m - 1) // 2))
    view = make_view(Mean(), m=m, k=k, seed=seed)
    edge = (m - k) / k
    assert (inner(view, told(view, InnerProduct(1.01 * edge)(view))) < 0).all()
    assert (inner(view, told(view, InnerProduct(0.99 * edge)(view))) > 0).all()


def test_krum_picks_the_lie_when_it_is_small() -> None:
    # Seven honest rows around (1, 0, ...), wide apart; four lies close together win the vote.
    rng = np.random.default_rng(0)
    d = 50
    honest = rng.standard_normal((1, 7, d))
    honest[:, :, 0] += 1.0
    lie = -0.1 * honest.mean(axis=1)
    stack = np.concatenate([np.repeat(lie[:, None], 4, axis=1), honest], axis=1)
    answer = Krum().estimates(stack, 4).vector
    assert (answer * honest.mean(axis=1)).sum() < 0


@given(st.sampled_from(RULES), SEEDS)
def test_the_free_scale_is_the_worst_of_those_it_tries(
    make_view: Callable[..., Any], told: Callable[..., Any], rule: Any, seed: int
) -> None:
    view = make_view(rule, seed=seed)
    free = inner(view, told(view, InnerProduct()(view)))
    fixed = [inner(view, told(view, InnerProduct(scale)(view))) for scale in SCALES]
    np.testing.assert_allclose(free, np.min(fixed, axis=0), rtol=1e-9, atol=1e-9)


@given(
    st.sampled_from(RULES),
    st.sampled_from([SignFlip(), ALittleIsEnough(), ALittleIsEnough(1.5), Gaussian()]),
    SEEDS,
)
@settings(max_examples=25)
def test_the_best_scale_is_never_weaker_than_the_attack_itself(
    make_view: Callable[..., Any], told: Callable[..., Any], rule: Any, attack: Any, seed: int
) -> None:
    view = make_view(rule, seed=seed)
    found = harm(view, told(view, OptimisedScale(attack)(view)))
    assert (found >= harm(view, told(view, attack(view))) - 1e-9).all()


def test_the_best_scale_is_searched_at_each_point_in_one_call(
    make_view: Callable[..., Any], told: Callable[..., Any]
) -> None:
    view = make_view(Krum(), k=3)
    calls: list[tuple[int, ...]] = []

    def counted(stack: np.ndarray) -> np.ndarray:
        calls.append(stack.shape)
        return view.aggregate(stack)

    scales = (0.1, 1.0, 10.0)
    watched = make_view(Krum(), k=3, aggregate=counted)
    lies = OptimisedScale(SignFlip(), scales)(watched)
    assert calls == [(3 * 3, 11, 5)]
    g = view.honest_mean
    tried = [harm(view, told(view, (g + x * (-2 * g))[:, None])) for x in scales]
    np.testing.assert_allclose(harm(view, told(view, lies)), np.max(tried, axis=0), rtol=1e-9)


@pytest.mark.parametrize("rule", [Krum(), MultiKrum(), MeanAroundMedian()])
def test_the_search_does_nearly_all_the_harm_of_a_fine_grid(
    make_view: Callable[..., Any], told: Callable[..., Any], rule: Any
) -> None:
    view = make_view(rule)
    found = harm(view, told(view, OptimisedScale()(view)))
    g = view.honest_mean[:, None]
    offset = ALittleIsEnough(1.0)(view) - g
    grid = [x * s for x in np.geomspace(0.1, 10, 100) for s in (1, -1)]
    most = np.max([harm(view, told(view, g + x * offset)) for x in grid], axis=0)
    assert (found >= 0.98 * most).all()


@pytest.mark.parametrize(
    ("low", "high", "many"),
    [(1e-3, 0.05, 3), (0.05, 0.4, 12), (0.4, 3.0, 96), (3.0, 20.0, 12), (20.0, 1e4, 3)],
)
def test_the_ladder_has_as_many_factors_a_decade_as_it_says(
    low: float, high: float, many: int
) -> None:
    positive = LADDER[LADDER > 0]
    np.testing.assert_array_equal(LADDER, np.r_[-positive[::-1], positive])
    inside = positive[(positive >= low * (1 - 1e-9)) & (positive <= high * (1 + 1e-9))]
    assert inside[[0, -1]] == pytest.approx([low, high])
    np.testing.assert_allclose(np.diff(np.log10(inside)), 1 / many, rtol=0.1)


def test_a_factor_may_be_negative(make_view: Callable[..., Any]) -> None:
    # Below, a lie and the 10 are cut off; above, the lie and a 0: the farther way is down.
    rows = np.array([7.0, 0.0, 0.0, 1.0, 1.0, 1.0, 10.0]).reshape(1, 7, 1)
    known = {"members": (0,), "k": 1, "rule": TrimmedMean(), "points": np.zeros((1, 1))}
    attack = OptimisedScale(ALittleIsEnough(1.0))  # which goes down
    assert attack(make_view(messages=rows, **known)) < 0
    assert attack(make_view(messages=-rows, **known)) > 0


def test_in_parts_it_is_the_same_search(
    make_view: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = OptimisedScale()(make_view(Krum()))
    monkeypatch.setattr("saddleproof.attacks.line_search.TOGETHER", 7 * 11 * 5)
    np.testing.assert_array_equal(OptimisedScale()(make_view(Krum())), whole)


@pytest.mark.parametrize("messages", [np.ones((3, 11, 5)), np.full((3, 11, 5), 1e300)])
def test_where_nobody_differs_the_lies_stay_finite(
    make_view: Callable[..., Any], messages: np.ndarray
) -> None:
    for attack in (ALittleIsEnough(1.0), SignFlip()):
        lies = OptimisedScale(attack)(make_view(Mean(), messages=messages))
        assert np.isfinite(lies).all()


def test_against_the_mean_the_loudest_scale_is_best(make_view: Callable[..., Any]) -> None:
    view = make_view(Mean())
    g = view.honest_mean[:, None]
    lies = OptimisedScale(SignFlip(), scales=(0.0, 100.0, 1.0))(view)
    np.testing.assert_allclose(lies, np.repeat(g - 200.0 * g, 3, axis=1))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _: InnerProduct(0.0), "positive and finite"),
        (lambda _: OptimisedScale(scales=()), "one at least"),
        (lambda _: OptimisedScale(scales=(np.inf,)), "finite numbers"),
        (OptimisedScale(Malformed()), "nothing to scale"),
    ],
)
def test_misuse_says_what_is_needed(
    make_view: Callable[..., Any], make: Callable[[Any], object], says: str
) -> None:
    with pytest.raises(OptionError, match=says):
        make(make_view())
