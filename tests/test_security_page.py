"""SECURITY.md names tests that are there, and every attacker that this library speaks of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:tests|benchmarks|docs)/[^`]+)`", PAGE)))
)
def test_a_file_that_the_page_names_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    "attacker",
    ["lying worker", "GrpcFleet", "FlowerFleet", "RayFleet", "ColumnFleet", "thief", "network",
     "another user", "damage", "author of a configuration", "user code", "package"],
)  # fmt: skip
def test_every_attacker_has_one_row(attacker):
    assert sum(attacker in row.split("|")[1] for row in ROWS) == 1
