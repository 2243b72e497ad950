"""What holds for every test."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from saddleproof.fleets.logs import speak_again

# No window is ever opened, whoever imports matplotlib first.
os.environ["MPLBACKEND"] = "Agg"

# No test may hang. (An option in pyproject.toml would be an error where pytest-timeout is missing.)
os.environ.setdefault("PYTEST_TIMEOUT", "600")

# A shared machine is slow at times; how long an example takes is no claim of ours.
# The same examples each time: a rare example found by chance must not stop an unrelated change.
# `make explore` looks at new ones.
settings.register_profile("house", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def as_loud_as_before() -> None:
    """Flower's data base switches loggers off in whatever process it is set up."""
    speak_again()
