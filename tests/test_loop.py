"""The loop: budgets, callbacks, Ctrl-C, bad workers, checkpoints."""

from __future__ import annotations

import itertools
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
from saddleproof.certificate import Certificate
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import LATE, OK, Messages
from saddleproof.loop import judged
from saddleproof.optimizers.base import Status
from saddleproof.words import Ending, Level

PROBLEM = sp.problems.Example2(seed=0)
#: The default needs some forty rounds here, with all questions in turn.
LONGER = sp.problems.LinearAutoencoder(seed=0)


class Troubled(sp.LocalFleet):
    """Some workers are late, from some round on."""

    def __init__(self, problem: Any, late: Sequence[int], since: int = 0) -> None:
        super().__init__(problem)
        self.late, self.since = late, since

    def round(self, points: np.ndarray, *, round_id: int, timeout: Any = None) -> Messages:
        return self._late(super().round(points, round_id=round_id, timeout=timeout), round_id)

    def ask(self, question: Any, *, round_id: int, timeout: Any = None) -> Messages:
        return self._late(super().ask(question, round_id=round_id, timeout=timeout), round_id)

    def _late(self, heard: Messages, round_id: int) -> Messages:
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


@pytest.mark.parametrize("said", ["second_order", "no_escape_found", "conditional", "open"])
@pytest.mark.parametrize(
    ("level", "ending"),
    [
        (Level.PROVED, "second_order"),
        (Level.CONDITIONAL, "conditional"),
        (Level.MAJORITY, "open"),
        (Level.SADDLE, "saddle"),
        (Level.OPEN, "open"),
    ],
)
def test_the_certificate_has_the_last_word_on_a_run_that_ended_by_itself(
    said: str, level: Level, ending: str
) -> None:
    found = judged(Status(said, "by itself"), Certificate(level, "by proof"))
    assert found == Status(ending, "by proof")


@pytest.mark.parametrize("said", ["budget", "unresolved", "stationary", "stopped", "diverged"])
def test_a_run_that_did_not_look_for_a_minimum_to_its_end_keeps_its_status(said: str) -> None:
    assert judged(Status(said, "so"), Certificate(Level.PROVED, "by proof")) == Status(said, "so")


def test_failed_escapes_are_no_success_where_the_certificate_proves_a_saddle() -> None:
    problem = sp.problems.PCADigits(seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), range(6))
    found = sp.minimize(
        fleet, sp.optimizers.PGD(step=0.4), b=6, w0=problem.start, seed=0, max_rounds=300
    )
    uncertified = sp.minimize(
        fleet,
        sp.optimizers.PGD(step=0.4),
        b=6,
        w0=problem.start,
        seed=0,
        max_rounds=300,
        certify=False,
    )
    assert uncertified.status == "no_escape_found"
    assert found.status == "saddle"
    assert found.certificate.refuted
    assert not found.success


def test_a_small_gradient_is_no_success_where_the_certificate_proves_a_saddle() -> None:
    descent = sp.GradientDescent(step=0.1, tolerance=1e-3)
    held = sp.minimize(PROBLEM, descent, b=0, aggregator=sp.Mean(), w0=PROBLEM.saddle)
    assert (held.status, held.certificate.level, held.success) == ("stationary", "saddle", False)
    free = sp.minimize(PROBLEM, descent, b=0, aggregator=sp.Mean(), w0=PROBLEM.minimum + 0.1)
    assert (free.status, free.certificate.level, free.success) == ("stationary", "proved", True)


def test_the_trace_names_every_question_and_what_came_of_it() -> None:
    fleet = sp.Coalition(sp.LocalFleet(PROBLEM), sp.SaddleAttack(PROBLEM.saddle), range(6))
    trace = sp.minimize(fleet, b=6, seed=1).trace
    looks = ["LeastCurvature", "Curvatures", "Changes"]
    assert [record.question for record in trace] == 2 * ["Gradients", *looks]
    for record, before in itertools.pairwise(reversed(trace)):
        assert record.queries == (record.question == "Gradients")
        if record.question != "Gradients":  # the norm of the last aggregate, and nothing else
            assert record.gradient_norm == before.gradient_norm
            assert (record.inexactness, record.left_out) == (before.inexactness, ())
    assert trace[3].event.startswith("jump: the loss of the honest mean falls by at least ")
    assert not any(record.event.startswith("jump") for record in (*trace[:3], *trace[4:]))


def test_an_event_is_empty_where_an_optimizer_has_nothing_to_say() -> None:
    result = sp.minimize(PROBLEM, sp.GradientDescent(step=0.1), b=3, max_rounds=2, certify=False)
    assert [(record.question, record.event) for record in result.trace] == [("Gradients", "")] * 2


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
    fleet = sp.Coalition(sp.LocalFleet(PROBLEM), sp.attacks.SignFlip(1e3), members=[2, 5])
    result = sp.minimize(fleet, aggregator=sp.aggregators.MultiKrum(), b=2, seed=0)
    liars, asked = ("worker-2", "worker-5"), [record.question for record in result.trace]
    assert {"Gradients", "Changes"} < set(asked)
    assert [record.left_out for record in result.trace] == [
        liars if question == "Gradients" else () for question in asked
    ]
    assert sp.minimize(fleet, aggregator=sp.Mean(), b=2, max_rounds=1).trace[0].left_out == ()


