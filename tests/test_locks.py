"""The hashes in `requirements/` fit what pyproject.toml asks for and constraints.txt pins."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
EXTRAS = ("demo", "dev", "release")
#: Pinned, and without a hash: its wheels for CPUs and for CUDA bear one version.
UNHASHED = {"torch"}


def pins(text: str) -> dict[str, str]:
    """Package to version."""
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", text, flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def wanted(extra: str) -> set[str]:
    """What an extra names, and the extras that it names in turn."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names: set[str] = {Requirement(line).name for line in project["dependencies"]}
    left = [extra]
    while left:
        for line in project["optional-dependencies"][left.pop()]:
            asked = Requirement(line)
            if asked.name == project["name"]:
                left += sorted(asked.extras)
            else:
                names.add(asked.name)
    return {canonicalize_name(name) for name in names}


@pytest.fixture(params=EXTRAS)
def extra(request) -> str:
    return request.param


def locked(extra: str) -> str:
    return (ROOT / "requirements" / f"{extra}.txt").read_text()


def test_every_package_of_an_extra_is_locked_or_torch(extra):
    assert wanted(extra) - pins(locked(extra)).keys() == wanted(extra) & UNHASHED


def test_a_locked_version_is_the_pinned_one(extra):
    pinned = pins((ROOT / "constraints.txt").read_text())
    differing = {
        name: (version, pinned[name])
        for name, version in pins(locked(extra)).items()
        if pinned.get(name, version) != version
    }
    assert differing == {}, "run `make lock`"


def test_every_locked_package_has_hashes(extra):
    blocks = re.split(r"^(?=[\w.-]+==)", locked(extra), flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pins(locked(extra)))
    assert [block for block in blocks if "--hash=sha256:" not in block] == []
