"""The words with which the library says what is known, each an enumeration with its sentence."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """What a certificate claims of a point; equal to its own string."""

    PROVED = "proved"
    CONDITIONAL = "conditional"
    MAJORITY = "majority"
    SADDLE = "saddle"
    OPEN = "open"

    @property
    def sentence(self) -> str:
        """What the word means."""
        return _LEVELS[self]


_LEVELS = {
    Level.PROVED: (
        "gradient and curvature of the honest workers' mean are within their tolerances, whoever "
        "the at most b liars are"
    ),
    Level.CONDITIONAL: (
        "gradient and curvature of the honest workers' mean are within their tolerances, if the "
        "named workers are among the liars"
    ),
    Level.MAJORITY: (
        "in every direction, more than half of the honest workers have a curvature within the "
        "tolerance"
    ),
    Level.SADDLE: "the honest workers' mean has negative curvature, whoever the liars are",
    Level.OPEN: "none of these is proved; the bracket is what is known",
}
