"""A federation of Flower as a fleet: its answers are the local ones, and silence is silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flower_grid import POINTS, QUICK, Federation
from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message, RecordDict

import saddleproof as sp
from saddleproof.errors import FleetError
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.flower import FlowerFleet, server_app
from saddleproof.testing import QuarticSaddle, check_fleet


def test_the_flower_fleet_passes_the_suite(federation: Federation, honest: Any) -> None:
    for i in range(4):
        federation.join(honest(i))
    check_fleet(FlowerFleet(federation, 4, insecure=True), POINTS)


def test_signed_answers_are_the_local_ones_to_the_bit_losses_too(
    federation: Federation, honest: Any, keys: Any
) -> None:
    for i in (2, 0, 3, 1):
        federation.join(honest(i))
    fleets = [sp.LocalFleet(QuarticSaddle(m=4)), FlowerFleet(federation, keys)]
    for fleet in fleets:
        fleet.announce(Announcement(None, 1, sp.optimizers.ValuePGD(step=0.1)))
    local, remote = (fleet.round(POINTS, round_id=0) for fleet in fleets)
    assert remote.status == ("ok",) * 4
    np.testing.assert_array_equal(np.stack(remote.answers, axis=1), local.values)
    np.testing.assert_array_equal(np.stack(remote.loss_answers, axis=1), local.losses)


def test_signed_answers_to_every_question_are_the_local_ones_to_the_bit(
    joined: Any, problem_of: Any, same_bytes: Any
) -> None:
    problem = problem_of(4)
    same_bytes(joined(problem), problem)


def test_the_flower_fleet_passes_the_suite_with_every_question(
    joined: Any, problem_of: Any, questions_about: Any
) -> None:
    problem = problem_of(2)
    check_fleet(joined(problem), problem.start[None], questions_about(problem))


def test_losses_that_were_announced_come_beside_gradients_only(
    joined: Any, problem_of: Any, questions_about: Any
) -> None:
    problem = problem_of(2)
    fleet = joined(problem)
    fleet.announce(Announcement(None, 0, sp.optimizers.ValuePGD(step=0.1)))
    for round_id, question in enumerate(questions_about(problem)):
        messages = fleet.ask(question, round_id=round_id)
        assert messages.status == ("ok", "ok")
        assert (messages.losses is not None) == (round_id == 0)


def test_a_question_of_no_known_kind_is_not_answered(honest: Any) -> None:
    told = ConfigRecord({"session": b"", "ask": 1, "losses": False, "kind": "Pickle"})
    message = Message(RecordDict({"question": told, "arrays": ArrayRecord()}), 1, "query")
    with pytest.raises(FleetError, match="no known kind"):
        honest(0)(message)


def test_a_client_that_fails_is_dead_for_the_round(
    federation: Federation, honest: Any, keys: Any
) -> None:
    calls = []

    def fails(message: Message) -> Message:
        calls.append(message)
        if len(calls) == 1:
            return honest(3)(message)
        return Message(Error(code=1, reason="out of memory"), reply_to=message)

    for i in range(3):
        federation.join(honest(i))
    federation.join(fails)
    fleet = FlowerFleet(federation, keys, deadline=QUICK)
    assert fleet.round(POINTS, round_id=0).status == ("ok",) * 4
    assert fleet.round(POINTS, round_id=1).status == ("ok", "ok", "ok", "dead")


def test_one_question_at_a_time_and_an_old_answer_is_never_counted(
    federation: Federation, honest: Any, keys: Any
) -> None:
    seen: list[Message] = []

    def slow(message: Message) -> None:
        seen.append(message)

    for i in range(3):
        federation.join(honest(i))
    node_id = federation.join(slow)
    fleet = FlowerFleet(federation, keys, deadline=QUICK)
    assert fleet.round(POINTS, round_id=0).status[3] == "late"
    assert fleet.round(POINTS, round_id=1).status[3] == "late"
    assert len(seen) == 1
    old = honest(3)(seen[0])
    old.metadata.__dict__["_message_id"] = "old"
    federation.state.store_message_res(old)
    federation.acts[node_id] = honest(3)
    messages = fleet.round(3 * POINTS, round_id=2)
    assert messages.status == ("ok",) * 4
    np.testing.assert_array_equal(
        messages.answers[3], QuarticSaddle(m=4).gradients(3 * POINTS)[:, 3]
    )


def test_a_server_app_hands_its_fleet_to_train_and_closes_it(
    federation: Federation, honest: Any, keys: Any
) -> None:
    for i in range(4):
        federation.join(honest(i))
    kept: list[Any] = []

    def train(fleet: FlowerFleet, context: Any) -> None:
        kept.append(fleet)
        kept.append(sp.minimize(fleet, b=1, w0=QuarticSaddle().start, seed=0))

    server_app(train, workers=keys)(federation, Context(7, 0, {}, RecordDict(), {}))
    here = sp.minimize(QuarticSaddle(m=4), b=1, w0=QuarticSaddle().start, seed=0)
    np.testing.assert_array_equal(kept[1].w, here.w)
    with pytest.raises(sp.errors.FleetError, match="closed"):
        kept[0].round(POINTS, round_id=0)