@pytest.mark.parametrize("value", ["nan", "inf", "mixed"])
def test_workers_that_send_no_numbers_are_named_and_the_run_goes_on(value: str) -> None:
    fleet = sp.Coalition(sp.LocalFleet(PROBLEM), sp.attacks.NonFinite(value), members=[2, 5])
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


@pytest.mark.parametrize("since", range(4))  # every kind of question
@pytest.mark.parametrize(
    ("optimizer", "late", "says"),
    [
        (sp.CertifiedPGD(), 8, "12 usable messages cannot hold b=6 Byzantine ones for Median"),
        (sp.GradientOnlyPGD(), 2, "GradientOnlyPGD holds at most 5 Byzantine workers of 18"),
    ],
    ids=["rule", "optimizer"],
)
def test_too_many_late_workers_stop_the_run_and_it_resumes(
    optimizer: Any, late: int, says: str, since: int, tmp_path: Path
) -> None:
    whole = sp.minimize(PROBLEM, optimizer, b=6, seed=0)
    asked = {"b": 6, "seed": 0, "checkpoint": tmp_path / "run.npz"}
    stuck = sp.minimize(Troubled(PROBLEM, range(late), since), optimizer, **asked)
    assert (stuck.status, stuck.rounds, stuck.certificate) == ("too_few_workers", since, None)
    assert stuck.message.startswith(f"round {since}: {says}")
    for i in range(late):
        assert f"worker-{i}" in stuck.message
    assert f"worker-{late}" not in stuck.message
    resumed = sp.minimize(PROBLEM, optimizer, **asked, resume=True)
    assert resumed.w.tobytes() == whole.w.tobytes()
    assert (resumed.rounds, resumed.trace) == (whole.rounds, whole.trace)


class Failing(sp.LocalFleet):
    """A fleet that fails in the first round after the run, or when it hears of the certificate."""

    def __init__(self, problem: Any, error: BaseException, at: int, *, heard: bool = True) -> None:
        super().__init__(problem)
        self.error, self.at, self.heard = error, at, heard

    def announce(self, announcement: Any) -> None:
        if announcement.optimizer is None and not self.heard:
            raise self.error
        super().announce(announcement)

    def round(self, points: np.ndarray, *, round_id: int, timeout: Any = None) -> Messages:
        if round_id == self.at:
            raise self.error
        return super().round(points, round_id=round_id, timeout=timeout)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("the wire broke"), "certifying failed: RuntimeError: the wire broke"),
        (KeyboardInterrupt(), "interrupted while the point was certified"),
    ],
)
@pytest.mark.parametrize("heard", [True, False])
def test_a_certificate_that_fails_loses_nothing(
    error: BaseException, reason: str, heard: bool
) -> None:
    descent, options = sp.GradientDescent(step=0.1), {"b": 3, "seed": 0, "max_rounds": 5}
    found = sp.minimize(Failing(PROBLEM, error, at=5, heard=heard), descent, **options)
    plain = sp.minimize(PROBLEM, descent, **options, certify=False)
    assert (found.status, found.message) == (plain.status, plain.message)
    assert (found.w.tobytes(), found.trace) == (plain.w.tobytes(), plain.trace)
    assert (found.certificate.level, found.certificate.reason) == ("open", reason)
    assert not found.success


def test_an_escape_that_is_never_certified_is_open() -> None:
    problem, pgd = sp.problems.PCADigits(seed=0), sp.optimizers.PGD(step=0.4)
    options = {"b": 6, "w0": problem.start, "seed": 0, "max_rounds": 300}
    plain = sp.minimize(problem, pgd, **options, certify=False)
    assert plain.status == "no_escape_found"
    fleet = Failing(problem, RuntimeError("gone"), at=plain.rounds)
    found = sp.minimize(fleet, pgd, **options)
    assert (found.status, found.message) == ("open", "certifying failed: RuntimeError: gone")
    assert (found.w.tobytes(), found.success) == (plain.w.tobytes(), False)


def test_a_status_is_an_ending_or_running_and_nothing_else() -> None:
    assert Status("second_order").name is Ending.SECOND_ORDER
    assert not Status("running").done
    with pytest.raises(OptionError, match="cannot end as 'converged'; the endings are"):
        Status("converged")


def test_a_point_that_overflows_ends_the_run_with_a_status() -> None:
    result = sp.minimize(PROBLEM, sp.GradientDescent(step=1e60), b=0, max_rounds=50)
    assert result.status == "diverged"
    assert "overflows" in result.message


