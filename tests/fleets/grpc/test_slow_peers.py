"""Peers that cost time or memory: whatever they do, the round goes on."""

from __future__ import annotations

import contextlib
import socket
import tracemalloc

import grpc
import numpy as np
import pytest
from hostile_peers import FOUR_OK, NAMES, POINTS, asking, connected, said, vote

from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc import frames as f
from saddleproof.fleets.grpc import keys, transport
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.grpc.frames import answer_to, decode, frames

pytestmark = pytest.mark.usefixtures("nothing_escapes")


def test_a_replay_in_a_later_round_is_a_second_vote(four, peer):
    one = connected(four, peer)
    four.deadline = Deadline(grace=10.0, limit=60.0)
    kept = []
    messages = asking(four, one, lambda h: kept.extend(vote(h)) or kept)
    assert messages.status == ("ok",) * 5
    messages = said(four, one, *kept, round_id=1)
    assert messages.status == ("malformed", *FOUR_OK)
    assert messages.notes["worker-0"] == "second vote"


def test_a_stream_that_says_nothing_is_late(four, peer):
    connected(four, peer)
    for round_id in range(3):
        assert four.round(POINTS, round_id=round_id).status == ("late", *FOUR_OK)


def test_half_an_answer_is_none(four, peer):
    points = np.zeros((1, f.PIECE // 8 + 4))
    for name in NAMES[1:]:  # Bowl has 4 dimensions: here everybody answers by hand
        assert name in four._desk.lines
    one = connected(four, peer)
    import threading

    def play():
        header = None
        while header is None or not header.last:
            header, _ = decode(one.hear())
        one.say(next(frames(answer_to(header), points)))

    thread = threading.Thread(target=play)
    thread.start()
    messages = four.round(points, round_id=0, timeout=2.0)
    thread.join()
    assert messages.status[0] == "late"
    assert four.round(POINTS, round_id=1).status == ("late", *FOUR_OK)


def test_who_never_reads_holds_nobody_up(four, peer):
    """Its window fills; the questions that it misses are not kept for it."""
    connected(four, peer)
    points = np.zeros((300, 4))  # of no use to anybody but this peer's buffers
    for round_id in range(30):
        assert four.round(points, round_id=round_id).status == ("late", *FOUR_OK)


def test_who_never_reads_holds_no_old_question_and_four_streams_at_most(folder, peer):
    points = np.zeros((1 << 18, 4))  # 8 frames
    with contextlib.closing(GrpcFleet(["worker-0"], folder)) as fleet:
        fleet.gather(0.0)
        tracemalloc.start()
        for round_id in range(3):  # each connection hears the beginning of another question
            connected(fleet, peer)
            fleet.round(points, round_id=round_id, timeout=0.5)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        connected(fleet, peer)
        fleet.round(points, round_id=3, timeout=0.5)
        fifth = peer(fleet, "worker-0").refusal()
        assert fifth.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert held < points.nbytes


def test_sockets_that_never_shake_hands_cost_no_round(four):
    host, port = four.address.rsplit(":", 1)
    with contextlib.ExitStack() as stack:
        for i in range(50):
            one = stack.enter_context(socket.create_connection((host, int(port))))
            one.sendall(b"\x16\x03\x01"[: i % 4])  # the first bytes of a TLS hello
        assert four.round(POINTS, round_id=0).status[1:] == FOUR_OK


def test_a_name_twice_at_once_has_one_vote(four, peer):
    first = connected(four, peer)
    four.deadline = Deadline(grace=10.0, limit=60.0)
    second = connected(four, peer)
    assert first.refusal().code() == grpc.StatusCode.ABORTED
    messages = asking(four, second, vote)
    assert messages.status == ("ok",) * 5
    counted = four.counters()["worker-0"]
    assert (counted["connected"], counted["refused"], counted["answered"]) == (2, 1, 1)


def test_one_connection_cannot_open_many_streams(four, folder):
    channel = transport.channel(four.address, keys.load(folder, "worker-0"))
    with channel:
        stream = channel.stream_stream(transport.PATH)
        calls = [stream(iter([b"x"])) for _ in range(20)]
        assert four.round(POINTS, round_id=0).status[1:] == FOUR_OK
        for call in calls:
            call.cancel()
