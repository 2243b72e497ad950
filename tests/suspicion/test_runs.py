"""Suspicion points at the liars of whole runs, and at nobody where nobody lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.checkpoint import FileCheckpoint
from saddleproof.lab.report.workers import workers
from saddleproof.runs.store import Store

LIARS = tuple(f"worker-{i}" for i in range(6))


def run(problem: Any, attack: Any, rule: Any = None, **options: Any) -> sp.Result:
    fleet = sp.LocalFleet(problem)
    if attack is not None:
        fleet = sp.Coalition(fleet, attack, range(6))
    return sp.minimize(
        fleet,
        options.pop("optimizer", sp.CertifiedPGD()),
        aggregator=rule or sp.Median(),
        b=6,
        w0=problem.start,
        seed=0,
        certify=False,
        **{"max_rounds": 40} | options,
    )


def report(result: sp.Result, problem: Any) -> Any:
    return workers(result, [f"worker-{i}" for i in range(problem.m)])


@pytest.fixture(scope="module")
def problem() -> Any:
    return sp.problems.UnequalHessians(seed=0)


def test_the_median_leaves_out_honest_rows_under_push_and_the_liars_stand_out(problem: Any) -> None:
    found = report(run(problem, sp.SaddleAttack(style="push")), problem)
    left_out = {record.name: record.left_out for record in found.records}
    assert max(left_out[name] for name in LIARS) < max(left_out.values())
    assert set(found.stand_out) == set(LIARS)


@pytest.mark.parametrize("says", ["truthful", "against", "for", "forge", "quiet", "loud"])
def test_whatever_liars_answer_they_stand_out(problem: Any, says: Any) -> None:
    attack = sp.attacks.LyingAnswers(sp.SaddleAttack(style="hold"), says=says)
    assert set(report(run(problem, attack), problem).stand_out) == set(LIARS)


@pytest.mark.parametrize("rule", [sp.Median(), sp.TrimmedMean()])
def test_where_nobody_lies_nobody_stands_out(problem: Any, rule: Any) -> None:
    found = report(run(problem, None, rule), problem)
    assert found.stand_out == ()
    assert "Nobody stands out." in str(found)
    names = [row[0] for row in found.cells[1:]]
    assert names == [record.name for record in found.records]  # no ranking


class Noisy:
    """Every answer is about rows drawn anew: no worker answers from one function."""

    d = 4

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def value(self, w: Any, data: Any) -> float:
        return float(((w - data + self._rng.standard_normal(4) / 5) ** 2).sum())

    def gradient(self, points: Any, data: Any) -> Any:
        return 2 * (points - data + self._rng.standard_normal(points.shape) / 5)


def test_workers_that_all_sample_do_not_stand_out() -> None:
    shards = list(np.random.default_rng(1).standard_normal((20, 4)))
    noisy = sp.Problem(Noisy(), shards, start=np.ones(4))
    found = report(run(noisy, None), noisy)
    assert found.stand_out == ()
    assert not np.isnan(found.records[0].suspicion)


def test_one_gradient_a_round_gives_no_suspicion_and_says_so(problem: Any) -> None:
    result = run(problem, sp.SaddleAttack(), optimizer=sp.GradientDescent(step=0.1), max_rounds=8)
    found = report(result, problem)
    assert "No suspicion" in str(found)
    assert "suspicion" not in found.cells[0]
    assert np.isnan([record.suspicion for record in found.records]).all()
    assert found.stand_out == ()


def test_a_run_that_is_taken_up_has_the_evidence_of_one_that_was_not_stopped(
    problem: Any, tmp_path: Path
) -> None:
    attack = sp.SaddleAttack(style="hold")
    whole = run(problem, attack, max_rounds=9)
    for stop in range(1, 6):  # between any two rounds that contradict each other
        place = FileCheckpoint(tmp_path / f"{stop}.npz")
        run(problem, attack, max_rounds=stop, checkpoint=place)
        again = run(problem, attack, max_rounds=9, checkpoint=place, resume=True)
        assert [r.evidence for r in again.trace] == [r.evidence for r in whole.trace]
    assert any("contradiction" in record.evidence for record in whole.trace)


def test_a_store_gives_the_evidence_back(problem: Any, tmp_path: Path) -> None:
    with Store(tmp_path / "runs.sqlite") as store:
        place = store.begin("text", "0.1")
        result = run(problem, sp.SaddleAttack(), max_rounds=5, checkpoint=place)
        kept = store.trace(place.run)
    assert [record.evidence for record in kept] == [record.evidence for record in result.trace]
    assert kept[-1].evidence
