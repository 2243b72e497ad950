"""A save that fails loses nothing: not the rounds before it, and not the result in memory."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.checkpoint import FileCheckpoint, Progressed
from saddleproof.errors import StoreError
from saddleproof.runs.store import Store

PROBLEM = sp.problems.Example2(workers=9, seed=0)
OPTIMIZER = sp.GradientDescent(step=0.1)
ASKED: dict[str, Any] = {"b": 2, "seed": 0, "max_rounds": 6, "certify": False}
FEW, MANY = 60, pytest.param(700, marks=pytest.mark.slow)


@pytest.mark.parametrize("faults", [FEW, MANY])
def test_a_fault_at_any_call_of_a_files_save_loses_nothing(durability, tmp_path, faults):
    counts = durability.file_faults(tmp_path, faults)
    assert counts["positions"] >= 60
    assert counts["refused"] == counts["injected"] == faults
    assert not lost(counts)


@pytest.mark.parametrize("faults", [12, pytest.param(300, marks=pytest.mark.slow)])
def test_a_store_on_a_full_disk_loses_nothing(durability, tmp_path, faults):
    counts = durability.store_faults(tmp_path, faults)
    assert counts["refused"] == faults
    assert not lost(counts)


def lost(counts: Any) -> dict[str, int]:
    names = ("rounds lost", "results lost", "raw exceptions", "silent changes", "drafts left")
    return {name: counts[name] for name in names if counts[name]}


class Breaking:
    """A checkpoint whose disk is full after some rounds."""

    def __init__(self, place: FileCheckpoint, after: int) -> None:
        self.place, self.after = place, after

    def save(self, loop: Progressed) -> None:
        if loop.round > self.after:
            raise StoreError("no space left")
        self.place.save(loop)

    def load(self, *kinds: type) -> Progressed | None:
        return self.place.load(*kinds)


@pytest.mark.parametrize("after", [0, 3, 5])
def test_the_error_carries_the_run_so_far(tmp_path, after):
    whole = sp.minimize(PROBLEM, OPTIMIZER, **ASKED)
    place = FileCheckpoint(tmp_path / "run.npz")
    with pytest.raises(StoreError, match="no space left") as caught:
        sp.minimize(PROBLEM, OPTIMIZER, checkpoint=Breaking(place, after), **ASKED)
    result = caught.value.result
    assert (result.status, result.rounds, result.certificate) == ("interrupted", after + 1, None)
    assert result.trace == whole.trace[: after + 1]
    assert np.isfinite(result.w).all()
    assert "no space left" in result.message
    again = sp.minimize(PROBLEM, OPTIMIZER, checkpoint=place, resume=True, **ASKED)
    assert again.w.tobytes() == whole.w.tobytes()


def test_a_result_is_kept_when_only_the_last_save_fails(tmp_path):
    place = Breaking(FileCheckpoint(tmp_path / "run.npz"), 0)
    with pytest.raises(StoreError) as caught:
        sp.minimize(PROBLEM, OPTIMIZER, checkpoint=place, checkpoint_every=100, **ASKED)
    assert caught.value.result.rounds == 6


def test_a_refused_resume_carries_no_result(tmp_path):
    (tmp_path / "run.npz").write_bytes(b"nothing")
    with pytest.raises(StoreError) as caught:
        sp.minimize(
            PROBLEM, OPTIMIZER, checkpoint=tmp_path / "run.npz", resume=True, **ASKED
        )  # fmt: skip
    assert caught.value.result is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_nobody_may_write_is_a_store_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match=os.strerror(errno.EACCES)):
        sp.minimize(PROBLEM, OPTIMIZER, checkpoint=tmp_path / "run.npz", **ASKED)


def test_a_lease_that_could_not_be_given_back_does_not_bind_this_process(
    durability, tmp_path: Path
):
    with Store(tmp_path / "runs.sqlite") as store:
        here = store.begin("a", "0")
        with durability.full(store, 0), pytest.raises(StoreError):
            sp.minimize(PROBLEM, OPTIMIZER, checkpoint=here, **ASKED | {"max_rounds": 200})
        assert sp.minimize(PROBLEM, OPTIMIZER, checkpoint=here, resume=True, **ASKED).rounds >= 6
