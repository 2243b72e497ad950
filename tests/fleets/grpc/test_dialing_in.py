"""Workers that die, come back, are pushed out, or outlive their server."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import grpc
import numpy as np

import saddleproof as sp
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc import keys
from saddleproof.fleets.grpc.client import Client
from saddleproof.fleets.grpc.fleet import GrpcFleet

POINTS = np.arange(12.0).reshape(3, 4)
NAMES = tuple(f"worker-{i}" for i in range(5))


def announce(fleet, b=0, optimizer=None):
    fleet.announce(Announcement(sp.Median().estimates, b, optimizer))


def test_who_dies_is_dead_and_who_comes_back_is_heard(begun, start, answers, until):
    announce(begun, b=1)
    lost = start(begun, "worker-3", answers[3])  # the one before is pushed out
    until(lambda: begun.counters()["worker-3"]["connected"] == 2)
    begun.round(POINTS, round_id=0)
    lost.stop()
    lost.thread.join()
    until(lambda: 3 in begun._desk.away())
    assert begun.round(POINTS, round_id=1).status[3] == "dead"
    start(begun, "worker-3", answers[3])
    until(lambda: 3 not in begun._desk.away())
    assert begun.round(POINTS, round_id=2).status == ("ok",) * 5


def test_a_worker_that_is_pushed_out_says_so_and_dials_in_again(
    fleet, start, answers, until, caplog
):
    first = start(fleet, "worker-2", answers[2])
    until(lambda: fleet.counters()["worker-2"]["connected"] == 1)
    thief = start(fleet, "worker-2", answers[2])
    until(lambda: fleet.counters()["worker-2"]["replaced"] == 2)
    thief.stop()
    thief.thread.join(60)
    until(lambda: "took its place; dialing in again" in caplog.text)
    until(lambda: "worker-2" in fleet._desk.lines)
    assert (first.refusal, first.thread.is_alive()) == (None, True)


def test_who_is_replaced_again_and_again_waits_longer_each_time(folder, answers):
    codes = grpc.StatusCode
    client = Client(answers[0], "127.0.0.1:1", keys.load(folder, "worker-0"), pause=5.0)
    client._answered = True  # which does not make the pauses short again
    replaced = SimpleNamespace(code=lambda: codes.ABORTED, details=lambda: "took its place")
    pauses = [0.05]
    for _ in range(8):
        pauses.append(client._after(replaced, pauses[-1], codes))
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_a_connection_that_is_replaced_again_and_again_is_an_alarm(
    fleet, start, answers, caplog, until
):
    for _ in range(2):
        start(fleet, "worker-2", answers[2])
    until(lambda: "its key is stolen: revoke it" in caplog.text, 60)
    alarms = [r for r in caplog.records if "its key is stolen" in r.getMessage()]
    assert {record.levelname for record in alarms} == {"ERROR"}
    fleet.announce(Announcement(sp.Median().estimates, 2))
    assert fleet.round(POINTS, round_id=0, timeout=0.1).refused["worker-2"] >= 3


def test_workers_outlive_a_server_and_serve_the_next_one(folder, start, answers):
    first = GrpcFleet(NAMES, folder, deadline=Deadline(grace=30.0))
    clients = [start(first, n, a) for n, a in zip(NAMES, answers, strict=True)]
    first.round(POINTS, round_id=0)
    first.close(done=False)
    second = GrpcFleet(NAMES, folder, listen=first.address, deadline=Deadline(grace=30.0))
    with contextlib.closing(second):
        assert second.gather(60) == ()
        assert second.round(POINTS, round_id=0).status == ("ok",) * 5
    for client in clients:
        client.thread.join(30)
        assert not client.thread.is_alive()
