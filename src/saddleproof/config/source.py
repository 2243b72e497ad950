"""The text of a configuration: read, taken apart, and named in complaints by line and key.

What a file may hold is bounded here, once, so that everything after it deals with small trees of
short strings and of numbers that can be printed.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saddleproof.config.lines import Path as KeyPath
from saddleproof.config.lines import first_unreadable, nearest_line
from saddleproof.errors import ConfigError
from saddleproof.printed import one_line

#: Most bytes of a file, most characters of a string, and most tables around a value.
MOST_BYTES, MOST_CHARACTERS, MOST_DEEP = 256 * 1024, 4096, 16
#: Numbers have less than this in size: 64 bits, as in TOML.
MOST_WHOLE = 2**64
#: Most parts of a dotted key: the time that reading one takes grows with their square.
_MOST_PARTS = 50
#: What stands between two keys or values.
_BETWEEN = re.compile(r"[=,\[\]{}#\n]")
#: Most characters of a complaint.
_MOST_SAID = 600
_PLACE = re.compile(r" \(at [^()]*\)$")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read(path: str | os.PathLike[str]) -> str:
    """The text of a file.

    Raises:
        ConfigError: it cannot be read, is longer than `MOST_BYTES`, begins with a byte order mark,
            or is no UTF-8; the message names the file, and the line where there is one.
    """
    name = one_line(os.fspath(path))
    try:
        # A pipe that nobody writes to is empty, and is not waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:  # noqa: PTH123 - it is open already
            os.set_blocking(descriptor, True)
            data = _first(file, MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero in it
        said = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read {name}: {said}") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(
            f"{name}: a configuration has at most {MOST_BYTES // 1024} KiB; this one is longer"
        )
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(
            f"{name}, line 1: begins with a byte order mark; save it as UTF-8 without one"
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{name}, line {line}: is no text in UTF-8: byte 0x{data[error.start]:02x}"
        ) from error
    return text.replace("\r\n", "\n")


def _first(file: Any, most: int) -> bytes:
    """The first `most` bytes; a pipe gives them in pieces."""
    pieces, left = [], most
    while left and (piece := file.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


@dataclass(frozen=True)
class Source:
    """A configuration's text, what it is called in complaints, and its tables."""

    text: str
    name: str
    tree: Mapping[str, Any]

    @classmethod
    def of(cls, text: str, name: str) -> Source:
        """Take the text apart.

        Raises:
            ConfigError: it is no TOML, or holds what is too long, too large or too deep.
        """
        name = one_line(name)
        if len(text) > MOST_BYTES:
            raise ConfigError(f"{name}: a configuration has at most {MOST_BYTES} characters")
        at = 0
        for part in _BETWEEN.split(text):
            if part.count(".") >= _MOST_PARTS:
                line = text.count("\n", 0, at) + 1
                said = f"has a key of more than {_MOST_PARTS} parts"
                raise ConfigError(f"{name}, line {line}: {one_line(part, 60)}: {said}")
            at += len(part) + 1
        try:
            tree = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise _unreadable(text, name, error) from error
        source = cls(text, name, tree)
        source._bounded()
        return source

    def error(self, path: KeyPath, message: str) -> ConfigError:
        """The one form of all complaints: file, line, table and key, message, on one line."""
        line = nearest_line(self.text, path)
        place = self.name if line is None else f"{self.name}, line {line}"
        said = one_line(message, _MOST_SAID)
        return ConfigError(": ".join(part for part in (place, spelled(path), said) if part))

    def at(self, path: KeyPath, default: Any) -> Any:
        """What stands at a path, or the default."""
        found: Any = self.tree
        for key in path:
            if isinstance(found, str) or (isinstance(found, Mapping) and key not in found):
                return default
            found = found[key]
        return found

    def _bounded(self) -> None:
        """Refuse what is too long, too large or too deep to be a configuration."""
        waiting: list[tuple[KeyPath, Any]] = [((), self.tree)]
        while waiting:
            path, value = waiting.pop()
            if len(path) > MOST_DEEP:
                raise self.error(path[:MOST_DEEP], f"has more than {MOST_DEEP} levels inside it")
            if isinstance(value, str) and len(value) > MOST_CHARACTERS:
                raise self.error(path, f"is a string of more than {MOST_CHARACTERS} characters")
            if isinstance(value, int) and abs(value) >= MOST_WHOLE:
                raise self.error(path, "is a whole number of more than 64 bits")
            if isinstance(value, Mapping):
                waiting += (((*path, key), inner) for key, inner in value.items())
            elif isinstance(value, list):
                waiting += (((*path, i), inner) for i, inner in enumerate(value))


def _unreadable(text: str, name: str, error: Exception) -> ConfigError:
    """The complaint about a text that is no TOML, with the line and what stands there."""
    if isinstance(error, RecursionError):
        said = "has too many brackets inside each other"
    elif isinstance(error, tomllib.TOMLDecodeError):
        said = _PLACE.sub("", str(error))  # where the statement begins says more
    else:
        said = "has a number with too many digits"  # int() has its own limit
    line, lines = first_unreadable(text), text.split("\n")
    stands = one_line(lines[line - 1], 60) if line <= len(lines) else ""
    return ConfigError(f"{name}, line {line}: {stands + ': ' if stands else ''}{one_line(said)}")


def spelled(path: KeyPath) -> str:
    """A path as people say it.

    >>> spelled(("run", "b")), spelled(("compare", 1, "label")), spelled(("attak",))
    ('[run] b', '[[compare]] number 2, label', '[attak]')
    """
    if not path:
        return ""
    if len(path) > 1 and isinstance(path[1], int):
        keys = ".".join(map(_key, path[2:]))
        return f"[[{_key(path[0])}]] number {path[1] + 1}" + (f", {keys}" if keys else "")
    keys = ".".join(map(_key, path[1:]))
    return f"[{_key(path[0])}]" + (f" {keys}" if keys else "")


def _key(key: str | int) -> str:
    """A key as TOML writes it: in quotation marks where it needs them."""
    bare = isinstance(key, int) or _BARE.fullmatch(key)
    return one_line(str(key) if bare else json.dumps(key, ensure_ascii=False), 80)
