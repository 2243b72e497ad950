from __future__ import annotations

import dataclasses
import importlib
import os
from collections import Counter
from itertools import product

import numpy as np
import pytest

from saddleproof.certificate import Bracket, Certificate
from saddleproof.config.imports import Imports
from saddleproof.config.parse import parse
from saddleproof.config.setup import build
from saddleproof.errors import ConfigError
from saddleproof.lab.comparison import rows, run_trials
from saddleproof.lab.meter import Meter
from saddleproof.lab.report import page
from saddleproof.lab.report.page import html
from saddleproof.lab.report.text import COLUMNS
from saddleproof.lab.report.text import cells as text_cells
from saddleproof.lab.shares import wilson
from saddleproof.lab.trials import judged
from saddleproof.problems import Example2
from saddleproof.problems.base import Problem
from saddleproof.questions import Changes, Curvatures, LeastCurvature
from saddleproof.words import Level

#: The modules; each family shows a function of the same name.
conclude = importlib.import_module("saddleproof.claims.conclude")
certify = importlib.import_module("saddleproof.certificate.certify")

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


@pytest.mark.slow
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


def test_of_a_problem_of_which_nothing_is_known_loss_gradient_and_claim_are_told():
    text = f'''problem = "{__name__}:NoSaddle"
run = {{ b = 0, max_rounds = 30 }}
optimizer = {{ name = "gradient_descent", step = 0.1 }}'''
    config = parse(text, imports=Imports((__name__,)))
    (row,) = rows(config, list(run_trials(config, [0])))
    (trial,) = row.trials
    w, problem, judgement = trial.path[-1], NoSaddle(), trial.judgement
    assert (row.known, trial.left) == (False, None)
    assert np.isnan(judgement.excess)
    assert judgement.loss == pytest.approx(problem.value(w))
    assert judgement.loss_at_start == pytest.approx(problem.value(problem.start))
    assert judgement.loss < judgement.loss_at_start
    assert judgement.gradient_norm == pytest.approx(np.linalg.norm(problem.gradient(w)))
    assert judgement.certificate in list(Level)
    assert not judgement.refuted
    cells = dict(zip(COLUMNS, text_cells(row), strict=True))
    assert (cells["left"], cells["excess"]) == ("-", "-")
    assert float(cells["loss"]) == pytest.approx(row.loss, rel=1e-2)
    assert "loss at the end" in html("", "", [row], [page._left("", [row])])


class NoStart(Problem):
    """A problem that does not say where runs begin."""

    def __init__(self) -> None:
        super().__init__(Distance(), list(np.eye(2)))


def test_a_problem_without_a_start_is_refused_with_its_line():
    config = parse(f'problem = "{__name__}:NoStart"\nrun.b = 0', imports=Imports((__name__,)))
    with pytest.raises(ConfigError, match=r"line 1: \[problem\]: .*has no start"):
        next(run_trials(config, [0]))


def test_the_judge_looks_at_the_true_loss_and_not_at_what_the_server_was_told():
    held, free = rows(CONFIG, list(run_trials(CONFIG, [1])))
    problem = Example2(seed=1)
    for row in (held, free):
        (trial,) = row.trials
        w, judgement = trial.path[-1], trial.judgement
        assert judgement.gradient_norm == pytest.approx(np.linalg.norm(problem.gradient(w)))
        assert judgement.lambda_min == pytest.approx(np.linalg.eigvalsh(problem.hessian(w))[0])
        assert judgement.excess == pytest.approx(problem.excess(w))
    assert held.lambda_min == pytest.approx(-0.5, abs=1e-3)
    assert (held.certificates, free.certificates) == ({"saddle": 1}, {"conditional": 1})
    assert held.refuted == free.refuted == held.vacuous == free.vacuous == 0


def test_messages_are_gradients_and_directions_and_all_numbers_have_eight_bytes():
    held, free = rows(CONFIG, list(run_trials(CONFIG, [0])))
    for row in (held, free):
        (trial,) = row.trials
        asked = Counter(record.question for record in trial.trace)
        assert trial.judgement.queries == sum(record.queries for record in trial.trace)
        assert trial.judgement.messages == 20 * (trial.judgement.queries + asked["LeastCurvature"])
    assert held.trials[0].judgement.sent == 20 * 60 * 2 * 8
    assert asked["LeastCurvature"] == asked["Curvatures"] == asked["Changes"] == 2
    assert free.trials[0].judgement.sent > free.trials[0].judgement.messages * 2 * 8


