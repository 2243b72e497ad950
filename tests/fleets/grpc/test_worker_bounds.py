"""What a worker does with a loss that raises, and with a question that costs too much."""

from __future__ import annotations

import contextlib
import threading

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.errors import FleetError
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc import keys
from saddleproof.fleets.grpc.client import Client, honest
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.worker import workers_of
from saddleproof.questions import Changes, LeastCurvature

POINTS = np.arange(12.0).reshape(3, 4)
NAMES = tuple(f"worker-{i}" for i in range(5))


def announce(fleet, b=0, optimizer=None):
    fleet.announce(Announcement(sp.Median().estimates, b, optimizer))


def test_a_loss_that_raises_makes_the_worker_late_and_not_its_process(folder, start, answers):
    fleet = GrpcFleet(NAMES, folder, deadline=Deadline(grace=0.2, slack=0.0, limit=60.0))
    announce(fleet, b=1)
    calls = []

    def fails_once(question, round_id, *, losses):
        calls.append(round_id)
        if len(calls) == 1:
            raise ZeroDivisionError
        return answers[0](question, round_id, losses=losses)

    with contextlib.closing(fleet):
        for name, answer in zip(NAMES, [fails_once, *answers[1:]], strict=True):
            start(fleet, name, answer)
        fleet.gather(60)
        assert fleet.round(POINTS, round_id=0).status[0] == "late"
        fleet.deadline = Deadline(grace=60.0)
        announce(fleet, b=0)
        assert fleet.round(POINTS, round_id=1).status[0] == "ok"


@pytest.mark.parametrize(
    ("question", "bounds"),
    [
        (Changes(np.zeros(4), np.ones((40, 4)), np.ones(40)), {"passes": 1000}),
        (LeastCurvature(np.zeros(4), steps=2**31), {"passes": 10}),
        (Changes(np.zeros(4), np.ones((40, 4)), np.ones(40)), {"largest": 5000}),
    ],
    ids=["ends", "steps", "answer"],
)
def test_a_question_that_costs_too_much_is_not_answered_and_the_next_one_is(
    folder, bowl, caplog, question, bounds
):
    """A worker need not trust its server to ask for a sensible amount of work."""
    fleet = GrpcFleet(NAMES[:1], folder, deadline=Deadline(grace=0.0, limit=60.0))
    client = Client(
        honest(workers_of(bowl)[0]), fleet.address, keys.load(folder, NAMES[0]), **bounds
    )
    thread = threading.Thread(target=client.run)
    thread.start()
    with contextlib.closing(fleet):
        assert fleet.gather(60) == ()
        assert fleet.ask(question, round_id=0, timeout=0.5).status == ("late",)
        assert fleet.round(POINTS, round_id=1).status == ("ok",)
    thread.join(60)
    assert "passes over the data" in caplog.text


def test_a_question_that_is_too_large_to_hold_ends_the_worker(folder, bowl):
    with contextlib.closing(GrpcFleet(NAMES[:1], folder)) as fleet:
        client = Client(
            honest(workers_of(bowl)[0]), fleet.address, keys.load(folder, NAMES[0]), largest=100
        )
        ended = []

        def run():
            with pytest.raises(FleetError, match="at most 100 bytes"):
                client.run()
            ended.append(True)

        thread = threading.Thread(target=run)
        thread.start()
        assert fleet.gather(60) == ()
        fleet.round(np.zeros((4, 4)), round_id=0, timeout=1.0)
        thread.join(60)
        assert ended == [True]
