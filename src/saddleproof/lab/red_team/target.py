"""The trainer and the world of a configuration, under any attack."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import tomli_w

from saddleproof.attacks.labels import has_labels
from saddleproof.config.imports import Imports
from saddleproof.config.members import find, parameters
from saddleproof.config.parse import load, parse
from saddleproof.config.records import Config
from saddleproof.config.setup import build, first_warnings
from saddleproof.errors import ConfigError, OptionError
from saddleproof.lab.handed import foreign
from saddleproof.lab.red_team.outcomes import REFUSED, Observer, Outcome, judged
from saddleproof.lab.red_team.space import Space
from saddleproof.questions import Gradients, Question

#: What a search replaces or has no use for.
_DROPPED = ("attack", "compare", "grid")
#: Rounds of the trial run that tells whether the configuration can be run, and what it asks for.
_TRIAL = 3


@dataclass(frozen=True)
class Target:
    """A configuration without its attack.

    Attributes:
        tree: its tables.
        members: the liars: a number, or a list of positions.
        space: the attacks that make sense against it.
        imports: from where its members may come.
        files: digests of what in it is not of this library (`saddleproof.lab.handed`).
    """

    tree: dict[str, Any]
    members: Any
    space: Space
    imports: Imports = field(default_factory=Imports, repr=False)
    files: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: str | os.PathLike[str], allow: Sequence[str] = ()) -> Target:
        """From the path of a configuration file, or from its text (which has line breaks).

        Args:
            config: one of them.
            allow: modules of which it may import members.

        Raises:
            ConfigError: it cannot be run, or its problem has no known saddle.
            OptionError: its optimizer and its rule do not go together.
        """
        is_text = isinstance(config, str) and "\n" in config
        if is_text:
            checked = parse(str(config), imports=Imports(tuple(allow)))
        else:
            checked = load(Path(config), allow)
        tree = tomllib.loads(checked.text)
        if "problem" not in tree:
            raise ConfigError("a red team needs one problem: a [problem] table")
        attack = tree.get("attack")
        members = attack.get("members") if isinstance(attack, dict) else None
        target = cls(
            {key: value for key, value in tree.items() if key not in _DROPPED},
            checked.run.b if members is None else members,
            Space(checked.run.max_rounds),
            checked.imports,
            tuple(foreign(checked.main.members)),
        )
        setup = build(_parsed(tomli_w.dumps(target.tree), target.imports), seed=0)
        if not hasattr(setup.problem, "left_saddle"):
            raise ConfigError("a red team needs a problem with a known saddle")
        short, heard = replace(setup.options, max_rounds=_TRIAL), _Heard(setup.fleet)
        with first_warnings():
            replace(setup, fleet=heard, options=short).minimize()
        space = replace(
            target.space,
            labelled=has_labels(setup.problem),
            valued=bool(getattr(setup.optimizer, "needs_values", False)),
            asked=heard.asked,
        )
        return replace(target, space=space)

    def text(self, attack: dict[str, Any], seed: int | None = None) -> str:
        """The configuration, as TOML, in which this is the attack.

        Args:
            attack: its table.
            seed: where given, of the data, of the server and of the liars.
        """
        tree = {**self.tree, "attack": {"name": attack["name"], "members": self.members, **attack}}
        if seed is not None:
            tree["run"] = {**tree["run"], "seed": seed}
            tree["problem"] = _seeded("problem", tree["problem"], seed, self.imports)
            tree["attack"] = _seeded("attack", tree["attack"], seed, self.imports)
        return tomli_w.dumps(tree)

    def run(self, attack: dict[str, Any], seed: int) -> Outcome:
        """One run with this seed of the data, of the server and of the liars."""
        config = _parsed(self.text(attack), self.imports)
        with first_warnings():
            setup, observer = build(config, seed=seed), Observer()
            try:
                result = setup.minimize(callback=observer)
            except OptionError:  # the problem does not know what this attack needs to know
                return Outcome(True, False, False, 0.0, 0.0, REFUSED)
        liars = () if config.main.liars is None else config.main.liars.members
        return judged(setup, result, observer, liars)


class _Heard:
    """A fleet that notes whether it is asked for anything but gradients."""

    def __init__(self, fleet: Any) -> None:
        self._fleet = fleet
        self.asked = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fleet, name)

    def ask(self, question: Question, **other: Any) -> Any:
        """Pass the question on."""
        self.asked = self.asked or not isinstance(question, Gradients)
        return self._fleet.ask(question, **other)


@lru_cache(maxsize=8)
def _parsed(text: str, imports: Imports) -> Config:
    return parse(text, imports=imports)


def _seeded(family: str, spec: Any, seed: int, imports: Imports) -> dict[str, Any]:
    """A member's table with this seed wherever it, or an attack inside it, takes one."""
    table = {"name": spec} if isinstance(spec, str) else dict(spec)
    for inner in ("attack", "otherwise", "gradients"):
        if inner in table:
            table[inner] = _seeded("attack", table[inner], seed, imports)
    takes = "seed" in parameters(find(family, table["name"], imports))
    return {**table, "seed": seed} if takes else table
