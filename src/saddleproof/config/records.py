"""What a checked configuration says, as data."""

from __future__ import annotations

from dataclasses import dataclass, field

from saddleproof import arguments
from saddleproof.config.imports import Imports
from saddleproof.config.members import Member
from saddleproof.errors import OptionError

#: Longest time limit, in seconds: thirty years. No clock of an engine takes much more.
LONGEST = 1e9


@dataclass(frozen=True)
class RunOptions:
    """The [run] table: what `saddleproof.minimize` is called with.

    Attributes:
        b: the most Byzantine workers that the server allows for.
        seed: for experiments; without it perturbations come from fresh entropy.
        max_rounds: budget of parallel iterations, at least 1.
        timeout: seconds that a round may take, at most `LONGEST`.
        checkpoint_every: rounds between two snapshots in the store.
        certify: end with a certificate.
    """

    b: int
    seed: int | None = None
    max_rounds: int = 1000
    timeout: float | None = None
    checkpoint_every: int = 1
    certify: bool = True

    def __post_init__(self) -> None:
        arguments.check_options(self)
        arguments.whole("b", self.b)
        arguments.whole("max_rounds", self.max_rounds, least=1)
        arguments.seconds("timeout", self.timeout)
        if self.timeout is not None and self.timeout > LONGEST:
            raise OptionError(f"timeout must be at most {LONGEST:g} seconds; got {self.timeout!r}")
        arguments.whole("checkpoint_every", self.checkpoint_every, least=1)


@dataclass(frozen=True)
class Liars:
    """Who lies, and how."""

    attack: Member
    members: tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """One row of a comparison: a trainer in a world.

    Attributes:
        label: names the trainer, which is an optimizer and a rule.
        world: names problem and attack, as far as the comparison varies them; else "".
        liars: None where every worker is honest.
    """

    label: str
    problem: Member
    liars: Liars | None
    optimizer: Member
    aggregator: Member
    world: str = ""

    @property
    def members(self) -> tuple[Member, ...]:
        """Problem, attack, optimizer and rule, each before the members inside of it."""
        attack = () if self.liars is None else (self.liars.attack,)
        chosen = (self.problem, *attack, self.optimizer, self.aggregator)
        return tuple(inner for member in chosen for inner in member.every())

    @property
    def outsiders(self) -> tuple[str, ...]:
        """The modules, none of ours, that make its members."""
        found = dict.fromkeys(str(member.make.__module__) for member in self.members)
        return tuple(module for module in found if module.partition(".")[0] != "saddleproof")


@dataclass(frozen=True)
class Config:
    """A configuration whose names and options have been checked.

    Attributes:
        text: the file as it was read.
        main: what `saddleproof run` runs.
        run: what it is called with.
        compare: the rows of a comparison, world by world; `main` alone unless given.
        imports: from where its members could come; what reads the text again needs it.
    """

    text: str
    main: Entry
    run: RunOptions
    compare: tuple[Entry, ...]
    imports: Imports = field(default_factory=Imports)
