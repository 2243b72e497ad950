"""Text from elsewhere, in the form of each place where it is printed.

Labels, names and errors come from configuration files, from other machines and from user code. What
one of them says must not act on a terminal, on a page, in a formula or in a spreadsheet.

    printable   terminals, logs and pages: what would act instead of being seen is escaped
    one_line    the same on one line, of bounded length
    drawn       figures of matplotlib: no mathematics, and no hidden legend
    cell        spreadsheets: no formula
    reason      an error of any code, on one line, with the place where it was raised

A page escapes its markup by jinja2's autoescape, and a table of rich holds `Text`, which has none.
"""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any

#: What begins a formula, at the beginning of a cell or after a separator of other countries' files.
_FORMULA = re.compile(r"(^|;)(?=\s*[=+\-@\uff0b\uff0d\uff1d\uff20]\s*\S)")
#: A line break, with the blanks around it.
_BREAK = re.compile(r"[ \t]*[\r\n]+[ \t]*")
#: Most characters of a label in a figure.
_DRAWN = 120


def printable(text: str, *, but: str = "") -> str:
    r"""The text with every character escaped that a terminal or a log would not print.

    A name on a certificate or in a file may hold a line break, an escape sequence of a terminal, or
    a mark that turns the direction of what follows.

    Args:
        text: whatever somebody chose.
        but: characters that stay, such as a line break.

    >>> printable("ann\nben\x1b[31m")
    'ann\\nben\\x1b[31m'
    """
    return "".join(
        c if c.isprintable() or c in but else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def one_line(text: str, most: int | None = None) -> str:
    r"""The text on one line, `printable`; of one with more than `most` characters both ends.

    >>> one_line("first\n  second\x07", most=14)
    'first sec…\\x07'
    """
    line = printable(_BREAK.sub(" ", text).replace("\t", " "))
    if most is None or len(line) <= most:
        return line
    end = most // 3
    return f"{line[: most - end - 1]}…{line[len(line) - end :]}"


def drawn(text: str) -> str:
    r"""The text for matplotlib, which takes what stands between two $ for mathematics.

    Matplotlib leaves a label with a leading underscore out of its legends; such a label gets a
    space before it.

    >>> drawn("$x$"), drawn("_a")
    ('\\$x\\$', ' _a')
    """
    line = one_line(text, _DRAWN).replace("$", r"\$")
    return f" {line}" if line.startswith("_") else line


def cell(value: object) -> Any:
    """The value for a spreadsheet: a string that would be a formula gets an apostrophe before it.

    Numbers stay numbers.

    >>> cell("=1+1"), cell("-"), cell(-0.5), cell("a;@b")
    ("'=1+1", '-', -0.5, "a;'@b")
    """
    return _FORMULA.sub(r"\1'", one_line(value)) if isinstance(value, str) else value


def reason(error: BaseException) -> str:
    """What an error says, on one line, with its kind, and the file and line that raised it."""
    said = one_line(f"{type(error).__name__}: {error}".removesuffix(": "), 300)
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return said
    return f"{said} ({one_line(Path(frames[-1].filename).name)}, line {frames[-1].lineno})"
