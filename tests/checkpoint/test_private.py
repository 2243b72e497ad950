"""What a run writes is for its owner only, and nothing of it is left lying about."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.checkpoint import FileCheckpoint
from saddleproof.errors import StoreError
from saddleproof.runs.store import Store
from saddleproof.storage import files

PROBLEM = sp.problems.Example2(workers=9, seed=0)


def run(place, **more) -> sp.Result:
    options = {"b": 2, "seed": None, "max_rounds": 3, "certify": False} | more
    return sp.minimize(PROBLEM, checkpoint=place, **options)


def modes(folder: Path) -> dict[str, int]:
    return {p.name: stat.S_IMODE(p.lstat().st_mode) for p in folder.iterdir() if p.is_file()}


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_every_file_is_private_while_a_run_is_led_and_after_it(tmp_path, umask):
    seen: dict[str, int] = {}
    for folder in ("file", "store"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder).chmod(0o700)

    def look(_) -> None:
        for folder in ("file", "store"):
            seen.update(modes(tmp_path / folder))

    run(tmp_path / "file" / "run.npz", callback=look)
    with Store(tmp_path / "store" / "runs.sqlite") as store:
        run(store.begin("a", "0"), callback=look)
        look(None)
    assert {"run.npz", ".run.npz.lock", "runs.sqlite", "runs.sqlite-wal", "runs.sqlite-shm"} <= set(
        seen
    )
    assert set(seen.values()) == {0o600}
    assert set(modes(tmp_path / "file")) == {"run.npz"}
    assert set(modes(tmp_path / "store")) == {"runs.sqlite"}


def test_a_store_that_everybody_could_read_is_made_private(tmp_path):
    path = tmp_path / "runs.sqlite"
    Store(path).close()
    path.chmod(0o644)
    Store(path).close()
    assert modes(tmp_path) == {"runs.sqlite": 0o600}


def test_no_key_is_in_the_repr_of_a_result(tmp_path):
    optimizer = sp.CertifiedPGD()
    state = optimizer.init(np.array(PROBLEM.start), seed=None, max_rounds=3)
    keys = [v for v in _texts(state) if len(v) == 64]
    assert keys
    assert not any(key in repr(state) for key in keys)
    result = run(tmp_path / "run.npz")
    assert not any(
        key in repr(result) + repr(result.state) for key in _texts(result.state) if len(key) == 64
    )


def _texts(value) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = getattr(value, "__dict__", {}).values() if not isinstance(value, tuple) else value
    return [text for item in inner for text in _texts(item)]


def test_a_path_from_the_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run("~/here/run.npz")
    assert run("~/here/run.npz", resume=True, seed=None, max_rounds=4).rounds == 4
    with Store("~/there/runs.sqlite") as store:
        assert store.path == tmp_path / "there" / "runs.sqlite"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["here", "there"]


def test_a_link_in_the_place_of_a_draft_or_a_lock_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    monkeypatch.setattr("secrets.token_hex", lambda n=32: "0" * 2 * n)
    (tmp_path / f".run.npz.{'0' * 16}.draft").symlink_to(victim)
    with pytest.raises(OSError, match="exists"):
        files.replace(tmp_path / "run.npz", b"x")
    (tmp_path / ".run.npz.lock").symlink_to(victim)
    with pytest.raises(StoreError, match="cannot lock"):
        run(tmp_path / "run.npz")
    assert victim.read_bytes() == b"mine"


def test_drafts_that_a_killed_process_left_are_swept_and_nothing_else(tmp_path):
    left = tmp_path / f".run.npz.{'a' * 16}.draft"
    others = [tmp_path / ".other.npz.aaaaaaaaaaaaaaaa.draft", tmp_path / ".run.npz.notes"]
    for path in (left, *others):
        path.write_bytes(b"x")
    run(tmp_path / "run.npz")
    assert not left.exists()
    assert all(path.exists() for path in others)


def test_a_file_is_never_created_over_another(tmp_path):
    files.create(tmp_path / "key", b"one")
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "key", b"two")
    assert (tmp_path / "key").read_bytes() == b"one"
    assert modes(tmp_path) == {"key": 0o600}


def test_a_checkpoint_in_a_folder_that_is_none_is_a_store_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "run.npz", tmp_path):
        with pytest.raises(StoreError):
            run(path)
        with pytest.raises(StoreError):
            FileCheckpoint(path).load(object)
    with pytest.raises(StoreError):
        Store(tmp_path / "file" / "runs.sqlite")
