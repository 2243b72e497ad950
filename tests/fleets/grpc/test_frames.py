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
from saddleproof.fleets.grpc.header import DONE, LEAST_CURVATURE
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature

NUMBERS = st.integers(0, 2**64 - 1)
SIZES = st.integers(1, 5)
RNG = np.random.default_rng(0)


@st.composite
def questions(draw):
    """Any question that travels."""
    d, p, t = draw(SIZES), draw(SIZES), draw(SIZES)
    w, directions = RNG.standard_normal(d), RNG.standard_normal((p, d))
    return draw(
        st.one_of(
            st.sampled_from(["f8", "f4"]).map(lambda code: Gradients(directions.astype(code))),
            st.just(Changes(w, directions, RNG.standard_normal(t))),
            st.just(Curvatures(w, directions)),
            st.builds(
                LeastCurvature,
                st.just(w),
                steps=st.integers(1, 2**32 - 1),
                delta=st.floats(0, 1, exclude_min=True, exclude_max=True),
                seconds=st.floats(min_value=0),
                seed=st.none() | NUMBERS,
            ),
        )
    )


def asking(question, losses=False, session=7, ask=1, round_id=3):
    return f.header_of(question, losses=losses, session=session, ask=ask, round_id=round_id)


def sent(question, **fields):
    return list(frames(asking(question, **fields), *f.parts_of(question)))


def assembled(messages):
    assembly = None
    for message in messages:
        header, piece = decode(message)
        assembly = Assembly(header) if assembly is None else assembly
        assembly.add(header, piece)
    assert assembly.complete
    return assembly


@given(questions(), NUMBERS, NUMBERS)
def test_a_question_comes_out_as_it_went_in(question, session, number):
    found = assembled(sent(question, session=session, ask=number))
    assert found.header == asking(question, session=session, ask=number)
    copy = found.question()
    assert type(copy) is type(question)
    for name, value in vars(question).items():
        other = getattr(copy, name)
        np.testing.assert_array_equal(other, value)
        assert not isinstance(value, np.ndarray) or other.dtype == value.dtype


@given(questions(), st.booleans(), NUMBERS)
def test_an_answer_comes_out_as_it_went_in(question, losses, number):
    told = RNG.standard_normal(question.shape).astype(question.dtype)
    values = RNG.standard_normal(question.shape[:1]).astype(question.dtype)
    losses = losses and isinstance(question, Gradients)
    header = f.answer_to(asking(question, losses=losses, ask=number))
    found = assembled(frames(header, *((told, values) if losses else (told,))))
    assert found.header == header
    answer, beside = found.answer()
    np.testing.assert_array_equal(answer, told)
    assert (answer.shape, answer.dtype) == (question.shape, question.dtype)
    if losses:
        np.testing.assert_array_equal(beside, values)
    else:
        assert beside is None


@given(questions())
def test_an_answer_to_a_question_has_the_header_that_the_question_fixes(question):
    asked = asking(question)
    assert f.replace(f.answer_to(asked), kind=f.QUESTION) == asked
    assert f.answer_to(asked).size == np.prod(question.shape) * question.dtype.itemsize


def test_losses_are_asked_for_beside_gradients_only():
    assert asking(Gradients(np.ones((1, 2))), losses=True).losses == 1
    assert asking(LeastCurvature(np.ones(2)), losses=True).losses == 0


def test_what_is_long_travels_in_pieces_of_one_size():
    points = np.arange(3 * f.PIECE / 8)[None]
    messages = sent(Gradients(points))
    assert [len(message) for message in messages] == [f.LONGEST] * 3
    assert [decode(m)[0].last for m in messages] == [False, False, True]
    np.testing.assert_array_equal(assembled(messages).question().points, points)


def test_a_long_question_of_several_arrays_travels_in_pieces():
    question = Changes(np.arange(2e5), np.arange(6e5).reshape(3, -1), np.arange(4.0))
    messages = sent(question)
    assert len(messages) == 7
    copy = assembled(messages).question()
    np.testing.assert_array_equal(copy.directions, question.directions)
    np.testing.assert_array_equal(copy.lengths, question.lengths)


