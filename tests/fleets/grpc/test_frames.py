"""The codec: what goes in comes out, and nothing else comes in."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.errors import FleetError
from saddleproof.fleets.grpc import frames as f
from saddleproof.fleets.grpc.frames import Assembly, FrameError, Header, decode, frames

NUMBERS = st.integers(0, 2**64 - 1)
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 5))


def assembled(messages):
    assembly = None
    for message in messages:
        header, piece = decode(message)
        assembly = Assembly(header) if assembly is None else assembly
        assembly.add(header, piece)
    assert assembly.complete
    return assembly


@given(SHAPES, st.sampled_from(["f8", "f4"]), st.booleans(), NUMBERS, NUMBERS)
def test_an_answer_comes_out_as_it_went_in(shape, dtype, losses, session, number):
    rng = np.random.default_rng(0)
    points = rng.standard_normal(shape).astype(dtype)
    told = rng.standard_normal(shape[0]).astype(dtype)
    asked = f.question(points, losses=losses, session=session, ask=number, round_id=3)
    sent = f.answer_to(asked)
    parts = (points, told) if losses else (points,)
    found = assembled(frames(sent, *parts))
    assert found.header == sent
    gradients, values = found.arrays()
    np.testing.assert_array_equal(gradients, points)
    assert gradients.dtype == points.dtype
    if losses:
        np.testing.assert_array_equal(values, told)
    else:
        assert values is None


def test_what_is_long_travels_in_pieces_of_one_size(monkeypatch):
    points = np.arange(3 * f.PIECE / 8)[None]
    asked = f.question(points, losses=False, session=1, ask=1, round_id=0)
    messages = list(frames(asked, points))
    assert [len(message) for message in messages] == [f.LONGEST] * 3
    assert [decode(m)[0].last for m in messages] == [False, False, True]
    np.testing.assert_array_equal(assembled(messages).arrays()[0], points)


def test_pieces_come_in_order_and_once():
    points = np.zeros((1, 3 * f.PIECE // 8))
    messages = list(frames(f.question(points, losses=False, session=1, ask=1, round_id=0), points))
    for wrong in (messages[1:2], messages[:1] * 2, [messages[0], messages[2]]):
        with pytest.raises(FrameError, match=r"not the next one|announced"):
            assembled(wrong)


def test_the_points_dtype_is_never_changed_silently():
    with pytest.raises(FleetError, match="int64"):
        f.question(np.ones((1, 2), dtype=int), losses=False, session=1, ask=1, round_id=0)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data):
    with pytest.raises(FrameError):
        decode(data)


HEADERS = st.builds(
    Header, kind=st.integers(0, 255), dtype=st.integers(0, 255), losses=st.integers(0, 255),
    session=NUMBERS, ask=NUMBERS, round=NUMBERS, q=st.integers(0, 2**32 - 1), d=NUMBERS,
    offset=NUMBERS,
)  # fmt: skip


@given(HEADERS, st.binary(max_size=64))
def test_a_header_that_lies_about_its_size_is_refused(header, payload):
    message = header.packed() + payload
    try:
        found, piece = decode(message)
    except FrameError:
        return
    assert found == header
    assert len(piece) == len(payload) == min(f.PIECE, header.size - header.offset)


@given(st.data(), SHAPES)
def test_a_frame_of_which_one_byte_was_changed_never_raises_anything_else(data, shape):
    points = np.ones(shape)
    asked = f.question(points, losses=True, session=7, ask=1, round_id=0)
    message = bytearray(next(frames(f.answer_to(asked), points, np.ones(shape[0]))))
    message[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(message)))
    for one in (bytes(message), bytes(message[:cut])):
        try:
            header, piece = decode(one)
        except FrameError:
            continue
        assert len(piece) <= f.PIECE
        assert header.kind in (f.QUESTION, f.ANSWER, f.DONE)


def test_a_header_that_claims_petabytes_allocates_nothing():
    huge = Header(f.ANSWER, session=1, ask=1, q=2**32 - 1, d=2**63)
    tracemalloc.start()
    with pytest.raises(FrameError, match="are announced"):
        decode(huge.packed() + bytes(8))
    assert tracemalloc.get_traced_memory()[1] < 10_000
    tracemalloc.stop()