@pytest.mark.parametrize(
    ("w0", "says"),
    [
        (np.ones((2, 2)), "vector"),
        (np.array([1, 2]), "dtype int64"),
        (np.full(2, np.nan), "finite"),
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
problem = getattr(sp.problems, sys.argv[4])(seed=0)
fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), members=range(6))
rule, optimizer = getattr(sp, sys.argv[2])(), getattr(sp, sys.argv[3])()
seed = None if sys.argv[5] == "none" else int(sys.argv[5])
result = sp.minimize(
    fleet, optimizer, aggregator=rule, b=6, seed=seed, checkpoint=sys.argv[1], resume=True,
    max_rounds=80,
    callback=lambda p: print(p.record.round, flush=True))
sys.stdout.buffer.write(b"end " + result.w.tobytes().hex().encode())
"""


@pytest.mark.parametrize(
    "rule", ["Median", "CenteredClipping", pytest.param("SafeguardSGD", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "run",
    [
        # No seed: the key is drawn by the operating system, and only the checkpoint knows it.
        ("GradientOnlyPGD", "Example2", "none"),
        # Without a seed every worker draws its Lanczos starts anew, in every process.
        ("CertifiedPGD", "LinearAutoencoder", "0"),
    ],
    ids=lambda run: run[0],
)
def test_killed_at_any_round_and_resumed_it_ends_in_the_same_bytes(
    rule: str, run: tuple[str, str, str], tmp_path: Path
) -> None:
    path, copy = tmp_path / "run.npz", tmp_path / "whole.npz"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(checkpoint: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SCRIPT, str(checkpoint), rule, *run]
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


@pytest.mark.parametrize("rounds", [1, 2, 3, 4, 7, 19])
def test_a_run_that_its_budget_ended_goes_on_when_more_is_granted(
    rounds: int, tmp_path: Path
) -> None:
    path, asked = tmp_path / "run.npz", {"b": 6, "seed": 0}
    whole = sp.minimize(LONGER, **asked)
    assert whole.status != "budget"
    cut = sp.minimize(LONGER, **asked, max_rounds=rounds, checkpoint=path)
    assert (cut.status, cut.rounds, cut.success) == ("budget", rounds, False)
    again = sp.minimize(LONGER, **asked, max_rounds=rounds, checkpoint=path, resume=True)
    assert (again.status, again.w.tobytes()) == ("budget", cut.w.tobytes())
    more = sp.minimize(LONGER, **asked, checkpoint=path, resume=True)
    assert (more.status, more.message) == (whole.status, whole.message)
    assert (more.rounds, more.w.tobytes()) == (whole.rounds, whole.w.tobytes())
    assert (more.trace, str(more.certificate)) == (whole.trace, str(whole.certificate))
    settled = sp.minimize(LONGER, **asked, max_rounds=2000, checkpoint=path, resume=True)
    assert (settled.rounds, settled.w.tobytes()) == (more.rounds, more.w.tobytes())


@pytest.mark.parametrize("rounds", [1, 6, 10, 20, 30])
def test_a_run_that_plans_with_its_budget_goes_on_too(rounds: int, tmp_path: Path) -> None:
    path, asked = tmp_path / "run.npz", {"b": 6, "seed": 0, "certify": False}
    optimizer = sp.GradientOnlyPGD()
    whole = sp.minimize(PROBLEM, optimizer, **asked)
    cut = sp.minimize(PROBLEM, optimizer, **asked, max_rounds=rounds, checkpoint=path)
    assert (cut.status, cut.rounds) == ("budget", rounds)
    again = sp.minimize(
        PROBLEM, optimizer, **asked, max_rounds=rounds, checkpoint=path, resume=True
    )
    assert (again.status, again.w.tobytes()) == ("budget", cut.w.tobytes())
    more = sp.minimize(PROBLEM, optimizer, **asked, checkpoint=path, resume=True)
    assert more.status == whole.status == "no_escape_found"
    assert more.rounds > rounds
    assert PROBLEM.left_saddle(more.w)
    if rounds <= 10:  # no jump yet: the last round was not spent on a comparison
        assert (more.rounds, more.w.tobytes()) == (whole.rounds, whole.w.tobytes())
    settled = sp.minimize(
        PROBLEM, optimizer, **asked, max_rounds=2000, checkpoint=path, resume=True
    )
    assert (settled.rounds, settled.w.tobytes()) == (more.rounds, more.w.tobytes())


def test_a_checkpoint_of_another_optimizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    sp.minimize(PROBLEM, sp.GradientDescent(step=0.1), b=3, max_rounds=3, checkpoint=path)
    with pytest.raises(sp.errors.StoreError):
        sp.minimize(PROBLEM, sp.CertifiedPGD(), b=3, checkpoint=path, resume=True)


RULES = [
    sp.Median(),
    sp.aggregators.CenteredClipping(),
    sp.aggregators.ByzantineSGD(),
    sp.aggregators.SafeguardSGD(),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize(
    "optimizer", [sp.GradientDescent(step=0.1), sp.CertifiedPGD(), sp.GradientOnlyPGD()]
)
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
