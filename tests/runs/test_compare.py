from __future__ import annotations

import os

import numpy as np
import pytest

from saddleproof.errors import ConfigError
from saddleproof.problems.base import Problem
from saddleproof.runs.compare import rows, run_trials
from saddleproof.runs.config import parse
from saddleproof.runs.shares import wilson

CONFIG = parse("""
problem = "example2"
attack = { name = "saddle", members = 6 }
run = { b = 6, max_rounds = 60 }

[[compare]]
label = "held"
optimizer = { name = "gradient_descent", step = 0.5 }
aggregator = "mean"

[[compare]]
label = "free"
""")


class Distance:
    d = 2

    def value(self, w, data):
        return float(((w - data) ** 2).sum())

    def gradient(self, points, data):
        return 2 * (points - data)


class NoSaddle(Problem):
    """A problem whose saddle nobody knows."""

    def __init__(self) -> None:
        super().__init__(Distance(), list(np.eye(2)), start=np.zeros(2))


def comparable(trial):
    return (trial.label, trial.seed, trial.left, trial.rounds, trial.status, trial.path.tobytes())


def test_the_mean_is_held_at_the_saddle_and_the_default_is_not():
    held, free = rows(CONFIG, list(run_trials(CONFIG, range(3))))
    assert (held.label, held.left) == ("held", wilson(0, 3))
    assert (free.label, free.left) == ("free", wilson(3, 3))
    assert free.excess < 0.1
    assert held.excess > 0.9
    assert held.rounds == 60


def test_two_processes_find_what_one_finds_and_leave_the_environment_alone():
    before = dict(os.environ)
    alone = sorted(map(comparable, run_trials(CONFIG, range(2))))
    together = sorted(map(comparable, run_trials(CONFIG, range(2), jobs=2)))
    assert alone == together
    assert dict(os.environ) == before


def test_a_path_begins_at_the_start_and_has_one_point_a_round():
    trial = next(iter(run_trials(CONFIG, [0])))
    assert trial.path.shape == (trial.rounds + 2, 2)
    assert len(trial.trace) == trial.rounds


def test_a_warning_is_noted_once_and_not_printed(recwarn):
    text = """
problem = "example2"
run = { b = 6, max_rounds = 20 }
[optimizer]
name = "byzantine_pgd"
schedule = { name = "theorem3", hessian_lipschitz = 6, excess = 1 }
"""
    (trial,) = run_trials(parse(text), [0])
    (note,) = trial.notes
    assert "Theorem 3 promises nothing" in note
    assert not recwarn.list


def test_a_problem_without_a_known_saddle_is_refused():
    text = f'problem = "{__name__}:NoSaddle"\nrun = {{ b = 0 }}'
    with pytest.raises(ConfigError, match="known saddle"):
        next(run_trials(parse(text), [0]))
