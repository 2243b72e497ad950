"""Peers' packages, fetched by name and version where a test asks for them; none is installed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def source_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The unpacked source distribution of a package, or a skip that says why there is none."""

    def fetch(name: str, version: str) -> Path:
        place = tmp_path_factory.mktemp(name)
        command = ["download", "--quiet", "--no-deps", "--no-build-isolation", "--no-binary", name]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *command, "-d", str(place), f"{name}=={version}"],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        archive = place / f"{name}-{version}.tar.gz"
        if not archive.exists():
            pytest.skip(f"{name} {version} could not be fetched: {done.stderr.strip()[-300:]}")
        with tarfile.open(archive) as packed:
            packed.extractall(place, filter="data")
        return place / f"{name}-{version}"

    return fetch
