"""Peers that want to get in, or to be believed: whatever they send, the server stays up."""

from __future__ import annotations

import contextlib
import gzip
import time

import grpc
import numpy as np
import pytest
from hostile_peers import FOUR_OK, NAMES, POINTS, asking, connected, said, vote

import saddleproof as sp
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc import frames as f
from saddleproof.fleets.grpc import keys, signing, transport
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.grpc.frames import decode
from saddleproof.fleets.grpc.header import DONE

pytestmark = pytest.mark.usefixtures("nothing_escapes")


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
