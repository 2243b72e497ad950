"""The loop: budgets, callbacks, Ctrl-C, bad workers, checkpoints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import LATE, OK, Messages

PROBLEM = sp.problems.Example2(seed=0)


class Troubled(sp.LocalFleet):
    """Some workers are late, from some round on."""

    def __init__(self, problem: Any, late: Sequence[int], since: int = 0) -> None:
        super().__init__(problem)
        self.late, self.since = late, since

    def round(self, points: np.ndarray, *, round_id: int, timeout: Any = None) -> Messages:
        heard = super().round(points, round_id=round_id, timeout=timeout)
        if round_id < self.since:
            return heard
        status = [LATE if i in self.late else OK for i in range(len(self.workers))]
        return Messages(heard.values, tuple(status))


def test_a_problem_and_its_fleet_give_the_same_run() -> None:
    one = sp.minimize(PROBLEM, b=3, seed=1)
    two = sp.minimize(sp.LocalFleet(PROBLEM), b=3, seed=1)
    np.testing.assert_array_equal(one.w, two.w)
    assert PROBLEM.left_saddle(one.w)


def test_the_result_reads_like_scipys() -> None:
    result = sp.minimize(PROBLEM, b=3, seed=1)
    assert result.x is result.w
    assert result.nit == result.rounds == len(result.trace)
    assert result.success
    for word in ("status", "message", "rounds", "certificate", "lambda_min"):
        assert word in repr(result)


def test_a_proof_in_the_certificate_lifts_the_status() -> None:
    result = sp.minimize(PROBLEM, b=3, seed=1)
    assert result.certificate.certified
    assert result.status == "second_order"


def test_failed_escapes_are_no_success_where_the_certificate_proves_a_saddle() -> None:
    problem = sp.problems.PCADigits(seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), range(6))
    found = sp.minimize(fleet, sp.PGD(step=0.4), b=6, w0=problem.start, seed=0, max_rounds=300)
    assert found.status == "no_escape_found"
    assert found.certificate.refuted
    assert not found.success


def test_the_budget_is_a_status() -> None:
    result = sp.minimize(PROBLEM, sp.GradientDescent(step=0.1), b=3, max_rounds=7)
    assert (result.status, result.rounds, result.success) == ("budget", 7, False)


def test_a_callback_sees_every_round_and_can_stop() -> None:
    seen: list[int] = []

    def watch(progress: Any) -> bool:
        seen.append(progress.record.round)
        return len(seen) == 5

    result = sp.minimize(PROBLEM, b=3, seed=1, callback=watch)
    assert seen == list(range(5))
    assert result.status == "stopped"


def test_ctrl_c_returns_the_state_so_far() -> None:
    def interrupt(progress: Any) -> None:
        if progress.record.round == 3:
            raise KeyboardInterrupt

    result = sp.minimize(PROBLEM, b=3, seed=1, callback=interrupt)
    assert result.status == "interrupted"
    assert result.rounds == 4
    assert result.certificate is None


def test_the_trace_says_whom_the_rule_left_out_where_the_run_stands() -> None:
    fleet = sp.Coalition(sp.LocalFleet(PROBLEM), sp.SignFlip(1e3), members=[2, 5])
    result = sp.minimize(fleet, aggregator=sp.MultiKrum(), b=2, seed=0, max_rounds=4)
    assert [record.left_out for record in result.trace] == [("worker-2", "worker-5")] * 4
    assert sp.minimize(fleet, aggregator=sp.Mean(), b=2, max_rounds=1).trace[0].left_out == ()


@pytest.mark.parametrize("value", ["nan", "inf", "mixed"])
def test_workers_that_send_no_numbers_are_named_and_the_run_goes_on(value: str) -> None:
    fleet = sp.Coalition(sp.LocalFleet(PROBLEM), sp.NonFinite(value), members=[2, 5])
    result = sp.minimize(fleet, b=6, seed=0)
    assert PROBLEM.left_saddle(result.w)
    assert result.excluded == {"worker-2": "NaN or Inf", "worker-5": "NaN or Inf"}
    assert result.trace[0].charged == result.excluded
    assert not any(record.charged for record in result.trace[1:])  # once is enough


def test_one_bad_worker_too_many_stops_the_run_and_names_them() -> None:
    fleet = sp.Coalition(sp.LocalFleet(PROBLEM), sp.attacks.Malformed("shape"), members=[1, 2, 3])
    result = sp.minimize(fleet, b=2, seed=0)
    assert result.status == "too_few_workers"
    for name in ("round 0", "worker-1", "worker-2", "worker-3"):
        assert name in result.message


def test_a_late_worker_is_no_liar() -> None:
    result = sp.minimize(Troubled(PROBLEM, late=[0]), b=6, seed=0)
    assert PROBLEM.left_saddle(result.w)
    assert result.excluded == {}
    assert result.trace[0].absent == {"worker-0": "late"}


def test_too_many_late_workers_stop_the_run_and_it_resumes(tmp_path: Path) -> None:
    whole = sp.minimize(PROBLEM, b=6, seed=0)
    path = tmp_path / "run.npz"
    stuck = sp.minimize(
        Troubled(PROBLEM, late=[0, 1], since=9), b=6, seed=0, checkpoint=path, certify=False
    )
    assert stuck.status == "too_few_workers"
    assert "round 9" in stuck.message
    assert "worker-0" in stuck.message
    assert "worker-1" in stuck.message
    assert stuck.rounds == 9
    resumed = sp.minimize(PROBLEM, b=6, seed=0, checkpoint=path, resume=True)
    assert resumed.w.tobytes() == whole.w.tobytes()
    assert resumed.rounds == whole.rounds


def test_a_point_that_overflows_ends_the_run_with_a_status() -> None:
    result = sp.minimize(PROBLEM, sp.GradientDescent(step=1e60), b=0, max_rounds=50)
    assert result.status == "diverged"
    assert "overflows" in result.message


@pytest.mark.parametrize(
    ("w0", "says"),
    [
        (np.ones((2, 2)), "vector"),
        (np.array([1, 2]), "dtype int64"),
        (np.array([np.nan]), "finite"),
    ],
)
def test_a_start_that_is_no_vector_is_refused(w0: np.ndarray, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        sp.minimize(PROBLEM, b=3, w0=w0)


def test_more_liars_than_the_rule_holds_are_refused() -> None:
    with pytest.raises(BreakdownError, match="at most 9 Byzantine rows of 20; got b=10"):
        sp.minimize(PROBLEM, sp.GradientDescent(), b=10)


SCRIPT = """
import sys
import saddleproof as sp
problem = sp.problems.Example2(seed=0)
fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), members=range(6))
rule = getattr(sp, sys.argv[2])()
result = sp.minimize(
    fleet, aggregator=rule, b=6, checkpoint=sys.argv[1], resume=True, max_rounds=40,
    callback=lambda p: print(p.record.round, flush=True))
