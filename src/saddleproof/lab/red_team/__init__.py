"""Search for the attack that traps a trainer, and replay it: `saddleproof redteam`."""

from saddleproof.lab.red_team.findings import Attempt, Findings
from saddleproof.lab.red_team.search import redteam

__all__ = ["Attempt", "Findings", "redteam"]
