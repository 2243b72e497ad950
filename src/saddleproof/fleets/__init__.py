"""Who computes: a `Fleet` broadcasts query points and gathers `Messages`."""

from saddleproof.fleets.base import Announcement, Fleet, Messages, collect
from saddleproof.fleets.local import LocalFleet

__all__ = ["Announcement", "Fleet", "LocalFleet", "Messages", "collect"]
