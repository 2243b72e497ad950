"""Names of the fleets, for configuration files and the command line only."""

from __future__ import annotations

from saddleproof.fleets.base import Fleet
from saddleproof.fleets.local import LocalFleet

FLEETS: dict[str, type[Fleet]] = {"local": LocalFleet}
