"""A run, or a comparison, as a TOML file.

    [problem]                    # required; every other key is an option of the problem
    name = "pca_digits"
    workers = 20

    [attack]                     # optional: without it every worker is honest
    name = "saddle"
    members = 6                  # the first six workers, or a list of positions
    style = "push"

    [aggregator]                 # "median" unless given
    [optimizer]                  # "certified_pgd" unless given
    [run]                        # see RunOptions; b is required
    b = 6

    [[compare]]                  # for `saddleproof compare`: one row of the table each
    label = "robust gradient descent"
    optimizer = "gradient_descent"            # or a table: { name = "pgd", radius = 0.1 }; an
                                              # option `schedule` is a name or a table as well
    aggregator = "median"                     # the one above unless given

Names are those of `saddleproof list FAMILY`, or `package.module:Class` for members of your own.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saddleproof.errors import ConfigError
from saddleproof.runs.lines import Path as KeyPath
from saddleproof.runs.lines import nearest_line
from saddleproof.runs.members import TABLES, Member, find, flaw, parameters, suggest

SECTIONS = ("problem", "attack", "aggregator", "optimizer", "run", "compare")


@dataclass(frozen=True)
class RunOptions:
    """The [run] table: what `saddleproof.minimize` is called with.

    Attributes:
        b: the most Byzantine workers that the server allows for.
        seed: for experiments; without it perturbations come from fresh entropy.
        max_rounds: budget of parallel iterations.
        timeout: seconds that a round may take.
        checkpoint_every: rounds between two snapshots in the store.
        certify: spend one more round on a certificate.
    """

    b: int
    seed: int | None = None
    max_rounds: int = 1000
    timeout: float | None = None
    checkpoint_every: int = 1
    certify: bool = True


@dataclass(frozen=True)
class Entry:
    """One row of a comparison."""

    label: str
    optimizer: Member
    aggregator: Member


@dataclass(frozen=True)
class Config:
    """A configuration whose names and options have been checked.

    Attributes:
        text: the file as it was read.
        attack, members: who lies and how; None and () when nobody does.
        compare: the rows of a comparison, the main optimizer alone unless given.
    """

    text: str
    problem: Member
    attack: Member | None
    members: tuple[int, ...]
    aggregator: Member
    optimizer: Member
    run: RunOptions
    compare: tuple[Entry, ...]


def load(path: str | os.PathLike[str]) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file cannot be read, or `parse` refuses it.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    return parse(text, source=str(path))


def parse(text: str, source: str = "configuration") -> Config:
    """Check the text of a configuration.

    Raises:
        ConfigError: names the line, the table and the key, what was found, and what is valid.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}") from error
    return _Reader(text, source, tree).config()


