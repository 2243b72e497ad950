"""The options of a member, as its constructor and its docstring have them.

The docstring is the one place in which an option is explained: its `Args:` section, that of a base
class for an option that the class inherits, or the field's own entry under `Attributes:`.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any

from saddleproof.config.members import parameters

#: The sections of a docstring that explain options.
_SECTIONS = ("Args:", "Attributes:")
#: The head of an entry: one name or several, and a colon.
_ENTRY = re.compile(r"(\w+(?:, \w+)*):\s+(.*)")


@dataclass(frozen=True)
class Option:
    """An option of a member.

    Attributes:
        name: of the parameter.
        kind: its annotation, as it is written; "any" without one.
        default: "default 3", or "no default".
        meaning: what its docstring says on one line; "" where it says nothing.
    """

    name: str
    kind: str
    default: str
    meaning: str


def headline(make: Any) -> str:
    """The first sentence or paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(make) or "").partition("\n\n")[0].split())


def options(make: Any) -> tuple[Option, ...]:
    """All options of a class or a function, in the order of its constructor.

    >>> class Rule:
    ...     '''A rule.
    ...
    ...     Args:
    ...         rounds: how often it is
    ...             repeated, at least 1.
    ...     '''
    ...     def __init__(self, *, rounds: int = 3) -> None: ...
    >>> options(Rule)
    (Option(name='rounds', kind='int', default='default 3', meaning='how often it is repeated, \
at least 1'),)
    """
    said, types = meanings(make), _types(make)
    return tuple(
        Option(name, _kind(one, types.get(name)), _default(make, one), said.get(name, ""))
        for name, one in parameters(make).items()
    )


def meanings(make: Any) -> dict[str, str]:
    """Option to meaning; what the class itself says goes before what its bases say."""
    found: dict[str, str] = {}
    for kind in reversed(inspect.getmro(make)) if inspect.isclass(make) else (make,):
        own = (vars(kind).get("__init__"),) if inspect.isclass(kind) else ()
        for thing in (*own, kind):
            for name, said in _entries(inspect.cleandoc(getattr(thing, "__doc__", None) or "")):
                if not (name in found and said.startswith("see ")):  # the base's own words
                    found[name] = said
    return found


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """The entries of the sections of a docstring that explain options."""
    names: tuple[str, ...] = ()
    words: list[str] = []
    inside, indent = False, 0
    for line in [*text.splitlines(), ""]:
        depth = len(line) - len(line.lstrip())
        entry = _ENTRY.fullmatch(line.strip()) if inside else None
        starts = entry is not None and (depth == indent or not indent)
        ends = not line.strip() or line.strip() in _SECTIONS or starts or (inside and not depth)
        if ends:
            yield from ((name, " ".join(words).rstrip(".")) for name in names)
            names, words = (), []
        if line.strip() in _SECTIONS and not depth:
            inside, indent = True, 0
        elif line.strip() and not depth:
            inside = False
        elif starts and entry is not None:
            names, words, indent = tuple(entry[1].split(", ")), [entry[2]], depth
        elif names:
            words.append(line.strip())


def _types(make: Any) -> dict[str, Any]:
    """The types behind the annotations; none where they cannot be resolved."""
    plain = inspect.isclass(make) and not is_dataclass(make)
    try:
        return typing.get_type_hints(make.__init__ if plain else make)
    except (NameError, TypeError):  # a name that is imported for type checkers only
        return {}


def _kind(one: inspect.Parameter, found: Any) -> str:
    """The annotation, as it is written; modules in it are left out, and words are listed."""
    if typing.get_origin(found) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(found)))}"
    written = one.annotation
    if written is one.empty:
        return "any"
    text = written if isinstance(written, str) else inspect.formatannotation(written)
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Za-z_])", "", text)


def _default(make: Any, one: inspect.Parameter) -> str:
    """Its default, as one writes it; one that a factory makes is made."""
    if one.default is one.empty:
        return "no default"
    value = one.default
    if is_dataclass(make):
        field = next((field for field in fields(make) if field.name == one.name), None)
        if field is not None and field.default_factory is not MISSING:
            value = field.default_factory()
    return f"default {_written(value)}"


def _written(value: Any) -> str:
    """A default in a configuration's words, where it has some."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if inspect.isclass(value):
        return value.__name__
    return f"{value:g}" if isinstance(value, float) else repr(value)
