"""The steps that go with rules that remember."""

from __future__ import annotations

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.optimizers.baselines.projected_sgd import ProjectedSGD
from saddleproof.optimizers.randomness import RandomKey
from saddleproof.testing import check_optimizer


def test_the_public_suite_passes() -> None:
    check_optimizer(ProjectedSGD(step=0.3, diameter=0.5))


def test_the_step_solves_the_problem_that_defines_it(drive) -> None:
    """argmin over the ball of |y - x|^2/2 + eta <g, y - x>, against a dense search."""
    run = drive(ProjectedSGD(0.8, 1.0, average=False), lambda x: 2 * x + [1.0, -3.0], [0.2, 0.1])
    angles, radii = np.meshgrid(np.linspace(0, 2 * np.pi, 1000), np.linspace(0, 1, 200))
    ball = np.array([0.2, 0.1]) + np.stack([radii * np.cos(angles), radii * np.sin(angles)], -1)
    for _ in range(4):
        x = run.point
        g = 2 * x + [1.0, -3.0]
        value = ((ball - x) ** 2).sum(axis=-1) / 2 + 0.8 * (ball - x) @ g
        best = ball[np.unravel_index(value.argmin(), value.shape)]
        run.round()
        assert np.linalg.norm(run.point - best) < 0.01


def test_no_iterate_leaves_the_ball_and_the_point_is_their_average(drive) -> None:
    run = drive(ProjectedSGD(1.0, 0.7), lambda x: np.full_like(x, 100.0), [1.0, 1.0])
    seen = []
    for _ in range(5):
        run.round()
        seen.append(run.state.x)
        assert np.linalg.norm(run.state.x - 1.0) <= 0.7 * (1 + 1e-12)
    np.testing.assert_allclose(run.point, np.mean(seen, axis=0))


@pytest.mark.parametrize("options", [{"step": 0.0, "diameter": 1.0}, {"step": 1.0, "diameter": -1}])
def test_options_that_cannot_work_are_refused(options) -> None:
    with pytest.raises(OptionError):
        ProjectedSGD(**options)


class Noisy:
    """|w - 1|^2 / 2 with bounded noise that is fresh in every round."""

    m, d = 10, 2
    start = np.zeros(2)

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def gradients(self, points: np.ndarray) -> np.ndarray:
        noise = self.rng.standard_normal((len(points), self.m, self.d))
        noise /= np.linalg.norm(noise, axis=2, keepdims=True)
        return points[:, None, :] - 1.0 + noise


def run(rule, rounds: int = 400) -> sp.Result:
    attack = sp.attacks.ConstantOffset(1.5, direction=[1.0, 1.0])
    fleet = sp.Coalition(sp.LocalFleet(Noisy()), attack, members=range(4))
    optimizer = ProjectedSGD(step=0.05, diameter=2.0)
    return sp.minimize(
        fleet, optimizer, aggregator=rule, b=4, w0=np.zeros(2), max_rounds=rounds, certify=False
    )


def test_byzantine_sgd_converges_where_history_free_rules_keep_a_bias() -> None:
    """40 % of the workers lie by 1.5 noise levels, always to the same side."""
    rule = sp.aggregators.ByzantineSGD(horizon=400)
    with_history, median = run(rule), run(sp.Median())
    ends = [np.linalg.norm(r.state.x - 1.0) for r in (with_history, median)]
    assert with_history.trace[0].left_out == ()  # each message alone is within the noise
    assert set(with_history.trace[-1].left_out) == {f"worker-{i}" for i in range(4)}
    assert ends[0] < 0.35 < ends[1]


def test_safeguard_sgd_is_the_printed_algorithm() -> None:
    """x - eta (xi + mean of the old good set), xi ~ N(0, nu^2 I), by hand."""
    rule = sp.aggregators.SafeguardSGD(noise=1.0, short=5, long=10, horizon=30)
    eta, nu, d = 0.1, 0.3, 2
    found = sp.minimize(
        Noisy(),
        sp.optimizers.SimplifiedPGD(eta, radius=nu * np.sqrt(d)),
        aggregator=rule,
        b=0,
        w0=np.zeros(d),
        seed=7,
        max_rounds=30,
        certify=False,
    )
    problem, x, random = Noisy(), np.zeros(d), RandomKey.open(7)
    for _ in range(30):
        g = problem.gradients(x[None])[0]
        generator, random = random.draw()
        xi = nu * generator.standard_normal(d)
        x = x - eta * (g.mean(axis=0) + xi)
    np.testing.assert_allclose(found.w, x, atol=1e-12)
