"""Every trainer in every world: the rows of a comparison from the lists of a grid.

A world is a problem and an attack; a trainer is an optimizer and a rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from saddleproof.config.records import Entry

WORLD, TRAINER = ("problem", "attack"), ("optimizer", "aggregator")


@dataclass(frozen=True)
class Choice:
    """A problem, liars (or None), an optimizer or a rule, and what tables call it."""

    label: str
    part: Any


#: Family to its list in the grid.
Axes = Mapping[str, tuple[Choice, ...]]


@dataclass(frozen=True)
class Trainer:
    """What an entry replaces of the main one: optimizer and rule by family, and their label."""

    label: str
    parts: Mapping[str, Any]


def pairs(main: Entry, axes: Axes) -> list[Trainer]:
    """Every optimizer with every rule; `main`'s own where the grid has no list of them."""
    own = {family: getattr(main, family) for family in TRAINER}
    lists = (axes.get(family, (Choice(own[family].spelled, own[family]),)) for family in TRAINER)
    return [
        Trainer(
            f"{one.label} + {other.label}", dict(zip(TRAINER, (one.part, other.part), strict=True))
        )
        for one, other in product(*lists)
    ]


def cross(main: Entry, axes: Axes, trainers: Sequence[Trainer]) -> Iterator[Entry]:
    """World by world, the attacks of a problem after each other; all trainers in each."""
    own = (Choice("", main.problem), Choice("", main.liars))
    worlds = [axes.get(family, (mine,)) for family, mine in zip(WORLD, own, strict=True)]
    for problem, liars in product(*worlds):
        named = [
            choice.label
            for choice, axis in zip((problem, liars), worlds, strict=True)
            if len(axis) > 1
        ]
        world = replace(main, problem=problem.part, liars=liars.part, world=", ".join(named))
        for trainer in trainers:
            yield replace(world, label=trainer.label, **trainer.parts)
