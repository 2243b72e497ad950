from __future__ import annotations

import dataclasses
import os
from itertools import product

import numpy as np
import pytest

from saddleproof.errors import ConfigError, SaddleproofError
from saddleproof.problems import Example2
from saddleproof.problems.base import Problem
from saddleproof.runs.compare import rows, run_trials
from saddleproof.runs.config import parse
from saddleproof.runs.setup import build
from saddleproof.runs.shares import wilson
from saddleproof.runs.trials import judged

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


def test_a_problem_of_which_nothing_is_known_is_refused():
    text = f'problem = "{__name__}:NoSaddle"\nrun = {{ b = 0 }}'
    with pytest.raises(ConfigError, match=r"line 1: \[problem\]: .*known saddle or minimum"):
        next(run_trials(parse(text), [0]))


def test_the_judge_looks_at_the_true_loss_and_not_at_what_the_server_was_told():
    held, free = rows(CONFIG, list(run_trials(CONFIG, [1])))
    problem = Example2(seed=1)
    for row in (held, free):
        (trial,) = row.trials
        w, verdict = trial.path[-1], trial.verdict
        assert verdict.gradient_norm == pytest.approx(np.linalg.norm(problem.gradient(w)))
        assert verdict.lambda_min == pytest.approx(np.linalg.eigvalsh(problem.hessian(w))[0])
        assert verdict.excess == pytest.approx(problem.excess(w))
    assert held.lambda_min == pytest.approx(-0.5, abs=1e-3)
    assert (held.certificates, free.certificates) == ({"witness": 1}, {"proved": 1})
    assert held.refuted == free.refuted == 0


def test_messages_are_query_points_times_workers_and_numbers_of_eight_bytes():
    for row in rows(CONFIG, list(run_trials(CONFIG, [0]))):
        (trial,) = row.trials
        queries = sum(record.queries for record in trial.trace)
        assert trial.verdict.queries == queries
        assert trial.verdict.messages == 20 * queries
        assert trial.verdict.sent == 20 * queries * 2 * 8


def test_a_loss_that_is_asked_for_is_paid_for():
    text = 'problem = "example2"\nrun = { b = 6, max_rounds = 3 }\noptimizer = "value_pgd"'
    (trial,) = run_trials(parse(text), [0])
    assert trial.verdict.sent == trial.verdict.messages * (2 + 1) * 8


def test_a_certificate_that_the_truth_contradicts_is_counted():
    setup = build(CONFIG, CONFIG.compare[1], 0)
    result = setup.minimize()
    assert not judged(setup, result).refuted
    saddle = dataclasses.replace(result, w=setup.problem.saddle)  # as if it had been proved there
    too_sure = dataclasses.replace(result.certificate, tolerance=0.1)
    assert judged(setup, dataclasses.replace(saddle, certificate=too_sure)).refuted
    witness = dataclasses.replace(result.certificate, level="witness")
    assert judged(setup, dataclasses.replace(result, certificate=witness)).refuted


def test_a_run_that_overflows_is_infinitely_bad_and_stops_nothing():
    text = """
problem = "sensing"
run = { b = 6, max_rounds = 40 }
optimizer = { name = "gradient_descent", step = 100 }
aggregator = "mean"
"""
    config = parse(text)
    (row,) = rows(config, list(run_trials(config, [0])))
    assert not row.trials[0].left
    assert row.trials[0].status == "diverged"
    assert row.excess > 1e10
    nan = dataclasses.replace(row.trials[0].verdict, excess=np.nan)
    trial = dataclasses.replace(row.trials[0], verdict=nan)
    assert dataclasses.replace(row, trials=(trial,)).excess == np.inf


GRID = """
[run]
b = 6
max_rounds = 5

[grid]
problem = ["example2", { name = "example1", label = "the well" }]
attack = ["none", { name = "saddle", style = "hold" }]
"""


def test_a_grid_runs_every_trainer_in_every_world():
    config = parse(GRID + 'aggregator = ["mean", "median"]\noptimizer = ["gradient_descent"]')
    shown = rows(config, list(run_trials(config, [0])))
    worlds = ["example2, no liars", "example2, saddle(style=hold)"]
    worlds += [world.replace("example2", "the well") for world in worlds]
    trainers = ["gradient_descent + mean", "gradient_descent + median"]
    assert [(row.world, row.label) for row in shown] == list(product(worlds, trainers))
    assert [row.entry.liars is None for row in shown] == [True, True, False, False] * 2
    assert {row.trials[0].path.shape[1] for row in shown[4:]} == {1}  # example1 has d = 1


def test_an_error_in_a_run_names_the_run():
    text = 'problem = "example2"\nrun = { b = 9, max_rounds = 5 }'
    with pytest.raises(SaddleproofError, match=r"certified_pgd, seed 3: .*b=9"):
        list(run_trials(parse(text), [3]))
