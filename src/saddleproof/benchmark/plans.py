"""What a benchmark runs: cells of data, model, split, b, attack and rule, and their training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from saddleproof import arguments
from saddleproof.config.members import Member
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class Training:
    """The [training] table: what `saddleproof.torch.fit` is called with.

    Attributes:
        rounds: parallel iterations, at least 1.
        batch_size: rows that each worker draws in a round, at least 1; "all" takes all.
        lr: the learning rate, above 0.
        momentum: of each worker, in [0, 1).
        local_steps: SGD steps of every worker in a round, at least 1.
        evaluate_every: rounds from one evaluation on the test rows to the next.
        certify: end every run with a certificate.
    """

    rounds: int = 100
    batch_size: int | str = 32
    lr: float = 0.25
    momentum: float = 0.9
    local_steps: int = 1
    evaluate_every: int = 25
    certify: bool = False

    def __post_init__(self) -> None:
        arguments.check_options(self)
        for name in ("rounds", "local_steps", "evaluate_every"):
            arguments.whole(name, getattr(self, name), least=1)
        if self.batch_size != "all":
            if isinstance(self.batch_size, str):
                raise OptionError(
                    f'batch_size is a number of rows or "all"; got {self.batch_size!r}'
                )
            arguments.whole("batch_size", self.batch_size, least=1)
        arguments.real("lr", self.lr, above=0)
        if not 0 <= arguments.real("momentum", self.momentum) < 1:
            raise OptionError(f"momentum must be in [0, 1); got {self.momentum}")

    @property
    def options(self) -> dict[str, Any]:
        """The keywords of `fit`."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return own | {"batch_size": None if self.batch_size == "all" else self.batch_size}


@dataclass(frozen=True)
class Cell:
    """One combination, of which there is a run for every seed.

    Attributes:
        labels: what tables call data, model, split, attack and rule.
        data, model, split, rule: not yet built.
        attack: None where every worker is honest.
        b: the most liars that the server allows for, and how many there are under an attack.
    """

    labels: Mapping[str, str]
    data: Member
    model: Member
    split: Member
    attack: Member | None
    rule: Member
    b: int

    @property
    def block(self) -> tuple[str, str, str, int]:
        """Data, model, split and b: what one table shows."""
        return (self.labels["data"], self.labels["model"], self.labels["split"], self.b)

    @property
    def world(self) -> tuple[str, str, str, int, str]:
        """The same, and the attack: one row of the table."""
        return (*self.block, self.labels["attack"])

    @property
    def name(self) -> str:
        """All of it on one line."""
        data, model, split, b, attack = self.world
        return f"{data}, {model}, {split}, b={b}, {attack}: {self.labels['rule']}"

    @property
    def members(self) -> tuple[Member, ...]:
        """Everything that is to be built, members inside of members too."""
        attack = () if self.attack is None else (self.attack,)
        chosen = (self.data, self.model, self.split, *attack, self.rule)
        return tuple(inner for member in chosen for inner in member.every())


def cell_of(parts: Sequence[tuple[str, Member | None]], b: int) -> Cell:
    """A cell, from the labels and members of data, model, split, attack and rule."""
    named = dict(zip(("data", "model", "split", "attack", "rule"), parts, strict=True))
    members: dict[str, Any] = {name: member for name, (_, member) in named.items()}
    return Cell({name: label for name, (label, _) in named.items()}, b=b, **members)


def where(block: tuple[str, str, str, int]) -> str:
    """The heading of a table."""
    data, model, split, b = block
    return f"{data}, {model}, {split}, b={b}"


@dataclass(frozen=True)
class Plan:
    """A benchmark that has been checked.

    Attributes:
        cells: block by block, in each the attacks, in each the rules.
        workers: m.
        seeds: of the runs.
        test: the share of rows that no worker has.
        training: how every cell is trained.
        text: the configuration as it was read; "" of one that was made in Python.
        imports: from where its members could come.
    """

    cells: tuple[Cell, ...]
    workers: int
    seeds: tuple[int, ...]
    test: float
    training: Training
    text: str = ""
    imports: Any = field(default=None, compare=False)
