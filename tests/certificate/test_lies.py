"""Under every way to lie, what is claimed of the honest mean is true."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.arrays import Vector
from saddleproof.attacks.answers import Way
from saddleproof.certificate import Certificate

WAYS: tuple[Way, ...] = get_args(Way)
#: Two with few parameters, where the whole Hessian is asked for, and one beyond the Lanczos steps.
SIZES = (1, 3, 70)


class Quadratics:
    """Worker i's loss is w'H_i w / 2 + t_i'w; its Hessian is known exactly."""

    def __init__(self, d: int) -> None:
        self.d = d

    def value(self, w: Vector, data: tuple[Vector, Vector]) -> float:
        return float(w @ data[0] @ w / 2 + data[1] @ w)

    def gradient(self, points: Vector, data: tuple[Vector, Vector]) -> Vector:
        return points @ data[0] + data[1]

    def product(self, _: Vector, v: Vector, data: tuple[Vector, Vector]) -> Vector:
        return data[0] @ v


def along(generator: np.random.Generator, kind: str, m: int) -> Vector:
    """Every worker's own curvature along the first axis."""
    found: Vector = {
        "equal": np.full(m, -0.5),
        "exponential": generator.exponential(size=m) - 1,
        "lognormal": generator.lognormal(0, 1.5, m) - 3,
        "two groups": generator.choice([-2.0, 1.0], m, p=[0.3, 0.7]),
    }[kind]
    return found


class Trial:
    """One certificate, and the truth of the honest workers that were heard."""

    def __init__(self, seed: int, d: int, kind: str, says: Way) -> None:
        generator = np.random.default_rng([seed, d, WAYS.index(says)])
        m = int(generator.integers(5, 22))
        self.b = int(generator.integers(1, (m - 1) // 2 + 1))
        self.liars = int(generator.integers(1, self.b + 1))
        noise = 0.2 * generator.standard_normal((m, d, d))
        H = noise + noise.swapaxes(1, 2) + np.diag(np.linspace(0.2, 2, d))
        H[:, 0, 0] += along(generator, kind, m)
        t = 0.1 * generator.standard_normal((m, d))
        H_, t_ = H[self.liars :], t[self.liars :]
        w = -np.linalg.lstsq(H_.mean(axis=0), t_.mean(axis=0), rcond=None)[0]
        w = w if generator.random() < 0.7 else np.zeros(d)
        gradients: list[Any] = [
            sp.attacks.SignFlip(10 ** generator.uniform(-1, 6)), sp.attacks.Mimic(),
            sp.attacks.Gaussian(10 ** generator.uniform(0, 9)), sp.SaddleAttack(saddle=np.zeros(d)),
        ]  # fmt: skip
        attack = sp.attacks.LyingAnswers(
            gradients[int(generator.integers(4))], says=says, size=10 ** generator.uniform(-2, 6)
        )
        fleet = sp.LocalFleet(sp.Problem(Quadratics(d), list(zip(H, t, strict=True))))
        self.found: Certificate = sp.certify(
            sp.Coalition(fleet, attack, members=range(self.liars)), w, sp.Median(), self.b, seed=0
        )
        self.own = np.linalg.eigvalsh(H_)[:, 0]
        self.truth = float(np.linalg.eigvalsh(H_.mean(axis=0))[0])
        self.slope = float(np.linalg.norm(H_.mean(axis=0) @ w + t_.mean(axis=0)))
        self.rated = None if self.found.v is None else self.found.v @ H_ @ self.found.v

    def check(self) -> None:
        found, truth = self.found, self.truth
        assert found.curvature.low <= truth <= found.curvature.high, str(found)
        assert self.slope <= found.gradient_bound
        if found.level == "proved":
            assert truth >= -found.tolerance
            assert self.slope <= found.gradient_tolerance
        if found.level == "saddle":
            assert truth < 0
        if found.majority is not None:
            assert 2 * (self.own >= found.majority.low).sum() > len(self.own)
            if self.rated is not None:
                assert 2 * (self.rated <= found.majority.high).sum() > len(self.own)
        if found.conditional is not None and self.met(found.conditional.without):
            assert found.conditional.low <= truth <= found.conditional.high
            assert found.level != "conditional" or self.slope <= found.gradient_tolerance

    def met(self, names: tuple[str, ...]) -> bool:
        """Whether all named workers lie."""
        return all(int(name.removeprefix("worker-")) < self.liars for name in names)


@pytest.mark.parametrize("says", WAYS)
@pytest.mark.parametrize("d", SIZES)
def test_no_sentence_is_false(d: int, says: Way) -> None:
    for seed, kind in enumerate(("equal", "exponential", "lognormal", "two groups")):
        Trial(seed, d, kind, says).check()


@pytest.mark.slow
@pytest.mark.parametrize("says", WAYS)
def test_no_sentence_is_false_in_many_trials(says: Way) -> None:
    for seed in range(30):
        for kind in ("equal", "exponential", "lognormal", "two groups"):
            for d in SIZES[:2]:
                Trial(100 + seed, d, kind, says).check()
