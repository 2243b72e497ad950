"""Every option of every member is explained in a docstring, and `saddleproof list` tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.cli import main
from saddleproof.config.members import TABLES, parameters, table
from saddleproof.config.options import Option, headline, options

EVERY = [(family, name) for family in TABLES for name in table(family)]


def listed(*arguments: str, status: int = 0, columns: str = "200") -> str:
    result = CliRunner(env={"COLUMNS": columns}).invoke(main, ["list", *arguments])
    assert result.exit_code == status, result.output
    return result.output


@pytest.mark.parametrize(("family", "name"), EVERY)
def test_every_option_of_every_member_has_a_meaning_and_the_default_of_its_signature(
    family: str, name: str
) -> None:
    make = table(family)[name]
    assert headline(make)
    for option in options(make):
        assert option.meaning, f"{name}: no docstring explains {option.name}"
        required = parameters(make)[option.name].default is parameters(make)[option.name].empty
        assert (option.default == "no default") == required


class Base:
    """A base.

    Args:
        step: metres a round,
            above 0.
        noise, scale: two of them.
    """

    def __init__(self, step: float, noise: int = 2, scale: None = None) -> None: ...


class Child(Base):
    """A child.

    Args:
        step: see `Base`.
        scale: its own.

    Raises:
        OptionError: never.
    """


@dataclass
class Made:
    """A dataclass.

    Attributes:
        word: which.
        listed: a factory's.
    """

    word: Literal["a", "b"] = "a"
    listed: tuple[int, ...] = field(default_factory=lambda: (1, 2))


def test_an_inherited_option_is_explained_by_the_base_where_the_child_points_there() -> None:
    assert options(Child) == (
        Option("step", "float", "no default", "metres a round, above 0"),
        Option("noise", "int", "default 2", "two of them"),
        Option("scale", "None", "default none", "its own"),
    )


def test_the_words_of_an_option_are_listed_and_a_factory_is_asked() -> None:
    word, more = options(Made)
    assert (word.kind, word.default) == ("one of a, b", "default 'a'")
    assert more.default == "default (1, 2)"


def test_what_says_nothing_has_options_without_a_meaning() -> None:
    def silent(view: Any) -> None: ...

    assert options(silent) == (Option("view", "Any", "no default", ""),)
    assert headline(silent) == ""


@given(st.text())
def test_no_docstring_breaks_the_reader(text: str) -> None:
    class Odd:
        def __init__(self, a: int = 1) -> None: ...

    Odd.__doc__ = f"Odd.\n\nArgs:\n    a: one\n{text}"
    (option,) = options(Odd)
    assert option.name == "a"


def test_a_family_is_told_with_types_defaults_and_meanings() -> None:
    output = listed("optimizers")
    assert "step (float | None; default none): eta_0, the first step of the descent" in output


def test_named_members_alone_are_told() -> None:
    output = listed("optimizers", "neon")
    assert "curvature (float; default 0.1): gamma > 0" in output
    assert "certified_pgd" not in output


def test_a_wrong_name_is_told_with_the_nearest() -> None:
    assert "did you mean neon" in listed("optimizers", "nein", status=2)


def test_a_narrow_terminal_loses_no_word() -> None:
    wide, narrow = (
        re.sub(r"\s+", "", listed("optimizers", columns=width)) for width in ("200", "40")
    )
    assert sorted(wide) == sorted(narrow)
    assert max(map(len, listed("optimizers", columns="40").splitlines())) <= 40
