"""A plain Flower app changes two lines, and three liars of ten no longer decide."""

from __future__ import annotations

import pytest
from migrated import accuracy, changed


def test_a_flower_app_changes_an_import_and_a_constructor() -> None:
    assert changed("flower") == (2, 2)


@pytest.mark.slow
@pytest.mark.timeout(1600)
@pytest.mark.parametrize(("script", "low", "high"), [("before", 0.0, 0.2), ("after", 0.9, 1.0)])
def test_three_liars_of_ten_ruin_the_app_before_and_not_after(
    script: str, low: float, high: float
) -> None:
    pytest.importorskip("ray")
    assert low < accuracy(f"flower_{script}.py") < high