def test_numbers_are_counted_round_by_round_and_those_of_the_certificate_are_not():
    setup = build(CONFIG, CONFIG.compare[1], 0)
    meter = Meter(setup.fleet)
    w, directions = setup.problem.start, np.eye(2)
    meter.round(np.stack([w, w, w]), round_id=0)
    meter.ask(Changes(w, directions, np.arange(1.0, 6.0)), round_id=1)
    meter.ask(LeastCurvature(w), round_id=2)
    meter.ask(Curvatures(w, directions), round_id=3)
    sizes = np.cumsum([0, 3 * 2, 2 * 5, 3 + 2, 2 * 2])
    assert [meter.numbers(rounds) for rounds in range(5)] == list(20 * sizes)
    assert (meter.workers, meter.members) == (setup.fleet.workers, setup.fleet.members)


def test_a_loss_that_is_asked_for_is_paid_for():
    text = 'problem = "example2"\nrun = { b = 6, max_rounds = 3 }\noptimizer = "value_pgd"'
    (trial,) = run_trials(parse(text), [0])
    assert trial.judgement.sent == trial.judgement.messages * (2 + 1) * 8


SETUP = build(CONFIG, CONFIG.compare[1], 0)
RESULT = SETUP.minimize()


def refuted(w=RESULT.w, **claims):
    """Whether the judge finds a certificate of w with these claims false; others say nothing."""
    certificate = Certificate(**({"level": Level.OPEN, "reason": ""} | claims))
    return judged(SETUP, dataclasses.replace(RESULT, w=w, certificate=certificate)).refuted


def honest_mean(w):
    """||grad F|| and lambda_min of the workers that do not lie, the former beside that of all."""
    rows = SETUP.problem.gradients(w[None])[0]
    steps = 1e-4 * np.eye(2)
    ahead, behind = (SETUP.problem.gradients(w + s * steps)[:, 6:].mean(axis=1) for s in (1, -1))
    lowest = np.linalg.eigvalsh((ahead - behind) / 2e-4)[0]
    return np.linalg.norm(rows[6:].mean(axis=0)), lowest, np.linalg.norm(rows.mean(axis=0))


def test_what_a_run_says_of_its_own_end_is_not_refuted():
    assert not judged(SETUP, RESULT).refuted
    assert not refuted()


@pytest.mark.parametrize("w", [RESULT.w, SETUP.problem.saddle], ids=["end", "saddle"])
@pytest.mark.parametrize("level", list(Level))
def test_a_bracket_that_does_not_hold_lambda_min_is_false_at_any_level(w, level):
    lowest, claims = honest_mean(w)[1], {"w": w, "level": level, "tolerance": 9.0}
    assert not refuted(**claims, curvature=Bracket(lowest - 1e-3, lowest + 1e-3))
    assert refuted(**claims, curvature=Bracket(low=lowest + 1e-3))
    assert refuted(**claims, curvature=Bracket(high=lowest - 1e-3))


def test_a_bound_of_the_gradient_is_held_against_the_honest_mean_not_the_mean_of_all():
    honest, _, of_all = honest_mean(RESULT.w)
    assert abs(honest - of_all) > 1e-6
    between = (honest + of_all) / 2
    assert refuted(gradient_bound=between) == (honest > of_all)
    assert refuted(gradient_bound=honest - 1e-6)
    assert not refuted(gradient_bound=honest + 1e-6)


def test_a_conditional_bracket_is_false_only_if_those_that_it_names_do_lie():
    low = honest_mean(RESULT.w)[1] + 0.1
    liars, honest = ("worker-0", "worker-5"), ("worker-0", "worker-6")
    assert refuted(conditional=Bracket(low, without=liars))
    assert not refuted(conditional=Bracket(low - 0.2, without=liars))
    assert not refuted(conditional=Bracket(low, without=honest))


def test_a_proof_with_less_curvature_than_its_tolerance_allows_is_false():
    saddle = SETUP.problem.saddle
    assert refuted(saddle, level=Level.PROVED, tolerance=0.1)
    assert not refuted(saddle, level=Level.PROVED, tolerance=0.6)
    assert not refuted(saddle, level=Level.MAJORITY, tolerance=0.1)  # about workers one by one


def test_where_the_true_loss_overflows_nothing_is_refuted():
    assert not refuted(np.full(2, 1e200), gradient_bound=1.0, curvature=Bracket(1.0, 2.0))


@pytest.mark.parametrize(("curvature", "vacuous"), [(0.1, False), (1e6, True)])
def test_a_tolerance_that_asks_for_nothing_is_noted(curvature, vacuous):
    optimizer = f'optimizer = {{ name = "certified_pgd", curvature = {curvature} }}'
    config = parse(f'problem = "example2"\nrun = {{ b = 6, max_rounds = 60 }}\n{optimizer}')
    (row,) = rows(config, list(run_trials(config, [0])))
    assert row.vacuous == row.trials[0].judgement.vacuous == vacuous
    assert ("asks for nothing" in row.trials[0].summary) == vacuous


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
    nan = dataclasses.replace(row.trials[0].judgement, excess=np.nan)
    trial = dataclasses.replace(row.trials[0], judgement=nan)
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
