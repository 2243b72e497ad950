"""A ByzFL script with a rule of ours: few lines differ, and the accuracy does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from migrated import accuracy, changed


def test_a_byzfl_script_changes_an_import_a_rule_and_a_call() -> None:
    gone, new = changed("byzfl")
    assert (gone, new) == (5, 3)  # the rule of three lines becomes one


@pytest.mark.slow
def test_the_script_after_byzfl_is_as_accurate_as_the_one_before(
    source_of: Callable[[str, str], Path], tmp_path: Path
) -> None:
    """ByzFL loads torchvision and seaborn, which this script uses nothing of."""
    for name in ("torchvision", "seaborn"):
        text = "from unittest.mock import MagicMock\ndatasets = transforms = MagicMock()\n"
        (tmp_path / f"{name}.py").write_text(text)
    before = accuracy("byzfl_before.py", source_of("byzfl", "0.0.11"), tmp_path)
    assert accuracy("byzfl_after.py") == pytest.approx(before, abs=0.01)
    assert before > 0.9
