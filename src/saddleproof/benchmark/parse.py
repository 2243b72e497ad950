"""A benchmark as a TOML file.

    [benchmark]
    data = ["digits", { name = "topics", rows = 3000 }]      # a name, a table, or a list of them
    models = ["linear", { name = "mlp", hidden = 32 }]       # "linear" unless given
    splits = ["iid", { name = "dirichlet", alpha = 0.3 }]    # "iid" unless given
    rules = ["mean", "median", { name = "nearest_neighbor_mixing", label = "NNM" }]
    attacks = ["none", "sign_flip"]                          # "none" unless given
    liars = [2, 4]                                           # b, one or several
    workers = 20                                             # m
    seeds = 5                                                # 0 to 4; or a list of seeds
    test = 0.2                                               # the share of rows that no worker has

    [training]                                               # see `Training`
    rounds = 100

Every combination is a cell. With b = 0 only the attack "none" makes one. Names are those of
`saddleproof list rules` and of `saddleproof.benchmark`, or `package.module:name`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from saddleproof.arguments import flaw, suggest
from saddleproof.benchmark import dividing, models
from saddleproof.benchmark.data import DATA
from saddleproof.benchmark.plans import Cell, Plan, Training, cell_of
from saddleproof.config.imports import Imports
from saddleproof.config.lines import Path as KeyPath
from saddleproof.config.members import Member, find, parameters
from saddleproof.config.parse import HONEST
from saddleproof.config.reading import Reader
from saddleproof.config.source import Source, read
from saddleproof.errors import ConfigError, OptionError

SECTIONS = ("benchmark", "training")
#: Key of [benchmark] to the family of its members, and what stands there unless given.
LISTS: dict[str, tuple[str, str | None]] = {
    "data": ("data", None),
    "models": ("model", "linear"),
    "splits": ("split", "iid"),
    "attacks": ("attack", HONEST),
    "rules": ("aggregator", None),
}
KEYS = (*LISTS, "liars", "workers", "seeds", "test")
#: Families that the benchmark has of its own: names, and what it tells their members itself.
OWN: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "data": (DATA, ()),
    "model": (models.MODELS, models.SUPPLIED),
    "split": (dividing.SPLITS, dividing.SUPPLIED),
}
#: Most workers, seeds and cells: all of them are listed.
MOST = 100_000


def load(path: str | os.PathLike[str], allow: Sequence[str] = ()) -> Plan:
    """Read and check a benchmark file.

    Args:
        path: of the file.
        allow: modules of which it may import members, beside those in its own folder.

    Raises:
        ConfigError: the file cannot be read, or `parse` refuses it.
        OptionError: `allow` has a name that no module can have.
    """
    return parse(read(path), os.fspath(path), Imports.beside(path, allow))


def parse(text: str, source: str = "benchmark", imports: Imports | None = None) -> Plan:
    """Check the text of a benchmark; nothing of it is run.

    Args:
        text: TOML.
        source: what complaints call it.
        imports: from where it may take members of one's own; from saddleproof alone unless given.

    Raises:
        ConfigError: one line that names the line, the table and the key, what was found, and what
            is valid.
    """
    return _Reader(Source.of(text, source), imports or Imports()).plan()


class _Reader(Reader):
    def plan(self) -> Plan:
        if "benchmark" not in self.tree:
            raise self.error((), "needs a [benchmark] table")
        self.known((), self.tree, SECTIONS)
        self.known(("benchmark",), self.tree["benchmark"], KEYS)
        lists = {key: self.listed(key) for key in LISTS}
        workers = self.whole("workers", 20, least=1)
        liars = self.numbers("liars", least=0)
        if too_many := [b for b in liars if b >= workers]:
            raise self.error(
                ("benchmark", "liars"), f"must be less than workers = {workers}; got {too_many[0]}"
            )
        cells = tuple(self.cells(lists, liars))
        if not cells:
            said = f'no liars and no attack "{HONEST}" leave no cell'
            raise self.error(("benchmark", "liars"), said)
        return Plan(
            cells, workers, self.seeds(), self.test(), self.training(), self.source.text,
            self.imports,
        )  # fmt: skip

    def cells(
        self, lists: dict[str, list[tuple[str, Member | None]]], liars: Sequence[int]
    ) -> Iterator[Cell]:
        count = len(liars)
        for listed in lists.values():
            count *= len(listed)
        if count > MOST:
            raise self.error(("benchmark",), f"has {count} cells; at most {MOST} can be run")
        for data, model, split, b, attack, rule in product(
            lists["data"], lists["models"], lists["splits"], liars, lists["attacks"], lists["rules"]
        ):
            if b == 0 and attack[1] is not None:
                continue
            yield cell_of((data, model, split, attack, rule), b)

    def listed(self, key: str) -> list[tuple[str, Member | None]]:
        """The members of a list with their labels; None for no attack."""
        family, default = LISTS[key]
        path: KeyPath = ("benchmark", key)
        given = self.at(path, default)
        if given is None:
            raise self.error(path, "is missing: a name, a table, or a list of them")
        if isinstance(given, list) and not given:
            raise self.error(path, "needs at least one name or table; got []")
        paths = [(*path, i) for i in range(len(given))] if isinstance(given, list) else [path]
        found = [self.choice(one, family, default) for one in paths]
        self.distinct(path, [label for label, _ in found])
        return found

    def choice(self, path: KeyPath, family: str, default: str | None) -> tuple[str, Member | None]:
        if family == "attack" and self.at(path, default) in (HONEST, {"name": HONEST}):
            return HONEST, None
        member = self.member(path, family, default, beside=("label",))
        return self.named(path, member), member

    def found(self, family: str, name: str) -> Any:
        if family in OWN and ":" in name:
            found = self.imports.load(name)
            try:
                parameters(found)
            except (TypeError, ValueError) as error:  # written in C
                raise ConfigError(f"{name!r} does not say which options it takes") from error
            return found
        return named(family, name, self.imports)

    def options(self, family: str, make: Any) -> tuple[str, ...]:
        _, supplied = OWN.get(family, ({}, ()))
        return tuple(name for name in super().options(family, make) if name not in supplied)

    def whole(self, key: str, default: int, *, least: int) -> int:
        value = self.at(("benchmark", key), default)
        if type(value) is not int or not least <= value <= MOST:
            raise self.error(
                ("benchmark", key), f"needs a whole number from {least} to {MOST}; got {value!r}"
            )
        return value

    def numbers(self, key: str, *, least: int) -> tuple[int, ...]:
        """A whole number, or a list of different ones."""
        path = ("benchmark", key)
        given = self.at(path, None)
        listed = given if isinstance(given, list) else [given]
        good = all(type(value) is int and value >= least for value in listed)
        if not listed or not good or len(set(listed)) < len(listed):
            raise self.error(
                path, f"needs a whole number of at least {least}, or a list of different ones; "
                + ("it is missing" if given is None else f"got {given!r}"),
            )  # fmt: skip
        return tuple(listed)

    def seeds(self) -> tuple[int, ...]:
        given = self.at(("benchmark", "seeds"), 5)
        if isinstance(given, list):
            return self.numbers("seeds", least=0)
        return tuple(range(self.whole("seeds", 5, least=1)))

    def test(self) -> float:
        share = self.at(("benchmark", "test"), 0.2)
        if type(share) is not float or not 0 < share < 1:
            raise self.error(("benchmark", "test"), f"needs a share between 0 and 1; got {share!r}")
        return share

    def training(self) -> Training:
        table = self.tree.get("training", {})
        self.known(("training",), table, tuple(f.name for f in dataclasses.fields(Training)))
        for key in table:  # one by one, so that the complaint stands at its line
            if wrong := flaw(Training, key, table[key]):
                raise self.error(("training", key), wrong)
            try:
                Training(**{key: table[key]})
            except OptionError as error:
                raise self.error(("training", key), str(error)) from error
        return Training(**table)


def named(family: str, name: str, imports: Imports | None = None) -> Any:
    """What makes the member of that name.

    Raises:
        ConfigError: there is none, and the message lists the nearest names.
    """
    if family not in OWN:
        return find(family, name, imports)
    table, _ = OWN[family]
    if name not in table:
        raise ConfigError(f"no {family} is called {name!r}; {suggest(name, table)}")
    return table[name]
