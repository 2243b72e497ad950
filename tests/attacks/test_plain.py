"""Lies that need no search, from BitFlip to Vote, and when they are told: Burst."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.aggregators import Mean, Median
from saddleproof.attacks import (
    BitFlip,
    Burst,
    ConstantOffset,
    ConstantPull,
    Malformed,
    NonFinite,
    Omniscient,
    SaddleAttack,
    SignFlip,
    Vote,
)
from saddleproof.config import parse as config
from saddleproof.errors import OptionError
from saddleproof.testing import QuarticSaddle

MakeView = Callable[..., Any]
Told = Callable[..., np.ndarray]


def own(view: Any) -> np.ndarray:
    return view.messages[:, view.members]


# --- BitFlip --------------------------------------------------------------------------------------


def test_flipping_the_sign_bit_negates(make_view: MakeView) -> None:
    view = make_view()
    np.testing.assert_array_equal(BitFlip((64,), "float64")(view), -own(view))
    rounded = own(view).astype(np.float32).astype(np.float64)
    np.testing.assert_array_equal(BitFlip((32,))(view), -rounded)


def test_the_bits_of_the_paper_make_small_numbers_huge_and_large_ones_vanish(
    make_view: MakeView,
) -> None:
    small, large, nothing = 0.7, 40.0, 0.0
    view = make_view(messages=np.tile([small, large, nothing, -small, 2.0**-64], (3, 11, 1)))
    flipped = BitFlip()(view)[0, 0]
    assert flipped[0] < -1e18  # the sign goes as well
    assert -1e-17 < flipped[1] < 0
    assert flipped[2] == pytest.approx(-(1.25 * 2.0**65))
    assert flipped[3] > 1e18
    assert np.isnan(flipped[4])  # the exponent 0011 1111 becomes 1111 1111


def test_flipping_twice_gives_the_float32_back(make_view: MakeView) -> None:
    view = make_view()
    messages = view.messages.copy()
    messages[:, view.members] = BitFlip((22, 25, 32))(view)
    again = BitFlip((22, 25, 32))(make_view(messages=messages))
    np.testing.assert_array_equal(again, own(view).astype(np.float32))


def test_only_the_first_coordinates_are_hit(make_view: MakeView) -> None:
    view = make_view()
    lies = BitFlip(coordinates=2)(view)
    assert (lies[..., :2] != own(view)[..., :2]).all()
    np.testing.assert_array_equal(lies[..., 2:], own(view)[..., 2:])


# --- Omniscient, ConstantOffset, ConstantPull ------------------------------------------------


def test_omniscient_ruins_the_mean_and_moves_the_median_within_the_honest_rows(
    make_view: MakeView, told: Told
) -> None:
    for rule, robust in ((Mean(), False), (Median(), True)):
        view = make_view(rule)
        answer = told(view, Omniscient()(view))
        inside = (view.honest.min(axis=1) <= answer) & (answer <= view.honest.max(axis=1))
        assert inside.all() == robust
        if not robust:
            g = view.honest_mean
            cosine = (answer * g).sum(axis=1) / np.linalg.norm(answer, axis=1)
            np.testing.assert_allclose(cosine, -np.linalg.norm(g, axis=1))


def test_bias_is_the_same_small_vector_in_every_round_and_for_every_member(
    make_view: MakeView,
) -> None:
    attack = ConstantOffset(0.3)
    added = np.stack([attack(make_view(seed=s)) - own(make_view(seed=s)) for s in range(3)])
    np.testing.assert_allclose(added, np.broadcast_to(added[0, 0, 0], added.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(added[0, 0, 0]), 0.3)
    other = ConstantOffset(0.3, seed=1)(make_view()) - own(make_view())
    assert not np.allclose(other, added[0])


def test_bias_cancels_in_differences_of_one_workers_messages(make_view: MakeView) -> None:
    view = make_view()
    lies = ConstantOffset(5.0)(view)
    np.testing.assert_allclose(lies[1] - lies[0], own(view)[1] - own(view)[0], atol=1e-12)


def test_drive_pulls_the_server_one_way_at_every_point(make_view: MakeView, told: Told) -> None:
    u = np.array([3.0, 0.0, -4.0, 0.0, 0.0])
    view = make_view()
    lies = ConstantPull(10.0, u)(view)
    np.testing.assert_allclose(lies, np.broadcast_to(-10 * u / 5, lies.shape))
    walk = told(view, own(view)) - told(view, lies)
    assert (walk @ u >= 0).all()
    assert (walk @ u > 0).any()


# --- Vote -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e6, None])
def test_votes_change_what_the_server_thinks_of_a_way_out(
    make_view: MakeView, told: Told, size: float | None
) -> None:
    view = make_view()
    center = view.points[0]
    outward = view.points - center
    truth = (told(view, own(view)) * outward).sum(axis=1)
    no = (told(view, Vote("no", size, center)(view)) * outward).sum(axis=1)
    yes = (told(view, Vote("yes", size, center)(view)) * outward).sum(axis=1)
    assert (no[1:] > yes[1:]).all()
    if size is not None:
        assert (no[1:] >= truth[1:]).all()
        assert (truth[1:] >= yes[1:]).all()


def test_a_quiet_vote_copies_the_honest_row_that_says_it_best(make_view: MakeView) -> None:
    view = make_view()
    lies = Vote("no", size=None)(view)
    outward = view.points - view.points[0]
    for q in range(3):
        said = view.honest[q] @ outward[q]
        np.testing.assert_array_equal(lies[q, 0], view.honest[q, said.argmax()])
        copied = (view.honest[q] == lies[q, 0]).all(axis=1)
        assert copied.any()


def test_a_loud_vote_grows_from_the_saddle_where_one_is_known(make_view: MakeView) -> None:
    problem = QuarticSaddle(d=5)
    problem.saddle = np.ones(5)
    view = make_view(problem=problem)
    lie = Vote("yes", 2.0)(view)[:, 0]
    offset = view.points - 1.0
    np.testing.assert_allclose(lie, -2 * offset / np.linalg.norm(offset, axis=1, keepdims=True))


# --- Burst ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("burst", "awake"),
    [
        (Burst(SignFlip(), 2, 4), [2, 3]),
        (Burst(SignFlip(), 1, 2, period=4), [1, 5, 9]),
        (Burst(SignFlip(), 3, 3), []),
        (Burst(SignFlip(), 3, 5, period=5), [3, 4, 8, 9]),
    ],
)
def test_a_burst_lies_in_its_rounds_and_tells_the_truth_in_others(
    make_view: MakeView, burst: Burst, awake: list[int]
) -> None:
    lied = []
    for t in range(10):
        view = make_view(round_id=t)
        lies = burst(view)
        if np.array_equal(lies, own(view)):
            continue
        np.testing.assert_array_equal(lies, SignFlip()(view))
        lied.append(t)
    assert lied == awake


def test_a_burst_may_tell_other_lies_in_between(make_view: MakeView) -> None:
    burst = Burst(SignFlip(), 1, 2, period=2, otherwise=Omniscient())
    for t in range(4):
        view = make_view(round_id=t)
        expected = SignFlip()(view) if t % 2 else Omniscient()(view)
        np.testing.assert_array_equal(burst(view), expected)


def test_a_burst_passes_on_payloads_and_losses(make_view: MakeView) -> None:
    class Liar(SignFlip):
        def losses(self, view: Any) -> np.ndarray:
            return np.full((len(view.points), len(view.members)), 7.0)

    assert Burst(Malformed("text"), 0, 1)(make_view(round_id=0)) == ["gradient"] * 3
    values = np.arange(33.0).reshape(3, 11)
    view = make_view(losses=values, round_id=0)
    assert (Burst(Liar(), 0, 1).losses(view) == 7.0).all()
    np.testing.assert_array_equal(Burst(SignFlip(), 0, 1).losses(view), values[:, view.members])
    later = make_view(losses=values, round_id=1)
    np.testing.assert_array_equal(Burst(Liar(), 0, 1).losses(later), values[:, later.members])


def test_a_burst_is_proved_bad_only_from_its_first_round_on() -> None:
    fleet = sp.Coalition(sp.LocalFleet(QuarticSaddle()), Burst(NonFinite(), 3, 5), members=[0, 4])
    result = sp.minimize(
        fleet, sp.GradientDescent(step=0.1), b=3, max_rounds=6, w0=np.ones(4), certify=False
    )
    assert set(result.excluded) == {"worker-0", "worker-4"}
    assert [record.round for record in result.trace if record.charged] == [3]


def test_a_value_using_optimizer_can_meet_a_burst() -> None:
    fleet = sp.Coalition(sp.LocalFleet(QuarticSaddle()), Burst(SaddleAttack(), 1, 2), members=[0])
    result = sp.minimize(
        fleet, sp.optimizers.ValuePGD(step=0.1), b=1, seed=0, max_rounds=4, certify=False
    )
    assert result.rounds == 4


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: BitFlip((33,)), "1 to 32"),
        (lambda: BitFlip((0,)), "1 to 32"),
        (lambda: BitFlip(word="int8"), "float32, float64; got 'int8'"),
        (lambda: BitFlip(coordinates=0), "at least 1"),
        (lambda: Omniscient(-1.0), "positive and finite"),
        (lambda: ConstantOffset(-1.0), "at least 0"),
        (lambda: ConstantPull(0.0), "positive and finite"),
        (lambda: Vote("maybe"), "no, yes; got 'maybe'"),
        (lambda: Vote(size=0.0), "positive and finite"),
        (lambda: Burst(start=5, stop=4), "start=5, stop=4"),
        (lambda: Burst(start=0, stop=4, period=3), "period=3"),
    ],
)
def test_misuse_says_what_is_needed(make: Callable[[], object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        make()


@pytest.mark.parametrize(
    "attack",
    [ConstantOffset(direction=[0.0] * 5), ConstantPull(direction=[1.0]), Vote(center=[1.0])],
)
def test_a_vector_that_does_not_fit_is_refused_in_use(make_view: MakeView, attack: Any) -> None:
    with pytest.raises(OptionError, match=r"direction must be|center must have"):
        attack(make_view())


def test_a_configuration_puts_one_attack_into_another() -> None:
    text = """
    [problem]
    name = "example2"
    [run]
    b = 6
    [attack]
    name = "burst"
    attack = { name = "omniscient", scale = 5.0 }
    otherwise = "sign_flip"
    start = 3
    members = 6
    """
    liars = config.parse(text).main.liars
    assert liars is not None
    assert liars.attack.build() == Burst(Omniscient(5.0), start=3, otherwise=SignFlip())
