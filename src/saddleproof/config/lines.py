"""On which line of a TOML text does a key stand?

`tomllib` keeps no line numbers. But every statement of a TOML file ends at the end of a line, and
the lines before it are a valid file by themselves: the statement that brings a key is the first
one whose prefix of the file holds it. No grammar is written twice, so strings over many lines,
inline tables and arrays of tables are all right; the quadratic cost is paid by errors only.
"""

from __future__ import annotations

import tomllib
from typing import Any

Path = tuple[str | int, ...]


def line_of(text: str, path: Path) -> int | None:
    r"""1-based line on which the statement begins that brings `path`; None when nothing does.

    Args:
        text: a valid TOML file.
        path: keys, and positions in arrays, from the top: ("compare", 1, "optimizer").

    >>> line_of('a = 1\n\n[run]\nb = 6\n', ("run", "b"))
    4
    """
    lines = text.splitlines()
    statement = 0  # lines before the statement that is being read
    for count in range(1, len(lines) + 1):
        try:
            tree = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        if _holds(tree, path):
            return statement + 1
        statement = count
    return None


def nearest_line(text: str, path: Path) -> int | None:
    r"""The line of `path`, or of the innermost table around it that is there.

    >>> nearest_line('[run]\nseed = 6\n', ("run", "b"))
    1
    """
    for end in range(len(path), 0, -1):
        line = line_of(text, path[:end])
        if line is not None:
            return line
    return None


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
