"""The table of promises in docs/engines.md: each names the tests that show it, and they exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "engines.md").read_text()
TABLE = PAGE.split("## What each engine promises")[1].split("\n## ")[0]
ROWS = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][1:]
NAMED = sorted(set(re.findall(r"`(test_\w+)`", PAGE)))


@pytest.fixture(scope="module")
def existing() -> set[str]:
    found: set[str] = set()
    for file in TESTS.rglob("test_*.py"):
        found.update(re.findall(r"^\s*(?:async )?def (test_\w+)\(", file.read_text(), re.MULTILINE))
    return found


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_the_page_names_exists(name: str, existing: set[str]) -> None:
    assert name in existing


@pytest.mark.parametrize(
    "cell", [cell for row in ROWS for cell in row[1:]], ids=lambda cell: cell[:30]
)
def test_every_promise_names_its_test(cell: str) -> None:
    assert "`test_" in cell or cell.startswith("No promise")


def test_the_page_has_a_row_for_every_engine() -> None:
    engines = {"`LocalFleet`", "`RayFleet`", "`GrpcFleet`", "`FlowerFleet`", "`ColumnFleet`"}
    assert {row[0] for row in ROWS} == engines | {"all, by the oracle"}
    assert all(len(row) == 4 for row in ROWS)
