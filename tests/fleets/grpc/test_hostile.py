"""Peers that want to harm: whatever they send, the round goes on and the server stays up."""

from __future__ import annotations

import contextlib
import gzip
import logging
import socket
import time
import tracemalloc

import grpc
import numpy as np
import pytest

import saddleproof as sp
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc import frames as f
from saddleproof.fleets.grpc import keys, signing, transport
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.grpc.frames import answer_to, decode, frames
from saddleproof.fleets.grpc.header import DONE

NAMES = tuple(f"worker-{i}" for i in range(5))
POINTS = np.arange(8.0).reshape(2, 4)
FOUR_OK = ("ok",) * 4


@pytest.fixture(autouse=True)
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


# --- who is not let in ---


@pytest.mark.parametrize("shown", ["nothing", "another authority's", "the server's", "no TLS"])
def test_without_a_certificate_of_the_project_nobody_gets_in(four, folder, foreign, shown):
    if shown == "no TLS":
        channel = grpc.insecure_channel(four.address)
    else:
        mine = keys.load(foreign if "another" in shown else folder, "server" if "server" in shown
                         else "worker-0")  # fmt: skip
        trusted = (folder / "authority.pem").read_bytes()
        pair = (None, None) if shown == "nothing" else (mine.key, mine.certificate)
        channel = grpc.secure_channel(
            four.address, grpc.ssl_channel_credentials(trusted, *pair),
            options=[("grpc.ssl_target_name_override", signing.SERVER_NAME)],
        )  # fmt: skip
    with channel:
        call = channel.stream_stream(transport.PATH)(iter([b"x"]))
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert four.counters()["worker-0"]["connected"] == 0
    assert four.handshakes > 4
    assert four.round(POINTS, round_id=0).status[1:] == FOUR_OK


def test_a_worker_cannot_pose_as_the_server(folder, answers):
    posing = keys.load(folder, "worker-0")
    with contextlib.closing(GrpcFleet(NAMES, posing)) as fake:
        channel = transport.channel(fake.address, keys.load(folder, "worker-1"))
        with channel, pytest.raises(grpc.RpcError) as caught:
            next(channel.stream_stream(transport.PATH)(iter([])))
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_a_name_that_is_not_on_the_roster_is_refused_and_named_in_the_trace(four, peer, bowl):
    refused = peer(four, "eve").refusal()
    assert refused.code() == grpc.StatusCode.PERMISSION_DENIED
    result = sp.minimize(four, b=1, w0=bowl.start, seed=0, max_rounds=1, certify=False)
    assert result.trace[0].strangers == {"eve": "not on the roster"}
    assert result.trace[0].refused == {"eve": 1}
    assert sp.lab.workers(result, four.workers).refused == {"eve": 1}
    assert four.counters()["eve"]["refused"] == 1


def test_another_method_is_not_served(four, peer):
    assert peer(four, path="/x/y").refusal().code() == grpc.StatusCode.UNIMPLEMENTED


# --- what proves a worker bad ---


def test_random_bytes_prove_the_worker_bad(four, peer):
    one = connected(four, peer)
    messages = said(four, one, b"\x00" * 100)
    assert messages.status == ("malformed", *FOUR_OK)
    assert "frame" in messages.notes["worker-0"]
    assert one.refusal().code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("tell", "why"),
    [
        (lambda h: [vote(h)[0][:-1]], "bytes at 0"),
        (lambda h: [vote(h)[0] + b"x"], "bytes at 0"),
        (lambda h: [vote(h)[0]] * 2, "second vote"),
        (lambda h: vote(f.replace(h, rows=1), POINTS[:1]), "not what was asked"),
        (lambda h: vote(f.replace(h, ask=h.ask + 1)), "never asked"),
        (lambda h: vote(f.replace(h, dtype=1), POINTS), "not what was asked"),
        (lambda h: [f.Header(DONE).packed()], "sends answers"),
        (lambda h: vote(f.replace(h, about=f.CURVATURES), np.zeros((2, 2))), "not what was asked"),
    ],
    ids=["truncated", "longer", "twice", "shape", "future", "dtype", "done", "kind"],
)
def test_a_wrong_frame_proves_the_worker_bad(four, peer, tell, why):
    one = connected(four, peer)
    four.deadline = Deadline(grace=10.0, limit=60.0)
    messages = asking(four, one, tell)
    if messages.status[0] == "ok":  # its second vote came after the round
        messages = four.round(POINTS, round_id=1)
    assert messages.status == ("malformed", *FOUR_OK)
    assert why in messages.notes["worker-0"]


def test_proved_bad_is_charged_in_the_trace_and_the_run_goes_on(four, peer, bowl):
    connected(four, peer).say(b"rubbish")
    while four.counters()["worker-0"]["malformed"] == 0:
        time.sleep(0.005)
    result = sp.minimize(four, b=1, w0=bowl.start, seed=0, max_rounds=60)
    assert "a frame has" in result.excluded["worker-0"]
    assert result.trace[0].charged == result.excluded
    assert result.success


def test_nan_passes_the_transport_and_is_charged_by_the_oracle(four, peer, bowl):
    import threading

    one = connected(four, peer)
    four.deadline = Deadline(grace=10.0, limit=60.0)

    def play():
        header, _ = decode(one.hear())
        one.say(*vote(header, np.full((header.rows, header.d), np.nan)))

    threading.Thread(target=play).start()
    result = sp.minimize(four, b=1, w0=bowl.start, seed=0, max_rounds=2, certify=False)
    assert result.excluded == {"worker-0": "NaN or Inf"}


def test_an_oversized_message_is_refused_before_it_is_here(four, peer):
    one = connected(four, peer)
    assert said(four, one, bytes(f.LONGEST + 1)).status[1:] == FOUR_OK
    assert one.refusal().code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_gzip_bomb_is_not_unpacked(four, peer):
    one = connected(four, peer, compression=grpc.Compression.Gzip)
    assert len(gzip.compress(bytes(50 << 20))) < f.LONGEST
    one.say(bytes(50 << 20))
    assert four.round(POINTS, round_id=0).status[1:] == FOUR_OK
    assert one.refusal().code() in (
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
    )


# --- what costs time ---


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
