"""What the tests of hostile peers share."""

from __future__ import annotations

import contextlib
import logging
import time

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.grpc.frames import answer_to, decode, frames

NAMES = tuple(f"worker-{i}" for i in range(5))
POINTS = np.arange(8.0).reshape(2, 4)
FOUR_OK = ("ok",) * 4


def connected(fleet, peer, name="worker-0", **options):
    before = fleet.counters()[name]["connected"]
    one = peer(fleet, name, **options)
    while fleet.counters()[name]["connected"] == before:
        time.sleep(0.005)
    return one


def said(fleet, one, *messages, round_id=0):
    """The round in which this peer answers its question with these messages."""
    one.say(*messages)
    return fleet.round(POINTS, round_id=round_id)


def asking(fleet, one, tell, round_id=0):
    """The round in which this peer reads the question and says tell(question)."""
    import threading

    def play():
        header, _ = decode(one.hear())
        one.say(*tell(header))

    thread = threading.Thread(target=play)
    thread.start()
    messages = fleet.round(POINTS, round_id=round_id)
    thread.join()
    return messages


def vote(header, numbers=None):
    return list(frames(answer_to(header), POINTS if numbers is None else numbers))


@pytest.fixture
def nothing_escapes(caplog):
    """No exception leaves the connection that caused it: neither asyncio nor gRPC logs one."""
    yield
    told = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    # gRPC's own complaint that a peer which has just hung up could not be told the end.
    assert [line for line in told if "ExecuteBatchError raised in core" not in line] == []


@pytest.fixture
def four(folder, start, answers):
    """A fleet whose worker-0 is to be played by the test, and whose others are honest."""
    fleet = GrpcFleet(
        NAMES, folder, deadline=Deadline(grace=0.3, slack=0.0, limit=60.0), keepalive=1.0
    )
    fleet.announce(Announcement(sp.Median().estimates, 1))
    with contextlib.closing(fleet):
        for name, answer in zip(NAMES[1:], answers[1:], strict=True):
            start(fleet, name, answer)
        while len(fleet._desk.lines) < 4:
            time.sleep(0.01)
        fleet._begun = True  # the roster will not get any fuller
        yield fleet
