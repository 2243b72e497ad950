"""From the names and options of a configuration to the members of a family.

A member is looked up in its family's table.py; outsiders write `package.module:Class`, and their
class must have what the family asks of its members. Its options are the parameters of its
constructor, and are checked before anything runs.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from saddleproof.arguments import FAMILIES, suggest
from saddleproof.arguments.renamed import NAMES
from saddleproof.config.fitting import fitting
from saddleproof.config.imports import Imports
from saddleproof.errors import ConfigError, MissingExtraError, SaddleproofError
from saddleproof.printed import reason

#: Family to the module and the name of its table.
TABLES: dict[str, tuple[str, str | None]] = {
    **{
        family: (FAMILIES[family].module, FAMILIES[family].table)
        for family in ("problem", "attack", "aggregator", "optimizer")
    },
    "schedule": ("saddleproof.schedule", None),
}
#: Options that are members themselves, and their families.
MEMBER_OPTIONS = {family: family for family in TABLES} | {
    "otherwise": "attack",
    "gradients": "attack",
    "rule": "aggregator",
}
#: The schedules have no table of their own; they are options of one optimizer.
SCHEDULES = {
    "theorem3": "Theorem3",
    "theorem4": "Theorem4",
    "heuristic": "HeuristicSchedule",
    "fixed": "Schedule",
}


@dataclass(frozen=True)
class Given:
    """Makes a member that a caller handed in, ready to use."""

    value: Any

    def __call__(self) -> Any:
        """The member."""
        return self.value


@dataclass(frozen=True)
class Handed:
    """Complains about a member that a caller handed in under this name."""

    name: str

    def __call__(self, said: str, *_: str) -> ConfigError:
        """The error about it."""
        return ConfigError(f"{self.name}: {said}")


@dataclass(frozen=True)
class Member:
    """A chosen member of a family and its options, not yet built.

    Attributes:
        name: as written in the configuration.
        make: its class.
        options: constructor arguments by name; a `Member` where an option is one itself.
        complain: makes a `ConfigError` that says where the member, or a key of it, stands in the
            file.
    """

    name: str
    make: Any
    options: Mapping[str, Any]
    complain: Any = field(repr=False, compare=False)

    @property
    def spelled(self) -> str:
        """Name and options on one line: "clipping(rule=krum, radius=2)"."""
        options = (
            f"{key}={value.spelled if isinstance(value, Member) else value}"
            for key, value in self.options.items()
        )
        listed = ", ".join(options)
        return f"{self.name}({listed})" if listed else self.name

    def every(self) -> Iterator[Member]:
        """This member, and those that are options of it."""
        yield self
        for value in self.options.values():
            if isinstance(value, Member):
                yield from value.every()

    def seeded(self, seed: int | None) -> Member:
        """The same with this seed wherever it, or an option of it, takes one."""
        if seed is None:
            return self
        options = {
            key: value.seeded(seed) if isinstance(value, Member) else value
            for key, value in self.options.items()
        }
        return replace(self, options=options | ({"seed": seed} if self.takes("seed") else {}))

    def takes(self, option: str) -> bool:
        """Whether the constructor has a parameter of this name."""
        return option in parameters(self.make)

    def build(self, **supplied: Any) -> Any:
        """The member itself.

        Args:
            supplied: what the run knows by itself; used for parameters that the constructor
                cannot do without and about which the configuration is silent.

        Raises:
            ConfigError: an option is refused, one that is needed is missing, or the constructor
                raised any other error.
            MissingExtraError: the member needs an optional dependency.
        """
        arguments = self._arguments(supplied)
        try:
            return self.make(**arguments)
        except MissingExtraError:
            raise
        except (SaddleproofError, TypeError) as error:
            raise self.complain(f"{self.name}: {error}") from error
        except Exception as error:  # a constructor may be the user's own, and raise anything
            raise self.complain(f"{self.name}: {reason(error)}") from error

    def plan(self, **supplied: Any) -> Any:
        """A schedule: built now if it is a fixed one, or else a function of (d, inexactness)."""
        if inspect.isclass(self.make):
            return self.build(**supplied)
        first, second = list(parameters(self.make))[:2]
        arguments = self._arguments(supplied, later=(first, second))
        return lambda d, inexactness: self.make(**{first: d, second: inexactness, **arguments})

    def _arguments(
        self, supplied: Mapping[str, Any], later: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        arguments = {
            key: value.plan(**supplied) if isinstance(value, Member) else value
            for key, value in self.options.items()
        }
        for name, parameter in parameters(self.make).items():
            if parameter.default is parameter.empty and name not in (*later, *arguments):
                arguments[name] = supplied.get(name)
        if missing := [name for name, value in arguments.items() if value is None]:
            raise self.complain(f"{self.name} needs {' and '.join(missing)}")
        return arguments


def table(family: str) -> dict[str, Any]:
    """The family's literal table, name to class."""
    module, name = TABLES[family]
    home = importlib.import_module(module)
    if name is None:
        return {key: getattr(home, attribute) for key, attribute in SCHEDULES.items()}
    members: dict[str, Any] = getattr(home, name)
    return members


def find(family: str, name: str, imports: Imports | None = None) -> Any:
    """What makes the member of that name: a class, or for a schedule perhaps a function.

    Args:
        family: a key of `TABLES`.
        name: of the family's table, or `package.module:Class`.
        imports: from where the latter may come; from saddleproof alone unless given.

    Raises:
        ConfigError: no such member, and the message lists the nearest names; or something else
            than a member of the family.
    """
    if ":" in name:
        found = (imports or Imports()).load(name)
        try:
            options = tuple(parameters(found))
        except (TypeError, ValueError) as error:  # written in C
            raise ConfigError(f"{name!r} does not say which options it takes") from error
        return fitting(family, name, found, options)
    members = table(family)
    if name in NAMES and NAMES[name] in members:
        raise ConfigError(f"the {family} {name!r} is called {NAMES[name]!r} now")
    if name not in members:
        raise ConfigError(f"no {family} is called {name!r}; {suggest(name, members)}")
    return members[name]


def parameters(make: Any) -> dict[str, inspect.Parameter]:
    """The constructor's parameters that can be given by name."""
    skipped = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {
        name: parameter
        for name, parameter in inspect.signature(make).parameters.items()
        if parameter.kind not in skipped
    }
