"""A benchmark that takes seconds: two clouds of points, five workers, a linear model."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import saddleproof as sp


@pytest.fixture(scope="session")
def clouds() -> tuple[np.ndarray, np.ndarray]:
    """(60, 2) points and their labels 0 and 1."""
    rng = np.random.default_rng(7)
    labels = np.arange(60) % 2
    return rng.normal(size=(60, 2)) + 3 * labels[:, None], labels


@pytest.fixture
def make(clouds):
    """make(**options): a plan on the clouds."""

    def made(**options):
        usual = {
            "data": {"clouds": clouds},
            "rules": {"mean": sp.Mean(), "median": sp.Median()},
            "attacks": {"none": None, "flip": sp.attacks.SignFlip()},
            "liars": 1,
            "workers": 5,
            "seeds": 2,
            "training": {"rounds": 3, "evaluate_every": 2},
        }
        return sp.benchmark.plan(**(usual | options))

    return made