def test_pieces_come_in_order_and_once():
    messages = sent(Gradients(np.zeros((1, 3 * f.PIECE // 8))))
    for wrong in (messages[1:2], messages[:1] * 2, [messages[0], messages[2]]):
        with pytest.raises(FrameError, match=r"not the next one|announced"):
            assembled(wrong)


ONE, TWO = np.ones(1), np.ones(2)
STRANGE = {
    "int64": Gradients(np.ones((1, 2), dtype=int)),
    "float32": Curvatures(TWO, np.ones((1, 2), dtype=np.float32)),
    "directions": Curvatures(TWO, np.ones((3, 1))),
    "lengths": Changes(TWO, np.ones((1, 2)), np.ones((1, 2))),
    "nothing is asked": Changes(TWO, np.ones((0, 2)), ONE),
    "delta": LeastCurvature(TWO, delta=1.0),
    "seconds": LeastCurvature(TWO, seconds=float("nan")),
    "steps": LeastCurvature(TWO, steps=0),
    "travel": LeastCurvature(TWO, seed=-1),
}


@pytest.mark.parametrize("question", STRANGE.values(), ids=STRANGE)
def test_a_question_that_does_not_travel_is_refused_by_who_asks_it(question, request):
    with pytest.raises(FleetError, match=request.node.callspec.id):
        asking(question)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data):
    with pytest.raises(FrameError):
        decode(data)


SMALL, BYTE = st.integers(0, 2**32 - 1), st.integers(0, 255)
HEADERS = st.builds(
    Header, kind=BYTE | st.integers(1, 3), about=BYTE | st.integers(1, 4), dtype=BYTE | st.just(0),
    losses=BYTE | st.just(0), session=NUMBERS, ask=NUMBERS, round=NUMBERS,
    d=NUMBERS | st.integers(1, 3), rows=SMALL | st.integers(0, 2), columns=SMALL | st.just(0),
    steps=SMALL | st.just(0), seed=st.none() | NUMBERS, delta=st.floats() | st.just(0.0),
    seconds=st.floats() | st.just(0.0), offset=NUMBERS | st.just(0),
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


@given(st.data(), questions(), st.booleans())
def test_a_frame_of_which_one_byte_was_changed_never_raises_anything_else(data, question, losses):
    header = asking(question, losses=losses)
    answer = f.answer_to(header)
    asked = next(frames(header, *f.parts_of(question)))
    said = next(frames(answer, np.ones(answer.count)))
    message = bytearray(data.draw(st.sampled_from([asked, said])))
    message[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(message)))
    for one in (bytes(message), bytes(message[:cut])):
        try:
            found, piece = decode(one)
        except FrameError:
            continue
        assert len(piece) <= f.PIECE
        assert found.kind in (f.QUESTION, f.ANSWER, DONE)


@pytest.mark.parametrize("kind", [f.QUESTION, f.ANSWER])
@pytest.mark.parametrize("about", [f.GRADIENTS, f.CHANGES, f.CURVATURES, LEAST_CURVATURE])
def test_a_header_that_claims_petabytes_allocates_nothing(kind, about):
    least = {"steps": 2**32 - 1, "delta": 0.5} if about == LEAST_CURVATURE else {}
    rows = 0 if least else 2**32 - 1
    columns = 2**32 - 1 if about == f.CHANGES else 0
    huge = Header(kind, about, session=1, ask=1, rows=rows, columns=columns, d=2**63, **least)
    tracemalloc.start()
    with pytest.raises(FrameError, match="are announced"):
        decode(huge.packed() + bytes(8))
    assert tracemalloc.get_traced_memory()[1] < 10_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "change",
    [
        {"about": f.CURVATURES, "columns": 1},
        {"about": f.CURVATURES, "steps": 1},
        {"about": f.CURVATURES, "dtype": 1},
        {"about": f.CURVATURES, "losses": 1},
        {"about": f.CURVATURES, "delta": 0.5},
        {"about": f.CURVATURES, "seed": 1},
        {"about": f.CHANGES},
        {"about": LEAST_CURVATURE, "rows": 0},
        {"about": 0},
        {"kind": DONE},
    ],
)
def test_a_field_that_the_kind_has_no_use_for_is_zero(change):
    header = f.replace(asking(Gradients(np.ones((1, 2)))), **change)
    with pytest.raises(FrameError):
        decode(header.packed() + bytes(16))
