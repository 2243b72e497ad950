"""The promises of the engines' pages: each names the tests that show it, and they exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
PAGE = (DOCS / "engines.md").read_text()
TABLE = PAGE.split("## What each engine promises")[1].split("\n## ")[0]
ROWS = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][1:]
#: A claim ends with a full stop or a semicolon.
CLAIMS = [claim for row in ROWS for cell in row[1:] for claim in re.split(r"(?<=[.;])\s+", cell)]
#: Not promises but their limits.
LIMITS = ("No promise", "Attacks on Flower's own server are outside this promise")
NAMED = [
    (page, name)
    for page in ("engines.md", "flower.md", "grpc.md", "production.md", "ray.md", "scale.md")
    for name in sorted(set(re.findall(r"`(test_\w+)`", (DOCS / page).read_text())))
]


@pytest.fixture(scope="module")
def existing() -> set[str]:
    found: set[str] = set()
    for file in TESTS.rglob("test_*.py"):
        found.update(re.findall(r"^\s*(?:async )?def (test_\w+)\(", file.read_text(), re.MULTILINE))
    return found


@pytest.mark.parametrize(("page", "name"), NAMED)
def test_a_test_that_a_page_names_exists(page: str, name: str, existing: set[str]) -> None:
    assert name in existing


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim[:30])
def test_every_promise_names_its_test(claim: str) -> None:
    assert "`test_" in claim or claim.startswith(LIMITS)


def test_every_promise_of_the_grpc_page_names_its_test() -> None:
    page = (DOCS / "grpc.md").read_text()
    table = page.split("| promise | test |")[1].split("\n\n")[0]
    promises = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(promises) >= 8
    assert [line for line in promises if "`test_" not in line.rsplit(" | ", 1)[1]] == []


def test_the_page_has_a_row_for_every_engine() -> None:
    engines = {"`LocalFleet`", "`RayFleet`", "`GrpcFleet`", "`FlowerFleet`", "`ColumnFleet`"}
    assert {row[0] for row in ROWS} == engines | {"all, by the oracle"}
    assert all(len(row) == 4 for row in ROWS)
