"""What a coalition sends, and what the server reads of it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from saddleproof import oracle
from saddleproof.aggregators import Median
from saddleproof.attacks import (
    AttackView,
    Coalition,
    Malformed,
    NonFinite,
    SaddleAttack,
    SignFlip,
)
from saddleproof.attacks.table import ATTACKS
from saddleproof.errors import OptionError
from saddleproof.fleets import Announcement, LocalFleet, Messages
from saddleproof.testing import QuarticSaddle


def heard(attack: Any, members: Any = (0, 4), *, fleet: Any = None) -> oracle.MessageReading:
    fleet = Coalition(LocalFleet(QuarticSaddle()) if fleet is None else fleet, attack, members)
    fleet.announce(Announcement(Median().estimates, b=3))
    points = np.ones((2, 4))
    messages = fleet.round(points, round_id=0)
    return oracle.read(messages, Median(), 3, points=points, workers=fleet.workers)


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        (Malformed("shape"), r"wrong shape \(2, 5\)"),
        (Malformed("dtype"), "wrong dtype int64"),
        (Malformed("none"), "NoneType"),
        (Malformed("text"), "str"),
        (NonFinite("nan"), "NaN or Inf"),
        (NonFinite("inf"), "NaN or Inf"),
        (NonFinite("mixed"), "NaN or Inf"),
    ],
)
def test_what_is_no_gradient_is_charged_to_its_sender(attack: Any, reason: str) -> None:
    reading = heard(attack)
    assert set(reading.verdicts.charged) == {"worker-0", "worker-4"}
    for why in reading.verdicts.charged.values():
        assert re.search(reason, why)
    assert reading.b == 1
    assert reading.stack.shape[1] == 9


def test_the_server_reads_what_the_coalition_wants() -> None:
    honest = heard(SignFlip(scale=-1.0), members=())
    assert honest.verdicts.charged == {}
    held = heard(SaddleAttack(style="hold"), members=(0, 4, 7))
    assert held.verdicts.charged == {}
    assert np.linalg.norm(held.gradient) < np.linalg.norm(honest.gradient)


def test_members_must_be_on_the_roster() -> None:
    with pytest.raises(OptionError, match=r"positions in 0\.\.10"):
        Coalition(LocalFleet(QuarticSaddle()), SignFlip(), members=[11])


def test_a_coalition_passes_on_what_it_knows_of_the_problem() -> None:
    problem = QuarticSaddle()
    fleet = Coalition(Coalition(LocalFleet(problem), SignFlip(), [0]), SignFlip(), [1])
    assert fleet.problem is problem


class Flaky(LocalFleet):
    """Workers 1 and 2 are late; worker 2 is a member of the coalitions below."""

    def round(self, points: Any, *, round_id: int, timeout: float | None = None) -> Messages:
        full = super().round(points, round_id=round_id, timeout=timeout)
        values = [None if i in (1, 2) else row for i, row in enumerate(full.answers)]
        return Messages(values, tuple("late" if v is None else "ok" for v in values))


def test_a_coalition_over_late_workers_sees_those_that_answer() -> None:
    seen: list[AttackView] = []

    def watch(view: AttackView) -> np.ndarray:
        seen.append(view)
        return SignFlip()(view)

    reading = heard(watch, members=(0, 2, 5), fleet=Flaky(QuarticSaddle()))
    assert seen[0].messages.shape == (2, 9, 4)
    assert seen[0].members == (0, 3)
    assert seen[0].b == 3
    assert set(reading.verdicts.absent) == {"worker-1", "worker-2"}
    np.testing.assert_allclose(reading.stack[:, 0], -seen[0].honest_mean)


def test_coalitions_of_different_liars_can_be_stacked() -> None:
    broken = Coalition(LocalFleet(QuarticSaddle()), Malformed("text"), [1])
    reading = heard(SaddleAttack(style="hold"), members=(0, 4), fleet=broken)
    assert set(reading.verdicts.charged) == {"worker-1"}
    assert reading.b == 2


def test_too_few_workers_are_the_servers_verdict_and_no_crash_of_the_attack() -> None:
    class AlmostNobody(LocalFleet):
        def round(self, points: Any, *, round_id: int, timeout: float | None = None) -> Messages:
            full = super().round(points, round_id=round_id, timeout=timeout)
            return Messages(full.values, ("ok",) * 4 + ("dead",) * 7)

    with pytest.raises(oracle.TooFewWorkers, match="4 usable messages"):
        heard(SaddleAttack(), members=(0, 1, 2), fleet=AlmostNobody(QuarticSaddle()))


@pytest.mark.parametrize("name", [name for name in ATTACKS if "label" not in name])
def test_a_round_in_single_precision_charges_nobody_whom_a_double_one_does_not(name: str) -> None:
    """A stack of lies takes on the dtype that was asked for, and its finite numbers stay finite."""
    charged = []
    for dtype in (np.float32, np.float64):
        fleet = Coalition(LocalFleet(QuarticSaddle()), ATTACKS[name](), members=(0, 4))
        fleet.announce(Announcement(Median().estimates, 2))
        points = np.full((3, QuarticSaddle().d), 0.5, dtype=dtype)
        messages = fleet.round(points, round_id=0)
        reading = oracle.read(messages, Median(), 2, points=points, workers=fleet.workers)
        charged.append(reading.verdicts.charged.keys())
    assert charged[0] == charged[1]


def test_a_lie_of_another_precision_can_be_sent_all_the_same() -> None:
    def rounded(view: AttackView) -> list[np.ndarray]:
        return [view.messages[:, i].astype(np.float32) for i in view.members]

    reading = heard(rounded, members=(0, 4))
    assert set(reading.verdicts.charged) == {"worker-0", "worker-4"}
    assert "wrong dtype float32" in reading.verdicts.charged["worker-0"]
