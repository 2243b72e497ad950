"""A run, or a comparison, as a TOML file.

    [problem]                    # required; every other key is an option of the problem
    name = "pca_digits"
    workers = 20

    [attack]                     # without it, or with the name "none", every worker is honest
    name = "saddle"
    members = 6                  # the first six workers, or a list of positions; the first b
    style = "push"               # unless given

    [aggregator]                 # "median" unless given
    [optimizer]                  # "certified_pgd" unless given
    [run]                        # see RunOptions; b is required
    b = 6

    [[compare]]                  # for `saddleproof compare`: one trainer each
    label = "robust gradient descent"
    optimizer = "gradient_descent"            # or a table: { name = "pgd", radius = 0.1 }
    aggregator = "median"                     # the one above unless given

    [grid]                       # for `saddleproof compare`: every combination of the lists; each
    problem = ["tensor", { name = "rotated_quartic", d = 20 }]    # stands in for the table above
    attack = ["none", { name = "saddle", style = "hold", label = "held" }]
    optimizer = ["gradient_descent", "certified_pgd"]             # or [[compare]], crossed with
    aggregator = ["median", "trimmed_mean"]                       # the problems and attacks

Names are those of `saddleproof list FAMILY`, or `package.module:Class` for members of your own,
from modules in the file's folder and from those that are allowed (`saddleproof.config.imports`). An
option that is a member itself (`schedule`, `attack`, and `rule` of a pre-aggregation) is a name or
a table as well: `aggregator = { name = "nearest_neighbor_mixing", rule = "krum" }`.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from saddleproof.arguments import flaw
from saddleproof.config.grid import TRAINER, WORLD, Axes, Choice, Trainer, cross, pairs
from saddleproof.config.imports import Imports
from saddleproof.config.lines import Path as KeyPath
from saddleproof.config.reading import Reader
from saddleproof.config.records import Config, Entry, Liars, RunOptions
from saddleproof.config.source import Source, read
from saddleproof.errors import OptionError

SECTIONS = ("problem", "attack", "aggregator", "optimizer", "run", "compare", "grid")
#: The name of the attack that is none.
HONEST = "none"
#: Members of the families that need not be named.
DEFAULTS = {"aggregator": "median", "optimizer": "certified_pgd"}
#: Most liars that `members` may count: a list of them is made.
MOST_MEMBERS = 1_000_000


def load(path: str | os.PathLike[str], allow: Sequence[str] = ()) -> Config:
    """Read and check a configuration file.

    Args:
        path: of the file.
        allow: modules of which it may import members, beside those in its own folder.

    Raises:
        ConfigError: the file cannot be read, or `parse` refuses it.
        OptionError: `allow` has a name that no module can have.
    """
    return parse(read(path), os.fspath(path), Imports.beside(path, allow))


def parse(text: str, source: str = "configuration", imports: Imports | None = None) -> Config:
    """Check the text of a configuration.

    Args:
        text: TOML.
        source: what complaints call it.
        imports: from where it may take members of one's own; from saddleproof alone unless given.

    Raises:
        ConfigError: one line that names the line, the table and the key, what was found, and what
            is valid.
    """
    return _Reader(Source.of(text, source), imports or Imports()).config()


class _Reader(Reader):
    def config(self) -> Config:
        if "benchmark" in self.tree:
            raise self.error(("benchmark",), "is a benchmark: use `saddleproof benchmark`")
        self.known((), self.tree, SECTIONS)
        grid = self.tree.get("grid", {})
        self.known(("grid",), grid, (*WORLD, *TRAINER))
        if "problem" not in self.tree and "problem" not in grid:
            raise self.error((), "needs a [problem] table")
        run = self.run()
        axes = {family: self.axis(family, run.b) for family in grid}
        main = Entry("", *(self.chosen(family, axes, run.b) for family in (*WORLD, *TRAINER)))
        main = replace(main, label=main.optimizer.name)
        rows = tuple(cross(main, axes, self.trainers(main, axes)))
        count = Counter((row.world, row.label) for row in rows)
        if twice := [f"{world} {label}".strip() for (world, label), n in count.items() if n > 1]:
            raise self.error(("grid",), f"two rows are called {twice[0]!r}: give labels")
        return Config(self.source.text, main, run, rows, self.imports)

    def chosen(self, family: str, axes: Axes, b: int) -> Any:
        """The family's own table, or else the first of its list in the grid, or its default."""
        if family in axes and family not in self.tree:
            return axes[family][0].part
        return self.choice((family,), family, b).part

    def choice(self, path: KeyPath, family: str, b: int) -> Choice:
        """What stands at `path`, and what a table of results calls it."""
        if family != "attack":
            member = self.member(path, family, DEFAULTS.get(family), beside=("label",))
            return Choice(self.named(path, member), member)
        if self.at(path, HONEST) in (HONEST, {"name": HONEST}):
            return Choice("no liars", None)
        member = self.member(path, family, beside=("members", "label"))
        return Choice(self.named(path, member), Liars(member, self.members(path, b)))

    def members(self, path: KeyPath, b: int) -> tuple[int, ...]:
        """Positions of the liars: the first k workers, or a list; the first b unless given."""
        given = self.at((*path, "members"), b)
        if type(given) is int and 0 <= given <= MOST_MEMBERS:
            return tuple(range(given))
        if isinstance(given, list) and all(type(i) is int and i >= 0 for i in given):
            return tuple(given)
        raise self.error(
            (*path, "members"),
            f"needs a number of workers, at most {MOST_MEMBERS}, or a list of positions; "
            f"got {given!r}",
        )

    def run(self) -> RunOptions:
        table = self.tree.get("run", {})
        self.known(("run",), table, tuple(f.name for f in dataclasses.fields(RunOptions)))
        if "b" not in table:
            raise self.error(("run", "b"), "is missing: the most Byzantine workers you expect")
        for key in table:  # one by one, so that the complaint stands at its line
            if wrong := flaw(RunOptions, key, table[key]):
                raise self.error(("run", key), wrong)
            try:
                RunOptions(**{"b": 0, key: table[key]})
            except OptionError as error:
                raise self.error(("run", key), str(error)) from error
        return RunOptions(**table)

    def axis(self, family: str, b: int) -> tuple[Choice, ...]:
        """A list of the grid."""
        path = ("grid", family)
        listed = self.at(path, ())
        if not isinstance(listed, list) or not listed:
            raise self.error(path, f"needs a list of names and tables; got {listed!r}")
        choices = tuple(self.choice((*path, i), family, b) for i in range(len(listed)))
        self.distinct(path, [choice.label for choice in choices])
        return choices

    def trainers(self, main: Entry, axes: Axes) -> list[Trainer]:
        """Those of [[compare]], or of the grid, or the main one."""
        given = self.tree.get("compare", [])
        if not isinstance(given, list):
            raise self.error(("compare",), "is an array of tables: write [[compare]]")
        varied = [family for family in TRAINER if family in axes]
        if given and varied:
            raise self.error(
                ("grid", varied[0]), "stands in [[compare]] here; let [grid] vary the rest"
            )
        if not given:
            return pairs(main, axes) if varied else [Trainer(main.label, {})]
        trainers = [self.trainer(i, row, main) for i, row in enumerate(given)]
        self.distinct(("compare",), [trainer.label for trainer in trainers], "label")
        return trainers

    def trainer(self, i: int, row: Any, main: Entry) -> Trainer:
        path = ("compare", i)
        self.known(path, row, ("label", *TRAINER))
        parts = {
            family: self.member((*path, family), family) if family in row else getattr(main, family)
            for family in TRAINER
        }
        label = row.get("label", "")
        if not isinstance(label, str):
            raise self.error((*path, "label"), f"needs a string; got {label!r}")
        return Trainer(label or " + ".join(member.name for member in parts.values()), parts)
