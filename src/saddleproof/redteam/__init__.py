"""Search for the attack that traps a trainer, and replay it: `saddleproof redteam`."""

from saddleproof.redteam.findings import Attempt, Findings
from saddleproof.redteam.search import redteam

__all__ = ["Attempt", "Findings", "redteam"]