sys.stdout.buffer.write(b"end " + result.w.tobytes().hex().encode())
"""


@pytest.mark.parametrize(
    "rule", ["Median", "CenteredClipping", pytest.param("SafeguardSGD", marks=pytest.mark.slow)]
)
def test_killed_at_any_round_and_resumed_it_ends_in_the_same_bytes(
    rule: str, tmp_path: Path
) -> None:
    """No seed: the key is drawn by the operating system, and only the checkpoint knows it."""
    path, copy = tmp_path / "run.npz", tmp_path / "whole.npz"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(checkpoint: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SCRIPT, str(checkpoint), rule]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    for rounds in (1, 8):
        victim = start(path)
        for _ in range(rounds):
            victim.stdout.readline()
        if rounds == 1:
            copy.write_bytes(path.read_bytes())  # the same key, never killed from here on
        time.sleep(0.01)
        victim.send_signal(signal.SIGKILL)
        assert victim.wait() == -signal.SIGKILL
        victim.stdout.close()
    ends = [start(checkpoint).communicate()[0].split("end ")[1] for checkpoint in (path, copy)]
    assert ends[0] == ends[1]


@pytest.mark.parametrize("rounds", [1, 6, 10, 20, 30])
def test_a_run_that_its_budget_ended_goes_on_when_more_is_granted(
    rounds: int, tmp_path: Path
) -> None:
    path, asked = tmp_path / "run.npz", {"b": 6, "seed": 0, "certify": False}
    whole = sp.minimize(PROBLEM, **asked)
    cut = sp.minimize(PROBLEM, **asked, max_rounds=rounds, checkpoint=path)
    assert (cut.status, cut.rounds) == ("budget", rounds)
    again = sp.minimize(PROBLEM, **asked, max_rounds=rounds, checkpoint=path, resume=True)
    assert (again.status, again.w.tobytes()) == ("budget", cut.w.tobytes())
    more = sp.minimize(PROBLEM, **asked, checkpoint=path, resume=True)
    assert more.status == whole.status == "second_order"
    assert more.rounds > rounds
    assert PROBLEM.left_saddle(more.w)
    if rounds <= 10:  # no jump yet: the last round was not spent on a comparison
        assert (more.rounds, more.w.tobytes()) == (whole.rounds, whole.w.tobytes())
    settled = sp.minimize(PROBLEM, **asked, max_rounds=2000, checkpoint=path, resume=True)
    assert (settled.rounds, settled.w.tobytes()) == (more.rounds, more.w.tobytes())


def test_a_checkpoint_of_another_optimizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    sp.minimize(PROBLEM, sp.GradientDescent(step=0.1), b=3, max_rounds=3, checkpoint=path)
    with pytest.raises(sp.errors.StoreError):
        sp.minimize(PROBLEM, sp.CertifiedPGD(), b=3, checkpoint=path, resume=True)


RULES = [sp.Median(), sp.CenteredClipping(), sp.ByzantineSGD(), sp.SafeguardSGD()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("optimizer", [sp.GradientDescent(step=0.1), sp.CertifiedPGD()])
def test_a_run_asks_in_one_dtype(optimizer: Any, rule: Any) -> None:
    asked = []

    class Noting(sp.LocalFleet):
        def round(self, points: np.ndarray, *, round_id: int, timeout: Any = None) -> Messages:
            asked.append(points.dtype)
            return super().round(points, round_id=round_id, timeout=timeout)

    w0 = PROBLEM.start.astype(np.float32)
    options: dict[str, Any] = {"w0": w0, "seed": 1, "max_rounds": 8, "certify": False}
    result = sp.minimize(Noting(PROBLEM), optimizer, aggregator=rule, b=3, **options)
    assert result.status in ("budget", "second_order")
    assert {*asked} == {result.w.dtype}


def test_a_float32_run_that_diverges_says_so() -> None:
    w0 = np.full(PROBLEM.d, 1e5, dtype=np.float32)
    for rule in RULES:
        found = sp.minimize(PROBLEM, sp.GradientDescent(step=1.0), aggregator=rule, b=3, w0=w0)
        assert found.status == "diverged"
