"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# No window is ever opened, whoever imports matplotlib first.
os.environ["MPLBACKEND"] = "Agg"

# A shared machine is slow at times; how long an example takes is no claim of ours.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
