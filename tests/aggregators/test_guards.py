"""ByzantineSGD and SafeguardSGD: who is left out, when, and who never is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from guard_rows import AUTOMATIC, DIRECTION, NAMES, RULES, B, D, M, history, name, quiet

from saddleproof.aggregators.byzantine_sgd import ByzantineSGD
from saddleproof.aggregators.safeguard_sgd import SafeguardSGD
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError

LIES: dict[str, Callable[[Vector, int], Vector]] = {
    "bias": lambda own, k: own + 2 * DIRECTION,
    "flip": lambda own, k: -own,
    "huge": lambda own, k: own * 10.0 ** (k % 300),
    "zero": lambda own, k: 0 * own,
    "late": lambda own, k: own if k < 60 else own - 100,
}


@pytest.mark.parametrize("rule", RULES, ids=name)
@pytest.mark.parametrize("lie", LIES)
def test_no_honest_worker_is_ever_left_out(rule: Any, lie: str) -> None:
    for _, estimate, memory in history(rule, 120, LIES[lie]):
        assert memory.trusted[B:].all()
        assert estimate.kept[B:].all()
    assert memory.widened == 0


@pytest.mark.parametrize("rule", AUTOMATIC, ids=name)
@pytest.mark.parametrize("d", [1, 30])
@pytest.mark.parametrize("lie", ["none", "mimic", "far"])
def test_automatic_limits_leave_no_honest_worker_out_of_normal_noise(
    rule: Any, d: int, lie: str
) -> None:
    """b < m/3: liars next to one honest worker cannot shrink the limits below the honest spread."""
    m, b = 13, 4
    lost = 0
    for seed in range(4):
        shared: list[Vector] = []

        def noise(rng: np.random.Generator, m: int, d: int, seen: list = shared) -> Vector:
            x = rng.standard_normal((m, d))
            seen[:] = [x[-1]]
            return x

        def say(own: Vector, k: int, seen: list = shared) -> Vector:
            return {"none": own, "mimic": np.tile(3.0 + seen[0], (b, 1)), "far": own + 1e6}[lie]

        *_, (_, _, memory) = history(rule, 80, say, noise=noise, m=m, b=b, d=d, seed=seed)
        lost += not memory.trusted[b:].all()
    assert lost <= 1  # p = .05 of runs, were the noise of all statistics normal
    if lie == "far":
        assert not memory.trusted[:b].any()


def first_out(rule: Any, rounds: int, c: float) -> int:
    """The round in which a constant lie c is left out; rounds + 1 for never."""
    lie = lambda own, k: own + c * DIRECTION  # noqa: E731
    for k, _, memory in history(rule, rounds, lie, noise=quiet):
        if not memory.trusted[:B].any():
            return k
    return rounds + 1


def test_byzantine_sgd_leaves_a_constant_lie_out_once_its_sum_passes_the_threshold() -> None:
    rule, c = ByzantineSGD(noise=1.0, diameter=1.0, horizon=400), 2.0
    _, T_B, _ = rule.thresholds(M)
    out = first_out(rule, 400, c)
    assert out <= 2 * T_B / c  # what the theory promises
    assert abs(out - T_B / c) <= 0.05 * T_B / c  # and, with little noise, when it happens


def test_safeguard_leaves_a_constant_lie_out_within_the_window() -> None:
    rule, c = SafeguardSGD(noise=1.0, short=400, long=400, horizon=400), 3.9
    theta = rule.threshold(M, 400)
    out = first_out(rule, 400, c)
    assert out <= 4 * theta / c
    assert abs(out - 2 * theta / c) <= 0.05 * 2 * theta / c


def test_a_lie_that_fits_in_a_window_is_forgotten_at_its_edge() -> None:
    """The price of windows; the long one is there for it."""
    c = 3.9
    both = SafeguardSGD(noise=1.0, short=100, long=400, horizon=400)
    single = SafeguardSGD(noise=1.0, short=100, long=100, horizon=400)
    assert c * 100 < 2 * both.threshold(M, 100)
    assert first_out(single, 400, c) > 400
    assert first_out(both, 400, c) <= 400


def test_the_windows_begin_anew_at_their_edges() -> None:
    rule = SafeguardSGD(short=3, long=6)
    memory = rule.begin(NAMES, D)
    rng = np.random.default_rng(0)
    seen = []
    for t in range(7):
        g = rng.standard_normal((M, D))
        seen.append(g)
        _, memory = rule.step(memory, g, 0)
        for sums, window in ((memory.A, 6), (memory.B, 3)):
            since = np.sum(seen[t - t % window :], axis=0)
            np.testing.assert_allclose(sums - sums[0], since - since[0], atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [{"noise": 0.0}, {"horizon": 0}, {"p": 1.0}, {"diameter": -1.0}],
)
def test_options_that_cannot_work_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        ByzantineSGD(**options)


def test_windows_out_of_order_are_refused() -> None:
    with pytest.raises(OptionError, match="short <= long"):
        SafeguardSGD(short=5, long=4)
