"""What callers hand in, checked once, at the door: before any worker is asked.

    numbers.py    b, seeds, budgets and timeouts, sizes, answers of a callback
    roster.py     who lies: positions, or names
    members.py    rules, optimizers, attacks, fleets: an instance of the right family
    options.py    the options of a frozen dataclass, by its own annotations

Every check hands back what it accepted, as the plain Python number that it stands for. Every
refusal says what was given, what is needed and what to write instead.
"""

from saddleproof.arguments.members import (
    FAMILIES,
    aggregator,
    attack,
    member,
    optimizer,
    suggest,
    workers,
)
from saddleproof.arguments.numbers import (
    Seed,
    callback,
    flag,
    is_real,
    liars,
    place,
    real,
    seconds,
    seed_number,
    seed_of,
    stops,
    whole,
)
from saddleproof.arguments.options import check_options, flaw
from saddleproof.arguments.roster import roster_positions

__all__ = [
    "FAMILIES",
    "Seed",
    "aggregator",
    "attack",
    "callback",
    "check_options",
    "flag",
    "flaw",
    "is_real",
    "liars",
    "member",
    "optimizer",
    "place",
    "real",
    "roster_positions",
    "seconds",
    "seed_number",
    "seed_of",
    "stops",
    "suggest",
    "whole",
    "workers",
]
