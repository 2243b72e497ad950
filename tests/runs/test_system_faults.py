"""Calls that fail below SQLite: what was committed stays, what was computed is handed over."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ZERO = ("raw exceptions", "results lost", "rounds lost", "other ends", "drafts left")


@pytest.fixture(scope="module")
def system() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        found = importlib.import_module("durability.system")
    if why := found.unavailable():
        pytest.skip(why)
    return found


@pytest.mark.parametrize("faults", [20, pytest.param(400, marks=pytest.mark.slow)])
def test_a_call_that_fails_below_a_save_is_one_store_error_and_loses_nothing(
    system, tmp_path, faults
):
    counts = system.system_faults(tmp_path, faults)
    assert counts["injected"] == faults
    assert {name: counts[name] for name in ZERO} == dict.fromkeys(ZERO, 0), dict(counts)
    assert counts["refused"] > faults / 2  # most calls matter
    for call in ("write", "flush", "truncate"):  # a commit that is not flushed fails here
        assert counts[f"store: {call}"] > 0
