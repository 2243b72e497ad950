"""Whether an outsider's class or function is a member of a family."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from saddleproof.arguments import FAMILIES
from saddleproof.errors import ConfigError
from saddleproof.schedule import Schedule

#: The functions that can be members, by their parameters.
_FUNCTIONS = {"attack": "view", "schedule": "d and inexactness"}


def fitting(family: str, name: str, found: Any, options: Sequence[str]) -> Any:
    """What makes the member: the class itself, or for an attack a function that gives `found`.

    Args:
        family: of the members of a configuration.
        name: `package.module:Class`, for the error.
        found: a class or a function.
        options: the parameters that it can be given by name.

    Raises:
        ConfigError: it does not have what the family asks of its members.
    """
    methods = asked(family)
    if inspect.isfunction(found):
        if family == "attack" and list(options) == ["view"]:
            return _giving(found)
        if family == "schedule" and len(options) > 1 and options[0] == "d":
            return found
        needs = _FUNCTIONS.get(family)
        or_function = f", or a function of {needs}" if needs else ""
        raise ConfigError(
            f"{name!r} is a function of {', '.join(options) or 'nothing'}; the {family} needs to "
            f"be a class with {', '.join(methods)}{or_function}"
        )
    if family == "schedule" and issubclass(found, Schedule):
        return found
    if missing := [method for method in methods if not _has(found, method)]:
        raise ConfigError(f"{name!r} is no {family}: the class lacks {', '.join(missing)}")
    return found


def _giving(found: Any) -> Any:
    """A maker without options that gives `found`, and stands where `found` does."""

    def made() -> Any:
        return found

    made.__module__ = found.__module__
    return made


def asked(family: str) -> tuple[str, ...]:
    """The methods that a class of this family has; m is a number, and the instances' own."""
    methods = FAMILIES[family].methods if family in FAMILIES else ("__call__",)
    return tuple(method for method in methods if method != "m")


def _has(kind: type, method: str) -> bool:
    """Whether instances have a method; that the class itself can be called says nothing."""
    return any(vars(base).get(method) is not None for base in kind.__mro__)
