"""State to bytes and back."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from saddleproof.errors import StoreError
from saddleproof.storage import snapshot


@dataclass(frozen=True)
class Inner:
    w: np.ndarray
    name: str = "inner"


@dataclass(frozen=True)
class Other:
    n: int


@dataclass(frozen=True)
class Outer:
    inner: Inner | Other | None
    many: tuple[Inner, ...] = ()
    named: dict[str, Inner] | None = None
    number: float = 0.5
    flag: bool = True
    pair: tuple[int, str] = (1, "a")


FULL = Outer(
    Inner(np.arange(3.0)), (Inner(np.ones((2, 2))), Inner(np.array(7))), {"k": Inner(np.zeros(0))}
)


def assert_same(one: Any, other: Any) -> None:
    assert snapshot.dumps(one) == snapshot.dumps(other)


def test_a_round_trip_changes_nothing() -> None:
    back = snapshot.loads(snapshot.dumps(FULL), Outer)
    assert isinstance(back.inner, Inner)
    np.testing.assert_array_equal(back.inner.w, FULL.inner.w)
    np.testing.assert_array_equal(back.many[0].w, np.ones((2, 2)))
    assert back.many[1].w.shape == ()
    assert back.named is not None
    assert back.named["k"].w.shape == (0,)
    assert back.pair == (1, "a")
    assert_same(back, FULL)


@given(
    arrays(st.sampled_from([np.float64, np.float32, np.int64, np.bool_]), array_shapes(min_dims=0)),
    st.floats(),
    st.text(),
)
def test_any_array_number_and_text_comes_back(x: np.ndarray, number: float, text: str) -> None:
    state = Outer(Inner(x, text), number=number)
    back = snapshot.loads(snapshot.dumps(state), Outer)
    assert isinstance(back.inner, Inner)
    assert back.inner.w.dtype == x.dtype
    assert back.inner.w.tobytes() == x.tobytes()
    assert back.inner.name == text
    assert np.array_equal(back.number, number, equal_nan=True)


def test_equal_states_give_equal_bytes_whatever_their_memory_order() -> None:
    x = np.arange(6.0).reshape(2, 3)
    for same in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        assert_same(Inner(x), Inner(same))
    assert snapshot.dumps(Inner(x)) != snapshot.dumps(Inner(x + 1e-300 + 1e-15))


def test_members_of_a_union_come_back_as_what_they_were() -> None:
    assert snapshot.loads(snapshot.dumps(Outer(Other(3))), Outer).inner == Other(3)
    assert snapshot.loads(snapshot.dumps(Outer(None)), Outer).inner is None


@pytest.mark.parametrize(
    "foreign",
    [object(), [1, 2], {1: 2}, {1, 2}, 1j, np.array([None]), b"bytes", print, Inner],
)
def test_what_is_no_data_is_refused(foreign: Any) -> None:
    with pytest.raises(StoreError, match="a state holds"):
        snapshot.dumps(Inner(foreign))


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was run",))


def archive_of(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def pickled_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        pickle.dumps(Bomb()),
        archive_of(tree=pickled_array()),
        archive_of(),
        snapshot.dumps(FULL)[:100],
        snapshot.dumps(FULL)[:-30],
    ],
)
def test_what_is_no_snapshot_is_refused_and_nothing_is_run(data: bytes) -> None:
    with pytest.raises(StoreError):
        snapshot.loads(data, Outer)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_byte_is_refused_or_harmless(data: st.DataObject) -> None:
    good = bytearray(snapshot.dumps(FULL))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] ^= data.draw(st.integers(1, 255))
    try:
        back = snapshot.loads(bytes(good), Outer)
    except StoreError:
        return
    assert_same(back, FULL)


def test_no_byte_of_the_checksum_can_change() -> None:
    good = snapshot.dumps(FULL)
    for at in range(1, 75):  # the seal, its name, and its length
        bad = bytearray(good)
        bad[-at] ^= 1
        with pytest.raises(StoreError, match="not a snapshot of Outer"):
            snapshot.loads(bytes(bad), Outer)


def test_a_snapshot_of_the_format_before_is_read() -> None:
    tree = b'{"format": 1, "state": {"is": "Other", "fields": {"n": 3}}}'
    member = io.BytesIO()
    np.save(member, np.frombuffer(tree, dtype=np.uint8))
    assert snapshot.loads(archive_of(tree=member.getvalue()), Other) == Other(3)


def test_another_type_is_refused() -> None:
    with pytest.raises(StoreError, match="Outer"):
        snapshot.loads(snapshot.dumps(Inner(np.zeros(1))), Outer)
    with pytest.raises(StoreError, match="Outer"):
        snapshot.loads(snapshot.dumps("a string"), Outer)


def test_save_replaces_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.npz"
    snapshot.save(path, FULL)
    snapshot.save(path, replace(FULL, number=2.0))
    assert snapshot.load(path, Outer).number == 2.0
    assert [p.name for p in path.parent.iterdir()] == ["state.npz"]


def test_a_reader_of_the_old_file_never_sees_half_of_the_new(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    snapshot.save(path, FULL)
    with path.open("rb") as reader:
        snapshot.save(path, replace(FULL, number=2.0))
        assert_same(snapshot.loads(reader.read(), Outer), FULL)


def test_a_state_that_cannot_be_saved_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    snapshot.save(path, FULL)
    with pytest.raises(StoreError):
        snapshot.save(path, Inner(object()))  # type: ignore[arg-type]
    assert_same(snapshot.load(path, Outer), FULL)
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        snapshot.load(tmp_path / "nowhere.npz", Outer)


KILLED_WHILE_WRITING = """
import os, sys
import numpy as np
from dataclasses import dataclass
from saddleproof.storage import snapshot

@dataclass(frozen=True)
class Inner:
    w: np.ndarray
    name: str = "inner"

os.fsync = lambda _: os.kill(os.getpid(), 9)  # the draft is written, the rename is not
snapshot.save(sys.argv[1], Inner(np.full(100_000, 2.0)))
"""


def test_a_kill_during_the_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    snapshot.save(path, Inner(np.ones(3)))
    ran = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(path)], check=False)
    assert ran.returncode == -9
    np.testing.assert_array_equal(snapshot.load(path, Inner).w, np.ones(3))
