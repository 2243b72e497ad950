"""The words with which the library says what is known, each an enumeration with its sentence."""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    """How a run ended; equal to its own string."""

    SECOND_ORDER = "second_order"
    CONDITIONAL = "conditional"
    SADDLE = "saddle"
    OPEN = "open"
    NO_ESCAPE_FOUND = "no_escape_found"
    STATIONARY = "stationary"
    UNRESOLVED = "unresolved"
    BUDGET = "budget"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    TOO_FEW_WORKERS = "too_few_workers"
    DIVERGED = "diverged"

    @property
    def sentence(self) -> str:
        """What the word means."""
        return _ENDINGS[self]

    @property
    def resumable(self) -> bool:
        """Whether the run stays open: a resume may finish it under the same budget."""
        return self in (Ending.INTERRUPTED, Ending.TOO_FEW_WORKERS)

    @property
    def certifiable(self) -> bool:
        """Whether workers and point are in a state in which a certificate can be asked for."""
        return not self.resumable and self is not Ending.DIVERGED

    @property
    def follows_certificate(self) -> bool:
        """Whether the level of a certificate, where there is one, replaces this ending."""
        return self is Ending.NO_ESCAPE_FOUND or self in (
            *_ENDINGS_OF_LEVELS.values(),
            Ending.OPEN,
        )


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

    @property
    def ending(self) -> Ending:
        """How a run ends that stops by itself at a point of this level."""
        return _ENDINGS_OF_LEVELS.get(self, Ending.OPEN)


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

_ENDINGS_OF_LEVELS = {
    Level.PROVED: Ending.SECOND_ORDER,
    Level.CONDITIONAL: Ending.CONDITIONAL,
    Level.SADDLE: Ending.SADDLE,
}

_ENDINGS = {
    Ending.SECOND_ORDER: (
        "the point is proved to be an approximate second-order stationary point of the honest "
        "workers' mean (level proved), or the theorem of the schedule promises one"
    ),
    Ending.CONDITIONAL: "the same is proved, if the workers that the certificate names are liars",
    Ending.SADDLE: "the honest workers' mean is proved to have negative curvature at the point",
    Ending.OPEN: "neither a minimum nor a saddle point is proved; the certificate says why",
    Ending.NO_ESCAPE_FOUND: "the optimizer's own search found no way down; nothing is proved",
    Ending.STATIONARY: "the gradient or the step is within the optimizer's own tolerance",
    Ending.UNRESOLVED: "the answers are too inexact, or too far from finite, to test the point",
    Ending.BUDGET: "the budget of rounds or of escapes is spent",
    Ending.STOPPED: "the callback stopped the run, or progress was overdue",
    Ending.INTERRUPTED: "Ctrl-C, or another signal to stop",
    Ending.TOO_FEW_WORKERS: "the workers that were heard are too few for b liars among them",
    Ending.DIVERGED: "the gradient at the current point overflows",
}
