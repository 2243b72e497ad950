"""Rounds that ask some of the workers: who is drawn, and which b holds there."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import network, rows
from torch.nn.functional import cross_entropy

import saddleproof as sp
from saddleproof.attacks.table import ATTACKS
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import OK
from saddleproof.torch import Sample, TorchProblem, WorkerMomentum, fit
from saddleproof.torch.sampling import NOT_ASKED, SampledFleet


def problem(m: int = 8, **options: Any) -> TorchProblem:
    return TorchProblem(network(), cross_entropy, rows(workers=m, n=6), seed=0, **options)


def train(sample: Any, m: int = 12, **options: Any) -> Any:
    torch.manual_seed(0)
    given = {"b": 2, "rounds": 30, "seed": 0, "batch_size": 4, "certify": False} | options
    return fit(network(), cross_entropy, rows(workers=m, n=6), sample=sample, **given)[1]


@pytest.mark.parametrize("batch_size", [None, 3])
def test_those_that_are_asked_answer_as_ever_and_the_others_do_not(batch_size: int | None) -> None:
    whole = problem(batch_size=batch_size)
    fleet = SampledFleet(whole, 3)
    seen = []
    for r in range(6):
        heard = fleet.round(whole.start[None], round_id=r)
        expected = whole.sampled(whole.start[None], r)
        asked = [i for i, status in enumerate(heard.status) if status == OK]
        assert len(asked) == 3
        assert {status for status in heard.status if status != OK} == {NOT_ASKED}
        for i, answer in enumerate(heard.answers):
            if i in asked:
                np.testing.assert_allclose(answer, expected[:, i], atol=1e-12)
            else:
                assert answer is None
        seen.append(tuple(asked))
    assert len(set(seen)) > 1


def test_every_worker_is_drawn_as_often_as_another() -> None:
    fleet = SampledFleet(problem(), 3)
    drawn = np.stack([fleet.drawn(r) for r in range(2000)])
    counts = np.bincount(drawn.ravel(), minlength=8)
    assert abs(counts - 750).max() < 5 * np.sqrt(2000 * 3 / 8 * 5 / 8)
    assert all(len(set(row)) == 3 for row in drawn)


def test_a_worker_that_was_proved_bad_is_not_drawn_again() -> None:
    data = rows(workers=12, n=6)
    data[3][0][0, 0] = np.nan
    result = fit(
        network(), cross_entropy, data, b=2, rounds=30, sample=7, seed=0, batch_size=4,
        attack=sp.attacks.SignFlip(), liars=[0], certify=False,
    )[1]  # fmt: skip
    assert result.excluded.keys() == {"worker-3"}
    after = [r for r in result.trace if r.question == "Gradients"][-5:]
    assert all(len(r.absent) == 11 - 7 for r in after)
    fleet = SampledFleet(problem(), 3)
    fleet.exclude({"worker-1": "NaN"})
    assert all(1 not in fleet.drawn(r) for r in range(50))


def test_tests_of_the_loss_ask_everybody() -> None:
    trace = train(7).trace
    assert {len(r.absent) for r in trace if r.question == "Gradients"} == {5}
    assert {len(r.absent) for r in trace if r.question != "Gradients"} == {0}


@pytest.mark.parametrize(("m", "b", "size", "held"), [(12, 2, 5, 2), (12, 3, 7, 3), (20, 6, 13, 6)])
def test_a_sample_in_which_all_liars_may_stand_needs_room_for_them(
    m: int, b: int, size: int, held: int
) -> None:
    rule = sp.NearestNeighborMixing()
    assert Sample(size).rule(rule, m, b) is rule
    assert rule.breakdown(size) == held
    with pytest.raises(BreakdownError, match=rf"may meet {b} liars.*Sample at least {size}") as no:
        Sample(size - 1).rule(rule, m, b)
    assert f"Sample({size - 1}, b={b - 1})" in str(no.value)


def test_a_sample_may_be_smaller_than_the_liars_are_many() -> None:
    result = train(Sample(5, b=2), m=20, b=6, rounds=26)
    assert result.status == "budget"
    assert len(result.tests) == 1


def test_the_risk_is_counted_over_all_samples() -> None:
    m, b = 9, 4
    for size in range(2, 9):
        for feared in range(min(b, size)):
            samples = list(combinations(range(m), size))
            bad = sum(sum(i < b for i in some) > feared for some in samples)
            assert Sample(size, feared).risk(m, b) == pytest.approx(bad / len(samples))


def test_a_guarantee_of_a_sample_says_which_b_and_how_likely_more_come() -> None:
    whole, some = train(7).guarantee[0], train(Sample(4, b=1)).guarantee[0]
    assert whole == (
        "a round of gradients asks 7 of 12 workers, and its inexactness is about the honest ones "
        "among those; the rule holds 2 liars among them, in every round"
    )
    risk = Sample(4, 1).risk(12, 2)
    assert f"with probability {risk:.2g}, and in one of 29 rounds" in some
    assert "Nothing is promised of such a round" in some


def test_liars_in_a_sample_are_held_and_a_mean_would_not_hold_them() -> None:
    attack = sp.attacks.InnerProduct(scale=30.0)
    robust = train(7, attack=attack, rounds=26, evaluate=rows(workers=1, n=6)[0]).tests[-1]
    broken = train(7, attack=attack, rounds=26, aggregator=sp.Mean()).tests[-1]
    assert robust.most < broken.most


def test_momentum_is_left_out_of_a_sample_unless_it_is_asked_for() -> None:
    np.testing.assert_array_equal(train(7).w, train(7, momentum=0.0).w)
    assert (train(7).w != train(7, momentum=0.9).w).any()


def test_a_momentum_waits_for_its_worker() -> None:
    source = problem()
    fleet = WorkerMomentum(SampledFleet(source, 3), 0.5)
    w, kept = source.start[None], {}
    for r in range(5):
        heard = fleet.round(w, round_id=r)
        for i in SampledFleet(source, 3).drawn(r):
            kept[i] = 0.5 * kept.get(i, 0.0) + 0.5 * source.gradients(w)[:, i]
            np.testing.assert_allclose(heard.answers[i], kept[i], atol=1e-12)


#: Attacks that wrap another one, or need to know the problem.
GIVEN = {
    "SaddleAttack": {"saddle": np.zeros(43)},
    "Burst": {"attack": sp.attacks.SignFlip()},
    "LyingAnswers": {"attack": sp.attacks.SignFlip()},
    "Playbook": {"attack": sp.attacks.SignFlip()},
}


@pytest.mark.parametrize("attack", sorted(set(ATTACKS.values()), key=lambda kind: kind.__name__))
def test_every_attack_can_lie_in_a_sample(attack: Any) -> None:
    try:
        made = attack(**GIVEN.get(attack.__name__, {}))
    except TypeError:
        pytest.skip("needs more than its defaults")
    result = train(Sample(4, b=1), rounds=4, attack=made, momentum=0.5)
    assert result.rounds == 4 or result.status == "too_few_workers"


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (13, "sample=13 workers a round, of 12"),
        (0, "sample must be a whole number of at least 1"),
        (True, "sample must be a whole number"),
        (2.5, "sample must be a whole number"),
        ("all", "sample must be a whole number"),
    ],
)
def test_a_sample_that_cannot_be_drawn_is_refused(sample: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        train(sample)


def test_a_sample_of_liars_alone_is_refused() -> None:
    for size, b in ((3, 3), (3, 4), (0, None), (3, -1)):
        with pytest.raises(OptionError):
            Sample(size, b)
    with pytest.raises(OptionError, match="remembers"):
        train(Sample(4, b=1), aggregator=sp.aggregators.CenteredClipping())