@dataclass(frozen=True)
class _Reader:
    text: str
    source: str
    tree: Mapping[str, Any]

    def config(self) -> Config:
        self.known((), self.tree, SECTIONS)
        if "problem" not in self.tree:
            raise self.error((), "needs a [problem] table")
        attack = self.member("attack", beside=("members",)) if "attack" in self.tree else None
        aggregator = self.member("aggregator", default="median")
        optimizer = self.member("optimizer", default="certified_pgd")
        return Config(
            text=self.text,
            problem=self.member("problem"),
            attack=attack,
            members=() if attack is None else self.members(),
            aggregator=aggregator,
            optimizer=optimizer,
            run=self.run(),
            compare=self.entries(Entry(optimizer.name, optimizer, aggregator)),
        )

    def error(self, path: KeyPath, message: str) -> ConfigError:
        """The one form of all complaints: file, line, table and key, message."""
        line = nearest_line(self.text, path)
        place = self.source if line is None else f"{self.source}, line {line}"
        return ConfigError(": ".join(part for part in (place, _spelled(path), message) if part))

    def known(self, path: KeyPath, table: Any, valid: tuple[str, ...]) -> None:
        if not isinstance(table, Mapping):
            raise self.error(path, f"needs a table; got {table!r}")
        for key in table:
            if key not in valid:
                raise self.error((*path, key), f"unknown key; {suggest(key, valid)}")

    def member(
        self, *path: str | int, default: str | None = None, beside: tuple[str, ...] = ()
    ) -> Member:
        """The member at `path`, whose last key is its family."""
        family = str(path[-1])
        spec = self.at(path, {} if default is None else {"name": default})
        spec = {"name": spec} if isinstance(spec, str) else spec
        if not isinstance(spec, Mapping):
            raise self.error(path, f"needs a name or a table; got {spec!r}")
        name = spec.get("name", default)
        if not isinstance(name, str):
            raise self.error(path, f"needs a name, a string; got {name!r}")
        try:
            make = find(family, name)
        except ConfigError as error:
            raise self.error((*path, "name"), str(error)) from error
        self.known(path, spec, ("name", *beside, *parameters(make)))
        options = {key: spec[key] for key in spec if key not in ("name", *beside)}
        for key, value in options.items():
            if key in TABLES:
                options[key] = self.member(*path, key)
            elif wrong := flaw(make, key, value):
                raise self.error((*path, key), wrong)
        return Member(name, make, options, lambda message: self.error(path, message))

    def members(self) -> tuple[int, ...]:
        """Positions of the liars: the first k workers, or a list."""
        given = self.tree["attack"].get("members")
        if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
            return tuple(range(given))
        if isinstance(given, list) and all(type(i) is int and i >= 0 for i in given):
            return tuple(given)
        path = ("attack", "members")
        raise self.error(path, f"needs a number of workers, or a list of positions; got {given!r}")

    def run(self) -> RunOptions:
        table = self.tree.get("run", {})
        self.known(("run",), table, tuple(f.name for f in dataclasses.fields(RunOptions)))
        for key, value in table.items():
            if wrong := flaw(RunOptions, key, value):
                raise self.error(("run", key), wrong)
        if "b" not in table:
            raise self.error(("run", "b"), "is missing: the most Byzantine workers you expect")
        options = RunOptions(**table)
        if options.checkpoint_every < 1:
            raise self.error(("run", "checkpoint_every"), "needs 1 or more")
        return options

    def entries(self, main: Entry) -> tuple[Entry, ...]:
        rows = self.tree.get("compare", [])
        if not isinstance(rows, list):
            raise self.error(("compare",), "is an array of tables: write [[compare]]")
        entries = tuple(self.entry(i, row, main) for i, row in enumerate(rows)) or (main,)
        labels = [entry.label for entry in entries]
        for i, label in enumerate(labels):
            if label in labels[:i]:
                raise self.error(("compare", i, "label"), f"{label!r} is there twice")
        return entries

    def entry(self, i: int, row: Any, main: Entry) -> Entry:
        path = ("compare", i)
        self.known(path, row, ("label", "optimizer", "aggregator"))
        chosen = {
            family: self.member(*path, family) if family in row else getattr(main, family)
            for family in ("optimizer", "aggregator")
        }
        label = row.get("label", " + ".join(member.name for member in chosen.values()))
        if not isinstance(label, str):
            raise self.error((*path, "label"), f"needs a string; got {label!r}")
        return Entry(label, **chosen)

    def at(self, path: KeyPath, default: Any) -> Any:
        found: Any = self.tree
        for key in path:
            if isinstance(found, Mapping) and key not in found:
                return default
            found = found[key]
        return found


def _spelled(path: KeyPath) -> str:
    """A path as people say it.

    >>> _spelled(("run", "b")), _spelled(("compare", 1, "label")), _spelled(("attak",))
    ('[run] b', '[[compare]] number 2, label', '[attak]')
    """
    if not path:
        return ""
    if len(path) > 1 and isinstance(path[1], int):
        keys = ".".join(map(str, path[2:]))
        return f"[[{path[0]}]] number {path[1] + 1}" + (f", {keys}" if keys else "")
    keys = ".".join(map(str, path[1:]))
    return f"[{path[0]}]" + (f" {keys}" if keys else "")
