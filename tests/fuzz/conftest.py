"""The fuzzer is that of `benchmarks/fuzz/`."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def fuzzing() -> SimpleNamespace:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        driver, decoders = (
            importlib.import_module(f"fuzz.{name}") for name in ("driver", "decoders")
        )
        for name in decoders.SHARES:
            try:
                importlib.import_module(f"fuzz.{name}")
            except ImportError:  # an extra that is not installed
                continue
    return SimpleNamespace(driver=driver, decoders=decoders)


@pytest.fixture
def decoder(fuzzing, tmp_path):
    """decoder(name): one of the five, unless its extra is not installed."""

    def make(name: str):
        for module in {"flower": ("flwr", "cryptography"), "frames": ("grpc",)}.get(name, ()):
            pytest.importorskip(module)
        return fuzzing.decoders.decoder(name, tmp_path)

    return make
