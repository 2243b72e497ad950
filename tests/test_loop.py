"""The loop: budgets, callbacks, Ctrl-C, bad workers, checkpoints."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.certificate import Certificate
from saddleproof.errors import OptionError
from saddleproof.fleets.base import Messages
from saddleproof.loop import judged
from saddleproof.optimizers.base import Status
from saddleproof.words import Ending, Level

PROBLEM = sp.problems.Example2(seed=0)


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
