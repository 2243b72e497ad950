"""How alike the workers' gradients are, whatever b of them say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.optimizers.branching.agreement import agreement


def cosines(honest):
    units = honest / np.linalg.norm(honest, axis=1, keepdims=True)
    h = len(honest)
    return (units @ units.T)[~np.eye(h, dtype=bool)].reshape(h, h - 1)


@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.sampled_from(["flip", "copy", "noise"]))
def test_liars_move_the_agreement_within_the_honest_ranks_alone(seed, b, lie):
    rng = np.random.default_rng(seed)
    m = 3 * b + 4
    honest = rng.standard_normal(4) + rng.standard_normal((m - b, 4))
    lies = {
        "flip": np.repeat(-honest.mean(axis=0)[None], b, axis=0),
        "copy": 1e9 * honest[:b],
        "noise": rng.standard_normal((b, 4)),
    }[lie]
    low, high = agreement(np.concatenate([honest, lies]), b)
    ordered, k, h = np.sort(cosines(honest), axis=1), (m - 2) // 2, m - b
    below = np.sort(ordered[:, max(k - b, 0)]) if k >= b else np.full(h, -1.0)
    above = np.sort(ordered[:, min(k, h - 2)])
    assert low <= above[h // 2] + 1e-9
    assert high >= below[(h - 1) // 2] - 1e-9
    own = np.sort(cosines(np.concatenate([honest, lies])), axis=1)[: m - b, k]
    assert low - 1e-9 <= np.sort(own)[(h - 1) // 2]
    assert np.sort(own)[h // 2] <= high + 1e-9


def test_equal_workers_agree_and_orthogonal_ones_do_not():
    assert agreement(np.tile([[1.0, -2.0]], (7, 1)), b=2) == pytest.approx((1.0, 1.0))
    assert agreement(np.eye(7), b=2) == pytest.approx((0.0, 0.0))


def test_the_lengths_of_gradients_do_not_count():
    rows = np.random.default_rng(0).standard_normal((8, 3))
    scaled = rows * 10.0 ** np.arange(-150, 170, 40)[:, None]
    assert agreement(scaled, b=1) == pytest.approx(agreement(rows, b=1))


def test_a_gradient_of_zero_agrees_with_nobody():
    assert agreement(np.zeros((5, 2)), b=1) == (0.0, 0.0)
    rows = np.concatenate([np.ones((2, 2)), np.zeros((3, 2))])
    assert agreement(rows, b=0) == (0.0, 0.0)
