"""The cost model of rounds: its bytes are those of the frames that gRPC sends."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from saddleproof.proposals import proposals
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature, Question

frames = pytest.importorskip("saddleproof.fleets.grpc.frames")
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def costs() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return importlib.import_module("engines.costs")


def asking(d: int) -> list[Question]:
    w, directions = np.zeros(d), np.zeros((3, d))
    return [
        Gradients(w[None]),
        Gradients(np.zeros((4, d))),
        LeastCurvature(w),
        Curvatures(w, directions),
        Changes(w, directions, np.ones(14)),
    ]


@pytest.mark.parametrize("d", [1, 1000, 131072, 131073])
@pytest.mark.parametrize("i", range(5))
def test_the_model_counts_the_bytes_of_the_frames(costs, i, d):
    question = asking(d)[i]
    one = costs.asked(question)
    header = frames.header_of(question, losses=False, session=1, ask=1, round_id=0)
    sent = sum(map(len, frames.frames(header, *frames.parts_of(question))))
    answer = np.zeros(question.shape)
    heard = sum(map(len, frames.frames(frames.answer_to(header), answer)))
    assert (one.down(d), one.up(d)) == (sent, heard)


def test_a_step_of_descent_moves_what_fedavg_moves_and_ratings_of_all_m_times_as_much(costs):
    d, m = 10**9, 1000
    assert costs.STEP.down(d) == costs.STEP.up(d) == costs.framed(d)
    rated = costs.Asked(Curvatures, costs.PLANS["all m"](m, 300))
    assert rated.down(d) / costs.STEP.down(d) == pytest.approx(m + 1, rel=1e-6)
    assert rated.up(d) == costs.framed(2 * m)


def test_plans_rate_no_more_proposals_than_there_are_and_certify_splits_as_said(costs):
    budget = importlib.import_module("saddleproof.certificate").Budget()
    propose = importlib.import_module("saddleproof.optimizers.certified.propose")
    for m in (10, 20, 100, 10**5):
        b = 3 * m // 10
        found = {name: plan(m, b) for name, plan in costs.PLANS.items()}
        assert all(0 < p <= m for p in found.values())
        assert found["27 at most (certify)"] == budget.split(m, b)[1]
        assert found["b + 6 (CertifiedPGD)"] == min(m, b + propose.BEYOND)


def test_exponents_and_unit_costs_are_read_off_logarithms(costs):
    x = np.array([1.0, 10, 100])
    assert costs.exponent(x, 7 * x**1.5) == pytest.approx(1.5)
    measured = {10: 1.0, 1000: 100.0}
    assert costs.between(measured, 100) == pytest.approx(10)
    assert costs.between(measured, 10**5) == pytest.approx(100)  # the nearest; no extrapolation


@pytest.mark.slow
def test_the_model_runs_at_a_hundredth_of_its_size_and_writes_its_tables(tmp_path):
    (tmp_path / "data").mkdir()
    command = [sys.executable, str(BENCHMARKS), "scale_model", "--quick", "--out", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    names = {path.name for path in (tmp_path / "data").iterdir()}
    assert names == {f"scale_{name}.csv" for name in ("curves", "rounds", "runs", "tried")}
    assert (tmp_path / "scale.svg").stat().st_size > 1000


def test_the_time_of_a_round_is_the_sum_of_its_units(costs):
    units = costs.Units(2.0, {10: 3.0}, 5.0, 7.0, 11.0, 13.0, {10: 17.0})
    assert units.seconds(costs.Asked(Gradients, 2), 10, 4) == 2 * 10 + 3 * 10 * 2 * 4
    least = units.seconds(costs.Asked(LeastCurvature), 10, 4, p=3)
    assert least == 2 * 10 + 5 * 10 * 7 + 7 * 10 * 4 + (11 + 13 * 4) * 3
    assert units.seconds(costs.Asked(Curvatures, 3), 10, 4) == 2 * 10 + 17 * 10 * 6


def test_as_many_liars_as_places_fill_all_places():
    rng, d, places = np.random.default_rng(0), 40, 27
    answers = rng.standard_normal((90, 3 + d))
    answers[:places, 1] = -1e9  # the liars' stated values
    found = proposals(answers, places)
    liars = answers[:places, 3:] / np.linalg.norm(answers[:places, 3:], axis=1)[:, None]
    np.testing.assert_allclose(found, liars)
    assert len(proposals(answers, places + 1)) == places + 1  # one place more, one honest worker
