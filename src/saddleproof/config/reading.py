"""From one place of a configuration to a member, and the complaint about that place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saddleproof.arguments import flaw, suggest
from saddleproof.config.imports import Imports
from saddleproof.config.lines import Path as KeyPath
from saddleproof.config.members import MEMBER_OPTIONS, Member, find, parameters
from saddleproof.config.source import Source
from saddleproof.errors import ConfigError


@dataclass(frozen=True)
class Complaint:
    """Makes errors about one place of a text. It can be sent to another process.

    Attributes:
        source: the text.
        path: the place.
    """

    source: Source
    path: KeyPath

    def __call__(self, said: str, *keys: str) -> ConfigError:
        """The error about this place, or about a key of it."""
        return self.source.error((*self.path, *keys), said)


@dataclass(frozen=True)
class Reader:
    """What every kind of configuration is read with.

    Attributes:
        source: its text.
        imports: from where members of one's own may come.
    """

    source: Source
    imports: Imports

    @property
    def tree(self) -> Mapping[str, Any]:
        """All tables."""
        return self.source.tree

    def error(self, path: KeyPath, message: str) -> ConfigError:
        """An error about a place, to be raised."""
        return self.source.error(path, message)

    def at(self, path: KeyPath, default: Any) -> Any:
        """What stands at a place, or the default."""
        return self.source.at(path, default)

    def known(self, path: KeyPath, table: Any, valid: tuple[str, ...]) -> None:
        """Refuse what is no table, and keys that are not valid."""
        if not isinstance(table, Mapping):
            raise self.error(path, f"needs a table; got {table!r}")
        for key in table:
            if key not in valid:
                raise self.error((*path, key), f"unknown key; {suggest(key, valid)}")

    def named(self, path: KeyPath, member: Member) -> str:
        """The label of a member, or else its name and options."""
        spec = self.at(path, None)
        label = spec.get("label") if isinstance(spec, Mapping) else None
        if label is not None and not isinstance(label, str):
            raise self.error((*path, "label"), f"needs a string; got {label!r}")
        return label or member.spelled

    def found(self, family: str, name: str) -> Any:
        """What makes the member of that name.

        Raises:
            ConfigError: there is none, without the place.
        """
        return find(family, name, self.imports)

    def options(self, family: str, make: Any) -> tuple[str, ...]:
        """The options that a member of the family takes from the configuration."""
        return tuple(parameters(make))

    def member(
        self, path: KeyPath, family: str, default: str | None = None, beside: tuple[str, ...] = ()
    ) -> Member:
        """The member at `path`; keys `beside` its options are not its own."""
        spec = self.at(path, {} if default is None else {"name": default})
        spec = {"name": spec} if isinstance(spec, str) else spec
        if not isinstance(spec, Mapping):
            raise self.error(path, f"needs a name or a table; got {spec!r}")
        name = spec.get("name", default)
        if not isinstance(name, str):
            raise self.error(path, f"needs a name, a string; got {name!r}")
        try:
            make = self.found(family, name)
        except ConfigError as error:
            raise self.error((*path, "name"), str(error)) from error
        self.known(path, spec, ("name", *beside, *self.options(family, make)))
        options = {key: spec[key] for key in spec if key not in ("name", *beside)}
        for key, value in options.items():
            if key in MEMBER_OPTIONS:
                options[key] = self.member((*path, key), MEMBER_OPTIONS[key])
            elif wrong := flaw(make, key, value):
                raise self.error((*path, key), wrong)
        return Member(name, make, options, Complaint(self.source, path))

    def distinct(self, path: KeyPath, labels: list[str], *key: str) -> None:
        """Refuse a label that is there twice."""
        seen: set[str] = set()
        for i, label in enumerate(labels):
            if label in seen:
                raise self.error((*path, i, *key), f"{label!r} is there twice")
            seen.add(label)
