"""The faults and the damage are those of `benchmarks/durability.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def durability() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "durability.py"
    spec = importlib.util.spec_from_file_location("durability", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["durability"] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module
