"""The judge: the truth about a point, by its own arithmetic, and the claims that it finds false."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof import proposals, ranks
from saddleproof.certificate import gradients
from saddleproof.claims import Bracket, Certificate, facts, order
from saddleproof.config.parse import parse
from saddleproof.config.setup import build
from saddleproof.curvature import differences, lanczos
from saddleproof.lab import judge, products
from saddleproof.lab.judge import end, false_claims, honest, truth
from saddleproof.lab.red_team.outcomes import Observer
from saddleproof.lab.red_team.outcomes import judged as outcome
from saddleproof.lab.trials import judged
from saddleproof.problems.table import PROBLEMS
from saddleproof.words import Level

#: The modules; each family shows a function of the same name.
conclude = importlib.import_module("saddleproof.claims.conclude")
certify = importlib.import_module("saddleproof.certificate.certify")

LIARS, HONEST = tuple(range(6)), tuple(range(6, 20))
NAMES = [f"worker-{i}" for i in range(20)]
CONFIG = parse("""
problem = "example2"
attack = { name = "saddle", members = 6 }
run = { b = 6, max_rounds = 60 }
""")
SETUP = build(CONFIG, CONFIG.compare[0], 0)
RESULT = SETUP.minimize()
SADDLE = SETUP.problem.saddle


class Plain:
    """A problem as one that has no Hessian-vector products."""

    def __init__(self, problem: Any) -> None:
        self.m, self.gradients = problem.m, problem.gradients


def honest_mean(w: np.ndarray) -> tuple[float, float]:
    """||grad F|| and lambda_min of the workers that do not lie, by a fixed step."""
    steps = 1e-4 * np.eye(2)
    ahead, behind = (SETUP.problem.gradients(w + s * steps)[:, 6:].mean(axis=1) for s in (1, -1))
    mean = SETUP.problem.gradients(w[None])[0, 6:].mean(axis=0)
    return float(np.linalg.norm(mean)), float(np.linalg.eigvalsh((ahead - behind) / 2e-4)[0])


@pytest.mark.parametrize("w", [RESULT.w, SADDLE, np.array([0.3, -2.0])])
@pytest.mark.parametrize("problem", [SETUP.problem, Plain(SETUP.problem)], ids=["own", "by steps"])
def test_the_truth_is_right_to_within_the_slack_that_it_names(problem: Any, w: np.ndarray) -> None:
    here = truth(problem, w, HONEST)
    gradient, lowest = honest_mean(w)
    assert here.gradient == pytest.approx(gradient)
    assert here.lowest == pytest.approx(lowest, abs=1e-6)
    assert 0 < here.slack < 1e-6


@pytest.mark.parametrize("name", PROBLEMS)
def test_products_and_differences_agree_to_within_their_slack(name: str) -> None:
    problem = PROBLEMS[name](seed=1)
    w = problem.start + 0.1 * np.random.default_rng(0).standard_normal(problem.d)
    workers = range(2, problem.m)
    exact, blind = truth(problem, w, workers), truth(Plain(problem), w, workers)
    assert abs(exact.lowest - blind.lowest) <= exact.slack + blind.slack
    assert blind.slack < 1e-4 * (1 + abs(exact.lowest))
    rows = problem.gradients(w[None])[0, 2:]
    assert exact.gradient == pytest.approx(np.linalg.norm(rows.mean(axis=0)))
    along, off = exact.curvatures(exact.direction)
    assert along.mean() == pytest.approx(exact.lowest, abs=1e-8 * (1 + abs(exact.lowest)))
    again, more = blind.curvatures(exact.direction)
    assert (np.abs(along - again) <= off + more).all()


class Wells:
    """Two workers with the loss a |w|^2 / 2 + |w|^4 / 24, entry by entry, for sizes apart."""

    m = 2

    def __init__(self, a: float, centre: np.ndarray) -> None:
        self.a, self.centre = a, centre

    def gradients(self, points: np.ndarray) -> np.ndarray:
        from_here = points - self.centre
        one = self.a * from_here + from_here**3 / 6
        return np.stack([one, one], axis=1)


@settings(max_examples=60, deadline=None)
@given(st.floats(-3, 3), st.lists(st.sampled_from([0.0, 1.0, 1e3, 1e6]), min_size=1, max_size=4))
def test_differences_keep_their_slack_at_coordinates_of_any_size(a: float, at: list[float]) -> None:
    centre = np.array(at)
    here = truth(Wells(a, centre), centre, [0, 1])
    assert abs(here.lowest - a) <= here.slack


def test_a_well_beside_a_parameter_of_size_1e6_is_not_stepped_over() -> None:
    class Well:
        m = 1

        def gradients(self, points: np.ndarray) -> np.ndarray:
            x, y = points.T
            return np.stack([-np.sin(x), y - 1e6], axis=1)[:, None]

    here = truth(Well(), np.array([0.0, 1e6]), [0])
    assert here.lowest == pytest.approx(-1, abs=1e-6)
    assert here.slack < 1e-6


def test_beyond_256_parameters_the_truth_is_the_lowest_ritz_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = PROBLEMS["pca_digits"](seed=1)
    for here in (problem, Plain(problem)):
        monkeypatch.setattr(judge, "FULL", 256)
        whole = truth(here, problem.start, range(2, problem.m))
        monkeypatch.setattr(judge, "FULL", 8)
        steps = truth(here, problem.start, range(2, problem.m))
        assert steps.lowest == pytest.approx(whole.lowest, abs=1e-9 + whole.slack)
        assert steps.lowest >= whole.lowest - 1e-9 - whole.slack
        assert steps.below < 1e-6
        assert steps.slack == pytest.approx(whole.slack, rel=1.0)


def test_an_upper_end_is_false_only_below_what_a_ritz_value_may_hide() -> None:
    here = dataclasses.replace(truth(SETUP.problem, RESULT.w, HONEST), below=0.5)
    for high, said in ((-0.4, 0), (-0.6, 1)):
        found = Certificate(Level.OPEN, "", curvature=Bracket(high=here.lowest + high))
        assert len([*false_claims(found, here, NAMES, LIARS)]) == said


def test_a_worker_is_honest_that_is_no_liar() -> None:
    assert honest(4, (0, 2)) == (1, 3)


def test_a_problem_without_a_saddle_is_left_when_half_of_the_loss_is_lost() -> None:
    class Slope:
        def excess(self, w: np.ndarray) -> float:
            return float(w[0])

    assert end(Slope(), np.array([0.4])) == (True, 0.4)
    assert end(Slope(), np.array([0.6])) == (False, 0.6)
    assert end(SETUP.problem, SADDLE) == (False, pytest.approx(1.0))


def test_a_majority_that_is_none_is_seen() -> None:
    problem = PROBLEMS["tensor"](seed=0)
    here = truth(problem, problem.start, HONEST)
    along = np.sort(here.curvatures(here.direction)[0])

    def why(low: float, high: float) -> list[str]:
        found = Certificate(Level.OPEN, "", majority=Bracket(low, high), v=here.direction)
        return [*false_claims(found, here, NAMES, LIARS)]

    # 14 honest workers: 8 of them are more than half.
    assert why(along[6], along[7]) == []
    assert why(along[7], along[7]) == [
        "no majority of the honest workers has curvature above the majority's lower end"
    ]
    assert why(along[6], along[6]) == [
        "no majority of the honest workers has curvature below the upper end along v"
    ]


@pytest.mark.parametrize("problem", [SETUP.problem, Plain(SETUP.problem)], ids=["own", "by steps"])
@pytest.mark.parametrize("full", [256, 1], ids=["eigenvalues", "lanczos"])
def test_where_the_loss_overflows_no_claim_is_false(
    problem: Any, full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "FULL", full)
    here = truth(problem, np.full(2, 1e200), HONEST)
    assert np.isnan(here.lowest)
    bold = Bracket(1.0, 2.0)
    found = Certificate(
        Level.PROVED, "", gradient_bound=0.0, curvature=bold, conditional=bold, majority=bold,
        v=np.array([1.0, 0.0]),
    )  # fmt: skip
    assert [*false_claims(found, here, NAMES, LIARS)] == []


class Cliff:
    """A quadratic with products that overflow from the fourth on."""

    m = 1

    def gradients(self, points: np.ndarray) -> np.ndarray:
        return np.zeros((len(points), 1, points.shape[1]))

    def __init__(self, d: int) -> None:
        self.diagonal, self.left = np.linspace(1, 9, d), 3

    def products(self, w: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        self.left -= 1
        found = vectors * self.diagonal
        found[0, 0, 0] = np.inf if self.left < 0 else found[0, 0, 0]
        return found


def test_a_product_that_overflows_late_is_seen_too() -> None:
    here = truth(Cliff(300), np.zeros(300), [0])
    assert here.slack == np.inf


CLAIMS = {
    "gradient": lambda low, g: {"gradient_bound": g - 1e-6},
    "low": lambda low, g: {"curvature": Bracket(low + 1e-6, np.inf)},
    "high": lambda low, g: {"curvature": Bracket(-np.inf, low - 1e-6)},
    "conditional": lambda low, g: {"conditional": Bracket(low + 1e-6, without=("worker-3",))},
    "majority": lambda low, g: {"majority": Bracket(1e3, np.inf)},
    "proved": lambda low, g: {"level": Level.PROVED, "tolerance": -low - 1e-6},
    "none": lambda low, g: {},
}


@pytest.mark.parametrize("w", [RESULT.w, SADDLE], ids=["end", "saddle"])
@pytest.mark.parametrize("name", CLAIMS)
def test_a_comparison_and_the_red_team_find_the_same_claims_false(name: str, w: Any) -> None:
    here = truth(SETUP.problem, w, HONEST)
    claims = {"level": Level.OPEN, "reason": ""} | CLAIMS[name](here.lowest, here.gradient)
    ended = dataclasses.replace(RESULT, w=w, certificate=Certificate(**claims), status="open")
    refuted = judged(SETUP, ended).refuted
    assert refuted == (name != "none")
    assert outcome(SETUP, ended, Observer(), LIARS).forged == refuted


def test_the_judge_imports_nothing_that_makes_claims() -> None:
    allowed = {"arrays", "claims", "lab"}  # of claims the types only: see the next test
    for module in (judge, products):
        tree = ast.parse(Path(inspect.getfile(module)).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("saddleproof"):
                family = [*(node.module or "").split("."), *(one.name for one in node.names)][1]
                assert family in allowed


def test_the_judge_calls_nothing_that_makes_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    before = judged(SETUP, RESULT), outcome(SETUP, RESULT, Observer(), LIARS)
    steps = truth(Plain(SETUP.problem), RESULT.w, HONEST).lowest

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the judge asked the accused")

    homes = (conclude, facts, order, proposals, ranks, lanczos, certify, gradients, differences)
    for home in homes:
        for name, function in inspect.getmembers(home, inspect.isfunction):
            if function.__module__ == home.__name__:
                monkeypatch.setattr(home, name, forbidden)
    monkeypatch.setattr(differences.Differences, "product", forbidden)
    with pytest.raises(AssertionError, match="the accused"):
        SETUP.minimize()
    assert (judged(SETUP, RESULT), outcome(SETUP, RESULT, Observer(), LIARS)) == before
    assert truth(Plain(SETUP.problem), RESULT.w, HONEST).lowest == steps
