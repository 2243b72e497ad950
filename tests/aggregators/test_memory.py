"""Rules with memory in the loop: threaded, not hidden; taught by the first point; kept by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof import oracle
from saddleproof.aggregators.byzantine_sgd import ByzantineSGD
from saddleproof.aggregators.centered_clipping import CenteredClipping
from saddleproof.aggregators.memory import Recalled, RememberingRule
from saddleproof.aggregators.safeguard_sgd import SafeguardSGD
from saddleproof.arrays import Vector
from saddleproof.errors import StoreError
from saddleproof.fleets.base import LATE, Messages
from saddleproof.runs.store import Store
from saddleproof.storage import snapshot
from saddleproof.testing import check_memory

RULES = [
    CenteredClipping(),
    CenteredClipping(tau=0.5, iterations=1),
    ByzantineSGD(),
    SafeguardSGD(short=3, long=7),
]
each = pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
PROBLEM = sp.problems.Example2(seed=0)
NAMES = tuple(f"w{i}" for i in range(7))
Q, M, D = 3, 7, 2
POINTS = np.zeros((Q, D))


def liars(size: float = 0.5) -> sp.Coalition:
    return sp.Coalition(sp.LocalFleet(PROBLEM), sp.attacks.ConstantOffset(size), members=range(6))


def read(stack: Vector, rule: Any, memory: Any, **more: Any) -> oracle.MessageReading:
    messages = Messages(stack, ("ok",) * M)
    return oracle.read(messages, rule, 2, points=POINTS, workers=NAMES, memory=memory, **more)


def stack(seed: int = 0) -> Vector:
    return np.random.default_rng(seed).standard_normal((Q, M, D)) + 4.0


@each
@pytest.mark.parametrize("kind", ["file", "store"])
def test_a_run_in_pieces_ends_in_the_same_bytes(rule: Any, kind: str, tmp_path: Path) -> None:
    optimizer = sp.optimizers.SimplifiedPGD(0.1, radius=0.05)
    options = {"aggregator": rule, "b": 6, "seed": 3}
    whole = sp.minimize(liars(), optimizer, max_rounds=12, checkpoint=tmp_path / "whole", **options)
    with Store(tmp_path / "runs.sqlite") as store:
        place: Any = tmp_path / "run.npz" if kind == "file" else store.begin("text", "0")
        for rounds in (1, 4, 5, 12):
            result = sp.minimize(
                liars(), optimizer, max_rounds=rounds, checkpoint=place, resume=True, **options
            )
        if kind == "file":
            assert place.read_bytes() == (tmp_path / "whole").read_bytes()
        else:
            assert store.trace(place.run) == whole.trace
    assert result.w.tobytes() == whole.w.tobytes()
    assert result.trace == whole.trace
    assert str(result.certificate) == str(whole.certificate)


@each
def test_the_loop_is_the_rule_by_hand(rule: Any) -> None:
    seen: list[Vector] = []
    sp.minimize(
        liars(),
        sp.GradientDescent(step=0.1),
        aggregator=rule,
        b=6,
        max_rounds=15,
        certify=False,
        callback=lambda now: seen.append(now.state.descent.trial[0]),
    )
    fleet = liars()
    memory, w = rule.begin(fleet.workers, 2), PROBLEM.start
    for after in seen:
        rows = fleet.round(w[None], round_id=0).values
        rows = np.stack(rows, axis=1)[0] if isinstance(rows, list) else rows[0]
        estimate, memory = rule.step(memory, rows, 6, point=w)
        w = w - 0.1 * estimate.vector
        np.testing.assert_allclose(after, w, rtol=0, atol=1e-14)


@each
def test_only_the_first_point_teaches(rule: Any) -> None:
    memory = rule.begin(NAMES, D)
    one, other = stack(), stack()
    other[1:] = -1e3 * other[1:]
    found = [snapshot.dumps(read(x, rule, memory).memory) for x in (one, other)]
    assert found[0] == found[1]
    other[0, 1] += 1.0
    assert snapshot.dumps(read(other, rule, memory).memory) != found[0]


@each
def test_a_combination_of_one_message_is_that_message_aggregated(rule: Any) -> None:
    memory = read(stack(1), rule, rule.begin(NAMES, D)).memory
    reading = read(stack(), rule, memory)
    np.testing.assert_array_equal(reading.combination(np.eye(Q)).vector, reading.gradient)
    step, following = rule.step(memory, stack()[0], 2)
    np.testing.assert_allclose(step.vector, reading.gradient[0], atol=1e-14)
    assert snapshot.dumps(following) == snapshot.dumps(reading.memory)


def test_a_difference_is_clipped_around_zero_and_a_sum_around_twice_the_center() -> None:
    rule = CenteredClipping(tau=0.1, iterations=1)
    memory = replace(rule.begin(NAMES, D), center=np.full(D, 4.0))
    same = np.tile(stack()[:1], (Q, 1, 1))
    reading = read(same, rule, memory)
    found = reading.combination(np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 0.0]]))
    np.testing.assert_array_equal(found.vector[0], 0.0)
    assert np.linalg.norm(found.vector[1] - 8.0) <= 0.1 * (1 + 1e-9)


@pytest.mark.parametrize("rule", RULES[2:], ids=lambda rule: type(rule).__name__)
def test_who_is_left_out_is_left_out_of_every_combination(rule: Any) -> None:
    memory = rule.begin(NAMES, D)
    lies = stack()
    lies[0, 3] += 1e6
    memory = read(lies, rule, memory).memory
    assert not memory.trusted[3]
    honest = stack(2)
    reading = read(honest, rule, memory)
    rest = np.delete(honest, 3, axis=1)
    difference = reading.combination(np.array([[1.0, -1.0, 0.0]])).vector[0]
    np.testing.assert_allclose(difference, (rest[0] - rest[1]).mean(axis=0), atol=1e-12)
    squares = reading.per_worker(lambda g: g[2] ** 2).vector[0]
    np.testing.assert_allclose(squares, (rest[2] ** 2).mean(axis=0), atol=1e-12)
    assert not reading.kept[:, 3].any()
    # Ranks go on to count everybody: being left out proves nothing.
    contrast = reading.contrast(np.eye(Q), np.ones((Q, D)))
    np.testing.assert_allclose(contrast.mid, np.median(honest.sum(axis=2), axis=1), atol=1e-12)


@each
def test_without_a_memory_a_rule_answers_as_in_its_first_round(rule: Any) -> None:
    x = stack()
    fresh = read(x, rule, rule.begin(NAMES, D))
    # Points that are no first point are no history: only the first is the same question.
    np.testing.assert_allclose(rule(x[0], 2), fresh.gradient[0], atol=1e-12)
    np.testing.assert_allclose(read(x, rule, None).gradient[0], fresh.gradient[0], atol=1e-12)


class Flaky(sp.LocalFleet):
    """Worker 2 is late from round 3 to 8, worker 5 sends NaN in round 4."""

    def round(self, points: Any, *, round_id: int, timeout: Any = None) -> Messages:
        heard = super().round(points, round_id=round_id, timeout=timeout)
        values = np.array(heard.values)
        status = list(heard.status)
        if 3 <= round_id < 8:
            status[2] = LATE
        if round_id == 4:
            values[:, 5] = np.nan
        return Messages(values, tuple(status))


@each
def test_late_and_excluded_workers_keep_their_places(rule: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    result = sp.minimize(
        Flaky(PROBLEM), sp.GradientDescent(step=0.1), aggregator=rule, b=6, max_rounds=12,
        checkpoint=path, certify=False,
    )  # fmt: skip
    assert result.rounds == 12
    assert result.excluded == {"worker-5": "NaN or Inf"}
    assert result.trace[4].absent == {"worker-2": "late"}
    assert all("worker-2" not in record.left_out for record in result.trace)
    on_time = sp.minimize(
        PROBLEM, sp.GradientDescent(step=0.1), aggregator=rule, b=6, max_rounds=12, certify=False
    )
    assert np.linalg.norm(result.w - on_time.w) < 0.05


def test_a_checkpoint_of_another_rule_is_refused_or_its_memory_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    descent = sp.GradientDescent(step=0.1)
    options = {"b": 3, "certify": False, "checkpoint": path, "resume": True}
    sp.minimize(PROBLEM, descent, max_rounds=3, **options)
    for rounds, rule in ((6, SafeguardSGD()), (9, CenteredClipping())):
        with pytest.raises(StoreError, match="aggregator was"):
            sp.minimize(PROBLEM, descent, aggregator=rule, max_rounds=rounds, **options)
        result = sp.minimize(
            PROBLEM, descent, aggregator=rule, max_rounds=rounds, allow={"aggregator"}, **options
        )
        assert result.rounds == rounds


def test_the_default_optimizer_leaves_the_saddle_with_centered_clipping() -> None:
    fleet = sp.Coalition(sp.LocalFleet(PROBLEM), sp.SaddleAttack(PROBLEM.saddle), members=range(6))
    result = sp.minimize(fleet, aggregator=CenteredClipping(), b=6, seed=0)
    assert PROBLEM.left_saddle(result.w)


class Forgetful(CenteredClipping):
    """Keeps its memory in itself, and learns from every point."""

    def recall(self, memory: Any, stack: Vector, b: int, **more: Any) -> Recalled:
        now = super().recall(memory, stack, b, **more)
        return replace(now, memory=replace(now.memory, center=stack.mean(axis=(0, 1))))


def test_the_suite_finds_a_rule_that_learns_from_every_point() -> None:
    assert isinstance(Forgetful(), RememberingRule)
    with pytest.raises(AssertionError, match="first query point only"):
        check_memory(Forgetful(), stack()[0], 2)
