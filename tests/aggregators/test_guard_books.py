"""What the two guards write down of each worker from round to round."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from guard_rows import AUTOMATIC, DIRECTION, NAMES, RULES, B, D, M, bounded, history, name, quiet
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.aggregators.byzantine_sgd import ByzantineSGD
from saddleproof.aggregators.guards import center, excess, normal_extreme, stays, typical
from saddleproof.aggregators.safeguard_sgd import SafeguardSGD
from saddleproof.errors import BreakdownError


def test_the_sums_of_byzantine_sgd_are_those_of_the_paper() -> None:
    """A_i and B_i up to what all workers share."""
    rule = ByzantineSGD()
    memory = rule.begin(NAMES, D)
    rng = np.random.default_rng(0)
    A, G = np.zeros(M), np.zeros((M, D))
    start = rng.standard_normal(D)
    for k in range(5):
        x = start + k * rng.standard_normal(D)
        g = rng.standard_normal((M, D))
        _, memory = rule.step(memory, g, 0, point=x)
        A, G = A + g @ (x - start), G + g
    np.testing.assert_allclose(memory.A - memory.A[0], A - A[0], atol=1e-12)
    np.testing.assert_allclose(memory.B - memory.B[0], G - G[0], atol=1e-12)
    np.testing.assert_array_equal(memory.start, start)


def test_only_byzantine_sgd_sees_a_lie_along_the_way() -> None:
    """A_i: a lie whose sign follows x - x_1, so that it cancels in B_i."""
    rule = ByzantineSGD(noise=1.0, diameter=0.5, horizon=400)
    T_A, T_B, _ = rule.thresholds(M)
    memory = rule.begin(NAMES, D)
    rng = np.random.default_rng(0)
    for k in range(400):
        x = (0.0 if k == 0 else 1.0 if k % 2 else -1.0) * DIRECTION
        g = quiet(rng, M, D)
        g[:B] += 2 * x
        _, memory = rule.step(memory, g, B, point=x)
    assert np.abs(memory.B[:B]).max() < T_B
    assert not memory.trusted[:B].any()
    assert memory.trusted[B:].all()
    assert T_A == T_B / 2


rows = st.integers(0, 2**32 - 1)


@settings(max_examples=15, deadline=None)
@given(rows, st.sampled_from(RULES + AUTOMATIC))
def test_the_good_set_never_grows_and_never_loses_more_than_b(seed: int, rule: Any) -> None:
    rng = np.random.default_rng(seed)
    memory = rule.begin(NAMES, D)
    for _ in range(12):
        g = rng.standard_normal((M, D)) * rng.exponential(1, (M, 1)) ** 6
        heard = np.sort(rng.choice(M, M - int(rng.integers(0, 2)), replace=False))
        names = tuple(NAMES[i] for i in heard)
        before = memory.trusted
        _, memory = rule.step(memory, g[heard], B, workers=names)
        assert not (memory.trusted & ~before).any()
        assert memory.trusted.sum() >= M - B
        absent = np.setdiff1d(np.arange(M), heard)
        np.testing.assert_array_equal(memory.trusted[absent], before[absent])


def test_safeguards_step_uses_the_old_good_set() -> None:
    rule, c = SafeguardSGD(noise=1.0, short=400, long=400, horizon=400), 3.9
    lie = lambda own, k: own + c * DIRECTION  # noqa: E731
    entered = [
        (bool(estimate.kept[:B].all()), bool(memory.trusted[:B].all()))
        for _, estimate, memory in history(rule, 400, lie, noise=quiet)
    ]
    at = [trusted for _, trusted in entered].index(False)
    assert entered[at] == (True, False)
    assert entered[at + 1] == (False, False)


@pytest.mark.parametrize("rule", RULES + AUTOMATIC, ids=name)
def test_a_single_huge_message_moves_no_step(rule: Any) -> None:
    lie = lambda own, k: own + 1e200  # noqa: E731
    for _, estimate, memory in history(rule, 5, lie):
        assert np.linalg.norm(estimate.vector - 3.0) < 2
        assert not memory.trusted[:B].any()


@pytest.mark.parametrize("rule", RULES + AUTOMATIC, ids=name)
def test_an_absent_worker_keeps_its_books_and_is_no_liar_for_it(rule: Any) -> None:
    rng = np.random.default_rng(0)
    memory = rule.begin(NAMES, D)
    for k in range(200):
        g = 3.0 + bounded(rng, M, D, 0.9)
        away = 50 <= k < 150
        heard = np.arange(1, M) if away else np.arange(M)
        _, memory = rule.step(memory, g[heard], 2, workers=tuple(NAMES[i] for i in heard))
    assert memory.trusted.all()


def test_who_was_left_out_stays_out_when_it_comes_back() -> None:
    rule = SafeguardSGD(short=5, long=10)
    rng = np.random.default_rng(0)
    memory = rule.begin(NAMES, D)
    for k in range(30):
        g = bounded(rng, M, D)
        g[0] += 1e3 * (k == 2)
        heard = np.arange(1, M) if 5 < k < 25 else np.arange(M)
        estimate, memory = rule.step(memory, g[heard], 2, workers=tuple(NAMES[i] for i in heard))
    assert not memory.trusted[0]
    assert not estimate.kept[0]


@pytest.mark.parametrize(
    "rule",
    [ByzantineSGD(noise=1e-3, diameter=1.0), SafeguardSGD(noise=1e-3, short=2, long=4)],
    ids=name,
)
def test_a_threshold_that_is_too_small_is_widened_and_counted(rule: Any) -> None:
    *_, (_, estimate, memory) = history(rule, 20, lambda own, k: own)
    assert np.isfinite(estimate.vector).all()
    assert memory.widened > 0
    assert memory.trusted.sum() >= M - B


def test_the_center_is_one_that_qualifies_whenever_one_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        x = rng.standard_normal((7, 2))
        threshold = rng.uniform(0.3, 3)
        apart = np.linalg.norm(x[:, None] - x, axis=2)
        qualify = (apart <= threshold).sum(axis=1) > 3.5
        found = center(x, np.ones(7, dtype=bool), threshold)
        assert found.widened == (not qualify.any())
        assert qualify[found.index] or not qualify.any()


def test_by_hand() -> None:
    everybody = np.ones(5, dtype=bool)
    apart = np.array([0.0, 1.0, 2.0, 4.0, 9.0])
    ratio = excess(apart, 2.0)
    np.testing.assert_allclose(ratio, [0.0, 0.5, 1.0, 2.0, 4.5])
    left, too_many = stays(everybody, np.arange(5), ratio, 1)
    np.testing.assert_array_equal(left, [True, True, True, True, False])
    assert too_many
    assert typical(apart, 1) == 4.0  # mh = 4: rank mh//2 + b = 3
    assert typical(apart, 2) == 2.0  # mh = 3: no farther than rank mh - 1
    # two honest numbers, one of which is the center: the other one's .05 quantile, .0627 sigma
    assert normal_extreme(2, 0, 1, 0.05) == pytest.approx(np.sqrt(2 * np.log(80)) / 0.06271, 1e-3)


def test_nobody_left_to_trust_is_an_error_with_a_reason() -> None:
    rule = SafeguardSGD()
    memory = rule.begin(NAMES, D)
    g = np.zeros((M, D))
    g[:4] = 1e6
    _, memory = rule.step(memory, g, 4)
    with pytest.raises(BreakdownError, match="none of the 3 workers"):
        rule.step(memory, g[:3], 1, workers=NAMES[:3])
