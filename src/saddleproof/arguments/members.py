"""Members of the families that callers hand in: rules, optimizers, attacks, fleets.

Members of the user's own are as good as ours: a family is a protocol, and what counts is that its
methods are there. What is refused is refused with the nearest right thing. The families' tables
are read by name, and only when an error is on its way: they stand above this file.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saddleproof.errors import OptionError

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from saddleproof.fleets.base import Fleet


@dataclass(frozen=True)
class Family:
    """What a family asks of its members.

    Attributes:
        word: what one of them is, in a sentence.
        example: one that always works.
        methods: what each of them has, in the order in which a lack is reported.
        module, table: where its names stand.
    """

    word: str
    example: str
    methods: tuple[str, ...]
    module: str
    table: str

    def names(self) -> dict[str, Any]:
        """Its table, name to class."""
        members: dict[str, Any] = getattr(importlib.import_module(self.module), self.table)
        return members


FAMILIES = {
    "aggregator": Family(
        "a rule", "Median()", ("estimate", "estimates", "breakdown", "__call__"),
        "saddleproof.aggregators.table", "ALL_AGGREGATORS",
    ),
    "optimizer": Family(
        "an optimizer", "CertifiedPGD()",
        ("ask", "tell", "init", "status", "point", "evidence", "breakdown", "extend"),
        "saddleproof.optimizers.table", "OPTIMIZERS",
    ),
    "fleet": Family(
        "a fleet", "LocalFleet(problem)", ("round", "announce", "workers"),
        "saddleproof.fleets.table", "FLEETS",
    ),
    "problem": Family(
        "a problem", "Problem(loss, shards)", ("gradients", "m"),
        "saddleproof.problems.table", "ALL_PROBLEMS",
    ),
    "attack": Family(
        "an attack", "SignFlip()", ("__call__",), "saddleproof.attacks.table", "ATTACKS",
    ),
}  # fmt: skip


def aggregator(name: str, value: object) -> None:
    """Refuse what is no rule.

    Raises:
        OptionError: a class, a name, a function, a member of another family, or a rule of the
            caller's own that lacks a method.

    >>> try:
    ...     aggregator("aggregator", "meidan")
    ... except OptionError as error:
    ...     print(error)
    aggregator must be a rule; got the string 'meidan': pass an instance, Median()
    """
    member(name, "aggregator", value)


def optimizer(name: str, value: object) -> None:
    """Refuse what is no optimizer; see `aggregator`."""
    member(name, "optimizer", value)


def attack(name: str, value: object) -> None:
    """Refuse what is no attack; a function of a view is one. See `aggregator`."""
    member(name, "attack", value)


def workers(value: object) -> TypeIs[Fleet]:
    """Whether the workers come as a fleet; else they come as a problem.

    Raises:
        OptionError: they come as neither.
    """
    kind = type(value)
    if kind.__module__.startswith("torch.") or _mro_has(kind, "torch.nn.modules.module"):
        raise OptionError(
            f"minimize takes a problem or a fleet; got {_told(value)}. A module is trained by "
            "saddleproof.torch.fit(module, loss, shards, b=...)"
        )
    is_fleet = not isinstance(value, type) and hasattr(value, "round")
    member("problem_or_fleet", "fleet" if is_fleet else "problem", value)
    return is_fleet


def member(name: str, family: str, value: object) -> None:
    """Refuse `value` unless it is a member of the family.

    Args:
        name: what the caller calls it.
        family: a key of `FAMILIES`.
        value: what was given.

    Raises:
        OptionError: it is none; the message gives the nearest one.
    """
    asked = FAMILIES[family]
    must = f"{name} must be {asked.word}; got {_told(value)}"
    is_function = inspect.isroutine(value) and family != "attack"
    if isinstance(value, str) or value is None or is_function:
        spelled = value if isinstance(value, str) else getattr(value, "__name__", "")
        raise OptionError(f"{must}: pass an instance, {_nearest(asked, spelled)}")
    if _of_torch_optim(value):
        cure = f"{must}, an optimizer of PyTorch's: pass {_nearest(asked, '')}"
        fit = "; saddleproof.torch.fit has lr=, momentum= and batch_size= of its own"
        raise OptionError(cure + (fit if family == "optimizer" else ""))
    if isinstance(value, type):
        other = family_of_class(value)
        if other in (None, family):
            raise OptionError(f"{must}: pass an instance, {_call(value)}")
        raise OptionError(f"{must}, {FAMILIES[other].word}: pass {_nearest(asked, '')}")
    missing = [method for method in asked.methods if not hasattr(value, method)]
    if not missing and family != "attack":
        return
    other = _by_methods(value)
    if not missing and other is None:
        return
    other = other or family_of_class(type(value))
    if other not in (None, family):
        raise OptionError(f"{must}, {FAMILIES[other].word}: pass {_nearest(asked, '')}")
    if len(missing) == len(asked.methods):
        own = f"or an object with {', '.join(asked.methods)}"
        raise OptionError(f"{must}: pass {_nearest(asked, '')}, {own}")
    lacks = ", ".join(missing)
    raise OptionError(f"{must}, which lacks {lacks}: {asked.word} has {', '.join(asked.methods)}")


def _by_methods(value: object) -> str | None:
    """The family whose methods an instance has; attacks have none but that they can be called."""
    for family, asked in FAMILIES.items():
        if family != "attack" and all(hasattr(value, method) for method in asked.methods[:2]):
            return family
    return None


def family_of_class(kind: type) -> str | None:
    """The family in whose table a class or one of its bases stands."""
    for family, asked in FAMILIES.items():
        if any(one in kind.__mro__ for one in asked.names().values()):
            return family
    return None


def suggest(name: str, valid: Iterable[str]) -> str:
    """The nearest valid names, or all of them when none is near.

    >>> suggest("meidan", ["mean", "median", "trimmed_mean"])
    'did you mean median or mean?'
    >>> suggest("krum", ["mean", "median"])
    'valid: mean, median'
    """
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"valid: {', '.join(names) or 'none'}"


def _told(value: object) -> str:
    """What was given, in few words."""
    if isinstance(value, str):
        return f"the string {value!r}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if inspect.isroutine(value):
        return f"the function {value.__name__}"
    if value is None:
        return "None"
    kind = type(value)
    home = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    ours = kind.__module__.startswith("saddleproof.")
    return f"{kind.__name__}" if ours else f"an object of type {home}{kind.__name__}"


def _nearest(asked: Family, spelled: str) -> str:
    """A call that makes the member whose name is nearest."""
    names = asked.names()
    by_class = {kind.__name__.lower(): kind for kind in names.values()}
    by_name = by_class | names
    plain = spelled.strip().lower().removesuffix("()").replace(" ", "_").replace("-", "_")
    near = difflib.get_close_matches(plain, by_name, n=1, cutoff=0.7)
    return _call(by_name[near[0]]) if near else f"for example {asked.example}"


def _call(kind: type) -> str:
    """`Kind()`, with the arguments that it cannot do without."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):  # a class that hides its signature
        return f"{kind.__name__}()"
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in variadic]
    return f"{kind.__name__}({', '.join(f'{name}=...' for name in needed)})"


def _of_torch_optim(value: object) -> bool:
    """Whether it is an optimizer of PyTorch's, or a class of them; PyTorch is not imported."""
    return _mro_has(value if isinstance(value, type) else type(value), "torch.optim")


def _mro_has(kind: type, module: str) -> bool:
    return any(base.__module__.startswith(module) for base in kind.__mro__)
