"""On which line of a TOML text does a key stand?

`tomllib` keeps no line numbers. But every statement of a TOML file ends at the end of a line, and
is a valid file by itself; so are the lines before it. The statement that brings a key is the first
one whose prefix of the file holds the key, found by bisection. No grammar is written twice, so
strings over many lines, inline tables and arrays of tables are all right.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

Path = tuple[str | int, ...]

#: One of these stands on the last line of every statement that has several.
_CLOSING = ("]", "}", '"""', "'''")


def line_of(text: str, path: Path) -> int | None:
    r"""1-based line on which the statement begins that brings `path`; None when nothing does.

    Args:
        text: a valid TOML file.
        path: keys, and positions in arrays, from the top: ("compare", 1, "optimizer").

    >>> line_of('a = 1\n\n[run]\nb = 6\n', ("run", "b"))
    4
    """
    if not _holds(tomllib.loads(text), path):
        return None
    lines = _lines(text)
    found = list(_statements(lines))
    which = _first(found, lambda end: _holds(tomllib.loads("\n".join(lines[:end])), path))
    return found[which][0] + 1


def nearest_line(text: str, path: Path) -> int | None:
    r"""The line of `path`, or of the innermost table around it that is there.

    >>> nearest_line('[run]\nseed = 6\n', ("run", "b"))
    1
    """
    tree, end = tomllib.loads(text), len(path)
    while end and not _holds(tree, path[:end]):
        end -= 1
    return line_of(text, path[:end]) if end else None


def first_unreadable(text: str) -> int:
    r"""1-based line on which the first statement begins that cannot be read.

    Args:
        text: no valid TOML file.

    >>> first_unreadable('a = 1\nb = [\n2\n'), first_unreadable('a = 1\n\na = 1\n')
    (2, 3)
    """
    lines, found = _lines(text), [(0, 0)]
    with contextlib.suppress(ValueError, RecursionError):  # a number too long, brackets too deep
        found += _statements(lines)
    which = _first(found, lambda end: not _readable("\n".join(lines[:end])))
    return (found[which][0] if which < len(found) else found[-1][1]) + 1


def _first(found: list[tuple[int, int]], true: Callable[[int], bool]) -> int:
    """Position of the first statement to whose end something is true, and stays so; by bisection.

    The number of statements when it is true to the end of none.
    """
    low, high = 0, len(found)
    while low < high:
        middle = (low + high) // 2
        if true(found[middle][1]):
            high = middle
        else:
            low = middle + 1
    return low


def _readable(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _lines(text: str) -> list[str]:
    """The lines as TOML counts them: other separators of Unicode end none."""
    return text.replace("\r\n", "\n").split("\n")


def _statements(lines: list[str]) -> Iterator[tuple[int, int]]:
    """0-based first line of every statement, and the line after it; it ends at an unreadable one.

    Lines between statements count as statements that bring nothing.
    """
    start = 0
    while start < len(lines):
        for end in range(start + 1, len(lines) + 1):
            if end > start + 1 and not any(mark in lines[end - 1] for mark in _CLOSING):
                continue
            try:
                tomllib.loads("\n".join(lines[start:end]))
            except tomllib.TOMLDecodeError:
                continue
            yield start, end
            start = end
            break
        else:
            return


def _holds(tree: Any, path: Path) -> bool:
    for key in path:
        inside = (
            0 <= key < len(tree)
            if isinstance(key, int) and isinstance(tree, list)
            else isinstance(tree, dict) and key in tree
        )
        if not inside:
            return False
        tree = tree[key]
    return True
