"""The options of a frozen dataclass, checked when it is made, by its own annotations.

    @dataclass(frozen=True)
    class Rule:
        rounds: int = 3
        step: float | None = None

        def __post_init__(self) -> None:
            check_options(self)

`Rule("3")`, `Rule(3.0)`, `Rule(True)` and `Rule(step=nan)` are refused. Ranges are the class's own.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import types
import typing
from functools import lru_cache
from typing import Any

import numpy as np

from saddleproof.arguments.members import suggest
from saddleproof.arguments.numbers import is_real, is_whole, seed_number, seed_of
from saddleproof.errors import OptionError


def check_options(options: object) -> None:
    """Refuse what an annotation does not allow, and make NumPy's scalars plain numbers.

    Judged are options that are annotated as numbers, strings, booleans, literals, tuples of
    numbers, and unions of these; an option called `seed` may be a `Generator` too.

    Raises:
        OptionError: names the class and the option, and says what it needs.
    """
    kind: Any = type(options)
    for name in _fields(kind):
        value = getattr(options, name)
        if name == "seed":
            optional = type(None) in _choices(_types(kind)[name])
            object.__setattr__(options, name, seed_of(value) if optional else seed_number(value))
        elif wrong := flaw(kind, name, value):
            words = _words(_choices(_types(kind)[name]))
            if words and isinstance(value, str):
                raise OptionError(f"{name} must be one of {', '.join(words)}; got {value!r}")
            raise OptionError(f"{kind.__name__}: {name} {wrong}")
        elif isinstance(value, np.generic):
            object.__setattr__(options, name, value.item())


def flaw(make: object, option: str, value: object) -> str | None:
    """What is wrong with the type of an option's value; None when nothing is.

    Only plain annotations are judged (numbers, strings, booleans, literals, tuples of numbers, and
    unions of them); everything else is left to the constructor. NaN is no number.
    """
    choices = _choices(_types(make).get(option, Any))
    if not all(choice in _PLAIN or _literal(choice) or _numbers(choice) for choice in choices):
        return None
    if any(_fits(value, choice) for choice in choices):
        return None
    words = _words(choices)
    if words and isinstance(value, str):
        return f"{value!r} is none of its values; {suggest(value, words)}"
    wanted = [_PLAIN[choice] for choice in choices if choice in _PLAIN and choice is not type(None)]
    wanted += ["a tuple of numbers" for choice in choices if _numbers(choice)]
    return f"needs {' or '.join([*wanted, *map(repr, words)])}; got {value!r}"


_PLAIN = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a string",
    type(None): "nothing",
}


def _fits(value: Any, choice: Any) -> bool:
    """Whether a value is what one annotation says."""
    if _literal(choice):
        return isinstance(value, str | int | None) and value in typing.get_args(choice)
    if _numbers(choice):
        of = typing.get_args(choice)[0]
        return isinstance(value, tuple | list) and all(_fits(one, of) for one in value)
    if choice is bool:
        return isinstance(value, bool | np.bool_)
    if choice is int:
        return is_whole(value)
    if choice is float:
        return is_real(value) and not math.isnan(value)
    return isinstance(value, choice)


@lru_cache(maxsize=256)
def _fields(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if field.init)


@lru_cache(maxsize=256)
def _types(make: Any) -> dict[str, Any]:
    """The types of the constructor's parameters, as far as they can be resolved."""
    plain = inspect.isclass(make) and not dataclasses.is_dataclass(make)
    try:
        return typing.get_type_hints(make.__init__ if plain else make)
    except (NameError, TypeError):
        return {}


def _choices(annotation: object) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _words(choices: tuple[Any, ...]) -> list[str]:
    """The words that a literal allows."""
    return [str(w) for choice in choices if _literal(choice) for w in typing.get_args(choice)]


def _literal(choice: object) -> bool:
    return typing.get_origin(choice) is typing.Literal


def _numbers(choice: object) -> bool:
    """Whether an annotation is tuple[float, ...] or tuple[int, ...]."""
    args = typing.get_args(choice)
    return typing.get_origin(choice) is tuple and args[1:] == (...,) and args[0] in (int, float)
