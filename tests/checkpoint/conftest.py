"""The faults and the damage are those of `benchmarks/durability/`."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def durability() -> SimpleNamespace:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        modules = [
            importlib.import_module(f"durability.{name}") for name in ("states", "faults", "damage")
        ]
    return SimpleNamespace(**{name: it for module in modules for name, it in vars(module).items()})
