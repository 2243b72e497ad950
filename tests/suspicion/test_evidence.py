"""The evidence of a round is relative to what the others show; liars cannot bend the measure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature
from saddleproof.suspicion import CONTRADICTION, COPIES, DISTANCE, Said, evidence, weigh

M, D, B = 11, 4, 3
NAMES = tuple(f"worker-{i}" for i in range(M))
LENGTHS = 4.0 ** np.arange(-11, 3)


class Workers:
    """Quadratic losses of unequal data, and the rounds of a run at one point."""

    def __init__(self, seed: int = 0, scale: float = 1.0) -> None:
        rng = np.random.default_rng(seed)
        self.g = scale * (1 + rng.standard_normal((M, D)))
        half = rng.standard_normal((M, D, D))
        self.H = scale * (np.diag([-2.0, 1, 2, 3]) + (half + half.swapaxes(1, 2)) / 4)
        self.v = np.linalg.qr(rng.standard_normal((D, D)))[0]

    def rounds(self) -> list[tuple[Any, np.ndarray]]:
        """Questions and honest answers."""
        w = np.zeros(D)
        values, vectors = np.linalg.eigh(self.H)
        least = np.column_stack([values[:, 0], values[:, 0], values[:, -1], vectors[:, :, 0]])
        directions = np.concatenate([vectors[:, :, 0], self.v])
        along = np.einsum("pi,mij,pj->mp", directions, self.H, directions)
        slopes = (self.g @ directions.T)[..., None] * LENGTHS
        return [
            (Gradients(w[None]), self.g[None].copy()),
            (LeastCurvature(w), least),
            (Curvatures(w, directions), np.stack([along, along], axis=1)),
            (Changes(w, directions, LENGTHS), slopes + along[..., None] * LENGTHS**2 / 2),
        ]


def told(rounds: list[tuple[Any, np.ndarray]], b: int = B) -> list[dict[str, dict[str, float]]]:
    """The evidence of a few rounds."""
    found, said = [], None
    for question, stack in rounds:
        one, said = weigh(question, stack, NAMES, NAMES, b, said)
        found.append(one)
    return found


def numbers(found: dict[str, dict[str, float]], kind: str) -> np.ndarray:
    return np.array([found[kind][name] for name in NAMES])


@settings(max_examples=15)
@given(st.integers(0, 300))
def test_honest_workers_contradict_and_copy_nothing(seed: int) -> None:
    found = told(Workers(seed).rounds())
    assert [CONTRADICTION in one for one in found] == [False, False, True, True]
    for one in found:
        assert not numbers(one, COPIES).any()
        for x in one.get(CONTRADICTION, {}).values():
            assert x < 0.01


@pytest.mark.parametrize("lie", [0, 1, 2, 3])
def test_a_lie_in_any_round_contradicts_the_truth_in_the_others(lie: int) -> None:
    workers = Workers()
    rounds = workers.rounds()
    stack = rounds[lie][1]
    if lie == 0:
        stack[0, :B] -= 3
    elif lie == 1:
        stack[:B, :2] += 3
    elif lie == 2:
        stack[:B] += 3
    else:
        stack[:B] += 3 * LENGTHS
    found = told(rounds)
    seen = np.max([numbers(one, CONTRADICTION) for one in found[2:]], axis=0)
    assert (seen[:B] > 1).all()
    assert (seen[B:] < 0.5).all()


@settings(max_examples=15)
@given(st.integers(0, 100), st.integers(-300, 300))
def test_the_unit_of_the_loss_does_not_matter(seed: int, power: int) -> None:
    rounds = Workers(seed).rounds()
    for _, stack in rounds[2:]:
        stack[0] *= 1.5
    other = [
        (q, np.concatenate([s[:, :3] * 2.0**power, s[:, 3:]], axis=1))
        if isinstance(q, LeastCurvature)
        else (q, s * 2.0**power)
        for q, s in rounds
    ]
    assert told(rounds) == told(other)


@settings(max_examples=15)
@given(st.integers(0, 100), st.permutations(range(M)))
def test_the_order_of_the_workers_does_not_matter(seed: int, order: list[int]) -> None:
    rounds = Workers(seed).rounds()
    for _, stack in rounds[2:]:
        stack[0] *= 1.5
    said, found = None, []
    for question, stack in rounds:
        moved = stack[:, order] if isinstance(question, Gradients) else stack[order]
        one, said = weigh(question, moved, [NAMES[i] for i in order], NAMES, B, said)
        found.append(one)
    for one, other in zip(told(rounds), found, strict=True):
        for kind, each in one.items():
            assert each == pytest.approx(other[kind], rel=0.02, abs=1e-6)


@pytest.mark.parametrize("lie", [np.inf, -np.inf, 1e300, -1e9])
def test_b_liars_cannot_hide_behind_infinite_answers_nor_drown_the_others(lie: float) -> None:
    rounds = Workers().rounds()
    for _, stack in rounds[2:]:
        stack[:B] = lie
    honest, found = told(Workers().rounds()), told(rounds)
    for one, before in zip(found[2:], honest[2:], strict=True):
        assert (numbers(one, DISTANCE)[:B] == evidence.MOST).all()
        assert (numbers(one, DISTANCE)[B:] <= 1 / evidence.TIMES + 1e-9).all()
        assert set(one) == set(before)


def test_where_more_than_b_are_infinite_nobody_is_compared() -> None:
    rounds = Workers().rounds()
    rounds[3][1][: B + 1] = np.inf
    found = told(rounds)[3]
    assert DISTANCE not in found
    assert all(x <= 1 for x in found[CONTRADICTION].values())


def test_who_was_not_heard_before_contradicts_nothing() -> None:
    rounds = Workers().rounds()
    rounds[0][1][0, 0] += 9  # it would be a contradiction, but the worker is away in that round
    _, said = weigh(rounds[0][0], rounds[0][1][:, 1:], NAMES[1:], NAMES, B, None)
    found, _ = weigh(rounds[3][0], rounds[3][1], NAMES, NAMES, B, said)
    assert NAMES[0] not in found[CONTRADICTION]
    assert set(found[CONTRADICTION]) == set(NAMES[1:])


def test_answers_about_another_point_are_not_compared() -> None:
    rounds = Workers().rounds()
    question = rounds[3][0]
    moved = Changes(question.w + 1, question.directions, question.lengths)
    assert CONTRADICTION not in told([rounds[0], (moved, rounds[3][1])])[1]


def test_equal_rows_are_copies_unless_most_are_equal_or_zero() -> None:
    question, stack = Workers().rounds()[0]
    stack[0, :2] = stack[0, 5]
    copied = numbers(told([(question, stack)])[0], COPIES)
    assert np.flatnonzero(copied).tolist() == [0, 1, 5]
    stack[0, :] = stack[0, 5]
    assert not numbers(told([(question, stack)])[0], COPIES).any()
    silent = Workers().rounds()[0][1]
    silent[0, :2] = 0.0
    assert not numbers(told([(question, silent)])[0], COPIES).any()


def test_equal_data_are_at_no_distance() -> None:
    stack = np.ones((1, M, D))
    assert not numbers(told([(Gradients(np.zeros((1, D))), stack)])[0], DISTANCE).any()
    stack[0, 0] *= 1 + 1e-15  # rounding
    found = numbers(told([(Gradients(np.zeros((1, D))), stack)])[0], DISTANCE)
    assert 0 < found[0] < 0.5
    stack[0, 0] = 2
    assert numbers(told([(Gradients(np.zeros((1, D))), stack)])[0], DISTANCE)[0] == evidence.MOST


def test_a_small_constant_lie_adds_up_where_honest_noise_cancels() -> None:
    rng = np.random.default_rng(0)
    rounds = []
    for _ in range(80):
        stack = rng.standard_normal((1, M, D))
        stack[0, 0] += 1.5
        rounds.append((Gradients(np.zeros((1, D))), stack))
    found = told(rounds)
    assert numbers(found[0], DISTANCE)[0] < 1
    assert numbers(found[-1], DISTANCE)[0] > 2


def test_with_no_liars_allowed_for_nobody_reaches_one() -> None:
    rounds = Workers().rounds()
    for _, stack in rounds[2:]:
        stack[0] *= 100
    for one in told(rounds, b=0):
        for kind in (CONTRADICTION, DISTANCE):
            assert all(x <= 1 for x in one.get(kind, {}).values())


def test_half_of_all_as_liars_and_huge_vectors_tell_nothing(monkeypatch: Any) -> None:
    assert told(Workers().rounds(), b=6) == [{}] * 4
    monkeypatch.setattr(evidence, "KEPT", M * D - 1)
    assert told(Workers().rounds()) == [{}] * 4


def test_a_memory_of_other_workers_or_shapes_is_dropped() -> None:
    rounds = Workers().rounds()
    _, said = weigh(*rounds[0], NAMES, NAMES, B, None)
    assert said is not None
    assert CONTRADICTION in weigh(*rounds[3], NAMES, NAMES, B, said)[0]
    for other in (
        replace(said, workers=NAMES[::-1]),
        replace(said, gradients=said.gradients[:2]),
        replace(said, sums=said.sums[:, :2]),
        replace(said, ends=said.ends[:1]),
        Said.nothing(NAMES, D + 1),
    ):
        assert CONTRADICTION not in weigh(*rounds[3], NAMES, NAMES, B, other)[0]
