"""The command that goes on with a run, as a line that can be pasted into a shell anywhere."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource


def again(context: click.Context) -> str:
    """The command line that was given, and `--resume`.

    Paths are absolute, and what a shell would take apart is quoted. Options that were left at their
    defaults stay out, but for paths: those depend on where a command is typed.

    Args:
        context: of a command that has `--resume`.
    """
    return f"{given(context)} --resume"


def given(context: click.Context) -> str:
    """The command line that was given, as `again` says it, without `--resume`."""
    words = [*_program(), *_names(context)]
    for parameter in context.command.params:
        if parameter.name == "resume":
            continue
        source = context.get_parameter_source(str(parameter.name))
        value = context.params.get(str(parameter.name))
        path = isinstance(parameter.type, click.Path)
        if value is None or (source in _DEFAULTS and not path):
            continue
        words += _given(parameter, value)
    return shlex.join(words)


_DEFAULTS = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def _given(parameter: click.Parameter, value: Any) -> Iterator[str]:
    """The words that say this value."""
    if isinstance(parameter, click.Argument):
        yield _spelled(value)
        return
    option = max(parameter.opts, key=len)
    if isinstance(parameter, click.Option) and parameter.is_flag:
        if value:
            yield option
        return
    for one in value if parameter.multiple else (value,):
        yield from (option, _spelled(one))


def _spelled(value: Any) -> str:
    return str(value.expanduser().absolute()) if isinstance(value, Path) else str(value)


def _program() -> list[str]:
    """How this program was called: as a script, or as a module."""
    script = Path(sys.argv[0])
    if script.name != "saddleproof":
        return [sys.executable, "-m", "saddleproof"]
    found = shutil.which("saddleproof")
    here = found is not None and Path(found).resolve() == script.resolve()
    return ["saddleproof" if here else str(script.absolute())]


def _names(context: click.Context) -> list[str]:
    """The names of the commands, without the program's."""
    return [] if context.parent is None else [*_names(context.parent), str(context.info_name)]
