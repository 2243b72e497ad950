"""Arrays as clients send them: numbers of the model's shape and kind, or a reason."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from saddleproof.flower.payload import UnreadableError, read

DTYPES = ("float16", "float32", "float64", ">f4", ">f8", "int32", "int64", "uint8", "bool")


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=version, allow_pickle=True)
    return stream.getvalue()


@given(
    st.data(),
    st.sampled_from(DTYPES),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
def test_what_numpy_saved_is_read_to_the_bit(data: st.DataObject, dtype: str, shape: tuple) -> None:
    array = data.draw(arrays.arrays(dtype, shape))
    for laid in (array, np.array(array, order="F")):
        found = read(npy(laid), array.shape, array.dtype)
        assert found.shape == array.shape
        assert found.tobytes() == array.tobytes()
        assert not found.flags.writeable


@given(st.binary(max_size=200), st.integers(0, 127))
def test_any_other_bytes_are_refused_and_nothing_else_happens(junk: bytes, at: int) -> None:
    good = npy(np.arange(6.0).reshape(2, 3))
    for data in (junk, good[:at] + junk, good[:at] + junk + good[at + len(junk) :]):
        try:
            found = read(data, (2, 3), np.dtype(np.float64))
        except UnreadableError:
            continue
        assert (found.shape, found.dtype.kind) == ((2, 3), "f")


def header(text: str) -> bytes:
    """A file of version 1.0 with a header of one's own."""
    raw = text.encode()
    return b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (npy(np.zeros((2, 4))), "wrong shape"),
        (npy(np.zeros((2, 3), np.int64)), "wrong dtype"),
        (npy(np.zeros((2, 3), complex)), "no NumPy array"),
        (npy(np.zeros((2, 3), np.longdouble)), "no NumPy array"),
        (npy(np.array([["x"] * 3] * 2)), "no NumPy array"),
        (npy(np.array([[None] * 3] * 2)), "no NumPy array"),
        (npy(np.zeros((2, 3))).replace(b"<f8", b"<f1"), "no dtype"),
        (npy(np.zeros((2, 3))).replace(b"NUMPY\x01", b"NUMPY\x02"), "no NumPy array"),
        (npy(np.zeros((2, 3)))[:-1], "47 bytes"),
        (npy(np.zeros((2, 3))) + b"x", "49 bytes"),
        (npy(np.zeros((2, 3))).replace(b"\x01\x00v\x00", b"\x01\x00w\x00"), "no NumPy array"),
        (b"", "no NumPy array"),
        (
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n"),
            "shape",
        ),
        (header("(" * 5000), "no NumPy array"),
        (header("-" * 5000 + "1"), "no NumPy array"),
    ],
)
def test_what_was_not_asked_for_is_refused_by_name(data: bytes, complaint: str) -> None:
    with pytest.raises(UnreadableError, match=complaint):
        read(data, (2, 3), np.dtype(np.float64))
