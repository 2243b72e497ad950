"""What the commands share: the console, plain words, and the arguments that several take."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from saddleproof.printed import printable
from saddleproof.words import Ending

if TYPE_CHECKING:
    from rich.console import Console

#: Columns of a file or a pipe; a terminal knows its own.
_WIDE = 120
#: What a shell reports for a command that Ctrl-C ended.
INTERRUPTED = 130
#: The exit code where somebody else must act first: workers are missing, or the server refuses us.
STUCK = 3

config_argument = click.argument("config", type=click.Path(path_type=Path))
import_option = click.option(
    "--allow-import",
    "imports",
    multiple=True,
    metavar="MODULE",
    help="A module, or a package with all of its modules, of which CONFIG may name classes; those "
    "in CONFIG's own folder need no word. May be given again.",
)
resume_option = click.option(
    "--resume",
    is_flag=True,
    help="Go on with CONFIG's last run; if it has ended, only say how. Without one, begin.",
)
allow_option = click.option(
    "--allow",
    multiple=True,
    metavar="NAME",
    help="With --resume: what may differ from how the run began, such as roster or version; it "
    "then goes on from its point. May be given again.",
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(1), help="Worker processes; 2 unless there is one core only."
)


def exit_code(status: Ending) -> int:
    """What a command that led a run exits with: 0 where the run has ended, however."""
    if status is Ending.INTERRUPTED:
        return INTERRUPTED
    return STUCK if status is Ending.TOO_FEW_WORKERS else 0


def exits(meanings: Mapping[int, str]) -> str:
    """The last paragraph of a command's help: its exit codes, one a line.

    Args:
        meanings: exit code to what it means; 2 is added, which click gives to a wrong option.
    """
    listed = {**meanings, 2: "a wrong option"}
    lines = [f"  {code:>3}  {listed[code]}" for code in sorted(listed)]
    return "\n".join(["\b", "Exit codes:", *lines])


def console() -> Console:
    """Standard output, numbers left in one colour, and tables that need not fold in a file.

    A terminal knows its width, and COLUMNS sets it anywhere; else a file has 120 columns.
    """
    from rich.console import Console

    own = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal()
    return Console(highlight=False, width=None if own else _WIDE)


def say(where: Console, text: str) -> None:
    """Plain text: no markup, no terminal escapes, and long lines stay whole in a file."""
    where.print(printable(text, but="\n\t"), markup=False, soft_wrap=True)
