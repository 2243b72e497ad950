"""The scripts of `examples/migrate`: which lines differ, and how accurate each is."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "migrate"


def statements(name: str) -> list[str]:
    """The lines of a script after its docstring, without blank ones."""
    text = (FOLDER / name).read_text().split('"""', 2)[2]
    return [line for line in text.splitlines() if line.strip()]


def changed(name: str) -> tuple[int, int]:
    """How many lines go, and how many come, from the script before to the one after."""
    before, after = statements(f"{name}_before.py"), statements(f"{name}_after.py")
    marks = [line[:2] for line in difflib.ndiff(before, after)]
    return marks.count("- "), marks.count("+ ")


def accuracy(script: str, *paths: Path) -> float:
    """What a script prints in the end, in a process of its own."""
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    surroundings = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    done = subprocess.run(
        [sys.executable, str(FOLDER / script)],
        env=surroundings, capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    (found,) = re.findall(r"^accuracy (\d\.\d+)$", done.stdout, re.MULTILINE)
    return float(found)
